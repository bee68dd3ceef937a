"""Writes a trained network as PaddleX 3 reads it: `inference.json`, `inference.pdiparams` and `inference.yml`.

PaddleX 3 (3.7 was tried) gives its segmentation networks photos in RGB, stretched or at their own aspect, and takes
classes from them. What else a network here needs, which is BGR or a border, goes into the graph.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import yaml
from numpy.typing import NDArray
from paddle import inference, nn

from human_segmentation.errors import ModelError
from human_segmentation.export.artifact import TOLERANCE
from human_segmentation.export.parity import Parity, compare
from human_segmentation.files import whole_folder
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.photos import read_photo
from human_segmentation.shipped import sample_photo
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.metrics import class_names

STEM = "inference"


class _FromPaddleX(nn.Layer):
    """A network with what PaddleX 3 leaves out in front of it, and the classes behind it."""

    def __init__(self, network: nn.Layer, rules: Preprocess) -> None:
        super().__init__()
        self.network = network
        self.rules = rules
        if rules.padding is not None:
            border = rules.normalize(rules.border.reshape(1, 1, 1, 3))
            self.register_buffer("border", paddle.to_tensor(border))

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """Maps normalised photos, float32 [N, 3, h, w] RGB, to classes, int32 [N, h, w]."""
        rules = self.rules
        if rules.color == "BGR":
            image = image.flip(1)
        if rules.padding is None:
            return self._classes(image)
        height, width = paddle.shape(image)[2], paddle.shape(image)[3]
        right, below = rules.width - width, rules.height - height
        left, top = (right // 2, below // 2) if rules.centered else (right * 0, below * 0)
        edges = paddle.stack([left, right - left, top, below - top]).astype("int32")
        classes = self._classes(F.pad(image - self.border, edges) + self.border)
        return classes[:, top : top + height, left : left + width]

    def _classes(self, image: paddle.Tensor) -> paddle.Tensor:
        return paddle.argmax(self.network(image), axis=1, dtype="int32")


def export_paddlex3(
    network: nn.Layer, config: ModelConfig, save_dir: Path, photos: Sequence[NDArray[np.uint8]] = ()
) -> dict[str, Parity]:
    """Exports a network and checks Paddle Inference against it.

    Args:
        network: The trained network.
        config: Its configuration.
        save_dir: The folder that the exported model takes.
        photos: uint8 [H, W, 3] BGR each, to compare on, beside the sample photo that ships.

    Returns:
        How far Paddle Inference is from the network.

    Raises:
        ModelError: PaddleX 3 cannot give the model its input, or Paddle Inference differs by more than 0.001; nothing
            is left behind.
        OutputError: The folder cannot be written.
    """
    transforms = _transforms(config)
    rules = replace(config.preprocess, coarsest_stride=None)
    exported = _FromPaddleX(network, rules)
    exported.eval()
    with whole_folder(save_dir) as partial:
        shape = [None, 3, None, None]
        paddle.jit.save(exported, str(partial / STEM), input_spec=[paddle.static.InputSpec(shape, "float32", "x")])
        content = {
            "Global": {"model_name": config.model},
            "Deploy": {"transforms": transforms},
            "label_list": class_names(config.num_classes),
        }
        (partial / f"{STEM}.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        parity = _measured(network, rules, partial, [read_photo(sample_photo()), *photos])
        if not parity.largest <= TOLERANCE:
            raise ModelError(
                f"{save_dir}: the classes of Paddle Inference are off by scores of {parity.largest:.4f}, more than "
                f"{TOLERANCE}; nothing was exported"
            )
        return {"paddle": parity}


def _transforms(config: ModelConfig) -> list[dict[str, Any]]:
    """The steps that lead to the network's input, as PaddleX 3 names them."""
    rules = config.preprocess
    square = rules.width == rules.height
    if config.prior_channel or rules.sides is not None or (rules.padding is not None and not square):
        raise ModelError(
            f"{config.model}: PaddleX 3 cannot give this model its input, as it knows no prior channel, no limit on "
            "the sides of a photo and no border that makes it other than square; leave --format out"
        )
    # scale * x + offset is what PaddleX computes as (x / 255 - mean) / std.
    black, white = rules.normalize(np.array([[[[0] * 3]], [[[255] * 3]]], np.uint8))[:, :, 0, 0].astype(float)
    std = 1 / (white - black)
    mean = -black * std
    if rules.color == "BGR":
        mean, std = mean[::-1], std[::-1]
    return [
        {
            "type": "Resize",
            "target_size": [rules.width, rules.height],
            "keep_ratio": rules.padding is not None,
            "size_divisor": 1,
            "interp": rules.interp,
        },
        {"type": "Normalize", "mean": mean.tolist(), "std": std.tolist()},
    ]


def _measured(network: nn.Layer, rules: Preprocess, folder: Path, photos: Sequence[NDArray[np.uint8]]) -> Parity:
    """Compares what Paddle Inference finds in photos with what the network does."""
    predictor = inference.create_predictor(_runtime(folder))
    image = predictor.get_input_handle(predictor.get_input_names()[0])
    classes = predictor.get_output_handle(predictor.get_output_names()[0])
    reference = Predictor(NetworkEngine(network), rules)
    expected, found = [], []
    for photo in photos:
        tensor = reference.tensor(rules.resize(photo))
        left, top, width, height = rules.content(photo.shape[1::-1])
        inside = np.s_[:, :, top : top + height, left : left + width]
        expected.append(reference.engine(tensor)[inside])
        image.copy_from_cpu(np.ascontiguousarray(tensor[inside][:, :: -1 if rules.color == "BGR" else 1]))
        predictor.run()
        found.append(classes.copy_to_cpu())
    return compare(expected, found)


def _runtime(folder: Path) -> inference.Config:
    config = inference.Config(str(folder / f"{STEM}.json"), str(folder / f"{STEM}.pdiparams"))
    config.disable_gpu()
    config.disable_mkldnn()  # with graphs of paddle 3's own format it stops with an error
    config.disable_glog_info()
    return config
