"""What PaddleX 1.3's Android demo reads beside a `.nb` file: its configuration and two lines of its `strings.xml`."""

from pathlib import Path

import numpy as np
import yaml

from human_segmentation.errors import ModelError
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess

DEMO_PHOTO = "test.jpg"
"""The photo that the demo starts with."""


def demo_rules(model_dir: Path, config: ModelConfig) -> Preprocess:
    """How the demo prepares a photo: it stretches it and computes (x / 255 - mean) / std.

    A frame that keeps its aspect, with or without a border, it cannot draw: its Padding adds the whole target size to
    the photo, and it takes the height of what the network gives for the width. Colour order, interpolation and
    normalisation are the model's own.

    Raises:
        ModelError: The network's input is no square with three channels.
    """
    rules = config.preprocess
    if rules.width != rules.height:
        raise ModelError(
            f"{model_dir}: the network's input is {rules.width}x{rules.height} and the demo draws squares; export the "
            "trained model for one with export.py --fixed_input_shape [192,192]"
        )
    if config.prior_channel:
        raise ModelError(
            f"{model_dir}: the network also sees the score of the frame before, which the demo does not give it; train "
            "one without --prior_channel"
        )
    span = np.subtract(rules.max_val, rules.min_val)
    mean = (np.multiply(rules.mean, span) + rules.min_val) / 255
    std = np.multiply(rules.std, span) / 255
    return Preprocess(
        rules.width, rules.height, rules.color, tuple(mean.tolist()), tuple(std.tolist()), interp=rules.interp
    )


def demo_yaml(config: ModelConfig, rules: Preprocess) -> str:
    """The demo's configuration; it reads numbers as they are written, so a mean is 0.0 and never 0."""
    content = {
        "Model": config.model,
        "TransformsMode": rules.color,
        "Transforms": [
            {"Resize": {"target_size": [rules.width, rules.height], "interp": rules.interp}},
            {"Normalize": {"mean": list(rules.mean), "std": list(rules.std)}},
        ],
        "_Attributes": {
            "model_type": "segmenter",
            "num_classes": config.num_classes,
            "labels": ["background"] + ["person"] * (config.num_classes - 1),
        },
    }
    return yaml.safe_dump(content, sort_keys=False)


def demo_strings(nb: str, yml: str) -> str:
    """The lines of `strings.xml` that name a model and its configuration."""
    return (
        f'<string name="MODEL_PATH_DEFAULT">model/{nb}</string>\n'
        f'<string name="YAML_PATH_DEFAULT">config/{yml}</string>\n'
    )
