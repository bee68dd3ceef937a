"""`model.yml`: what a model is and how a frame becomes its input.

The schema is PaddleX 1.3's, and everything from 0.x on is read.
"""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from human_segmentation.errors import ModelError
from human_segmentation.inference import transforms
from human_segmentation.inference.preprocess import Preprocess

CONFIG_FILE = "model.yml"
TRAINED = "Normal"
EXPORTED = ("Infer", "Quant")
NETWORKS = ("HumanSegMobile", "HumanSegServer", "PortraitNet")
# What PaddleX 1.x calls a network.
LEGACY_NETWORKS = {"HRNet": "HumanSegMobile", "DeepLabv3p": "HumanSegServer"}
# What PaddleX 0.x has for a status.
_STATUSES = {"fluid.save": TRAINED, "fluid.save_inference_model": "Infer"}


# A model that PaddleX trained without photos to measure on has no transforms; its example takes these.
_UNSAID = {"TransformsMode": "BGR", "Transforms": [{"Resize": {"target_size": [192, 192]}}, {"Normalize": {}}]}


class _Loader(yaml.SafeLoader):
    """Also reads the tuples that PaddleX writes."""


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list:
    return loader.construct_sequence(node)


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _sequence)


@dataclass(frozen=True)
class ModelConfig:
    """The content of a `model.yml`.

    Attributes:
        model: The network's name in the zoo.
        status: "Normal" for a trained model, "Infer" for an exported and "Quant" for a quantised one.
        preprocess: How a frame becomes the network's input.
        num_classes: Classes of the output.
        prior_channel: Whether its input has a fourth channel, the score of the frame before.
        width: Factor of the network's channels.
        epochs: Epochs that it was trained for.
        metrics: Metrics on the validation list, in [0, 1].
        legacy: Whether the model is one of PaddleX 1.x, whose files have other forms.
    """

    model: str
    status: str
    preprocess: Preprocess
    num_classes: int = 2
    prior_channel: bool = False
    width: float = 1.0
    epochs: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    legacy: bool = False

    def write(self, folder: Path) -> None:
        """Writes `model.yml` into a folder."""
        content = {
            "Model": self.model,
            "status": self.status,
            **transforms.to_yaml(self.preprocess),
            "_Attributes": {
                "model_type": "segmenter",
                "num_classes": self.num_classes,
                "eval_metrics": dict(self.metrics),
            },
            "_init_params": {
                "num_classes": self.num_classes,
                "prior_channel": self.prior_channel,
                "width": self.width,
            },
            "completed_epochs": self.epochs,
        }
        (folder / CONFIG_FILE).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "ModelConfig":
        """Reads `model.yml` from a folder.

        Raises:
            ModelError: The folder or the file is missing, the file is broken or the network unknown.
        """
        path = folder / CONFIG_FILE
        if not folder.is_dir():
            raise ModelError(f"{folder}: the model folder does not exist; give the folder of a model with --model_dir")
        try:
            return cls._parsed(yaml.load(path.read_text(encoding="utf-8"), _Loader))
        except FileNotFoundError as error:
            raise ModelError(f"{path}: the file is missing; give the folder of a complete model") from error
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        except (
            OSError,
            UnicodeDecodeError,
            yaml.YAMLError,
            LookupError,
            TypeError,
            ValueError,
            ArithmeticError,
            AttributeError,
            RecursionError,
        ) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{path}: the file is broken ({reason}); export or copy the model again") from error

    @classmethod
    def _parsed(cls, content: dict) -> "ModelConfig":
        attributes, init = content["_Attributes"], content.get("_init_params") or {}
        name = str(content["Model"])
        legacy = name in LEGACY_NETWORKS
        if legacy and "Transforms" not in content:
            content = content | _UNSAID
        if name not in NETWORKS and not legacy:
            known = ", ".join((*NETWORKS, *LEGACY_NETWORKS))
            raise ModelError(f"the model {name} is unknown; give a model of one of {known}")
        status = str(content["save_method" if "status" not in content and "save_method" in content else "status"])
        status = _STATUSES.get(status, status)
        if status not in (TRAINED, *EXPORTED):
            raise ModelError(
                f"the status {status} is unknown; give a model with {TRAINED}, {' or '.join(EXPORTED)}, which was not "
                "pruned"
            )
        return cls(
            model=LEGACY_NETWORKS.get(name, name),
            status=status,
            preprocess=transforms.from_yaml(content),
            num_classes=int(attributes["num_classes"] if "num_classes" in attributes else init["num_classes"]),
            prior_channel=bool(init.get("prior_channel", False)),
            width=1.0 if legacy else float(init.get("width", 1.0)),  # HRNet's is another width
            epochs=int(content.get("completed_epochs", 0)),
            metrics=dict(attributes.get("eval_metrics") or {}),
            legacy=legacy,
        )
