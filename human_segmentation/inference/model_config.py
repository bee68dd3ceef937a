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
# The options with which it is that network. With others it has other layers, or these compute something else.
_KNOWN_OPTIONS: dict[str, dict[str, object]] = {
    "HRNet": {"width": "18_small_v1"},
    "DeepLabv3p": {
        "backbone": "Xception65",
        "output_stride": 16,
        "aspp_with_sep_conv": True,
        "decoder_use_sep_conv": True,
        "encoder_with_aspp": True,
        "enable_decoder": True,
        "pooling_crop_size": None,
    },
}
MAX_CLASSES = 255
"""Labels are bytes, of which one says that a pixel does not count."""
LARGEST_WIDTH = 8
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
        model: The network's name in the zoo. What PaddleX 1.x exported may be another network, which Paddle alone runs;
            then what it is, such as "HRNet with width 18".
        status: "Normal" for a trained model, "Infer" for an exported and "Quant" for a quantised one.
        preprocess: How a frame becomes the network's input.
        num_classes: Classes of the output.
        prior_channel: Whether its input has a fourth channel, the score of the frame before.
        width: Factor of the network's channels.
        epochs: Epochs that it was trained for.
        metrics: Metrics on the validation list, see `training.evaluation`.
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
        if folder.is_file():
            raise ModelError(f"{folder}: this is a file; give the folder of a model with --model_dir")
        if not folder.is_dir():
            raise ModelError(f"{folder}: the model folder does not exist; give the folder of a model with --model_dir")
        try:
            return cls._parsed(yaml.load(path.read_text(encoding="utf-8"), _Loader))
        except FileNotFoundError as error:
            raise ModelError(f"{path}: the file is missing; give the folder of a complete model") from error
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        except OSError as error:
            raise ModelError(
                f"{path}: the file cannot be read ({error.strerror}); give the folder of a complete model"
            ) from error
        except KeyError as error:
            raise _broken(path, f"the entry {error.args[0]} is missing") from error
        except (TypeError, AttributeError) as error:  # whose words are about Python
            raise _broken(path, "an entry has another form than it should") from error
        except (yaml.YAMLError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
            raise _broken(path, " ".join(str(error).split())) from error

    @classmethod
    def _parsed(cls, content: dict) -> "ModelConfig":
        _check_form(content, dict, "the content of the file")
        attributes, init = content["_Attributes"], content.get("_init_params") or {}
        _check_form(attributes, dict, "_Attributes")
        _check_form(init, dict, "_init_params")
        name = str(content["Model"])
        legacy = name in LEGACY_NETWORKS
        if legacy and "Transforms" not in content:
            content = content | _UNSAID
        if name not in NETWORKS and not legacy:
            raise ModelError(unknown_model(name))
        _check_form(content["Transforms"], list, "Transforms")
        status = str(content["save_method" if "status" not in content and "save_method" in content else "status"])
        status = _STATUSES.get(status, status)
        if status not in (TRAINED, *EXPORTED):
            raise ModelError(
                f"the status {status} is unknown; give a model with {TRAINED}, {' or '.join(EXPORTED)}, which was not "
                "pruned"
            )
        model = _network(name, init)
        if model not in NETWORKS and status == TRAINED:
            raise ModelError(unknown_model(model))
        return cls(
            model=model,
            status=status,
            preprocess=transforms.from_yaml(content),
            num_classes=_classes(attributes["num_classes"] if "num_classes" in attributes else init["num_classes"]),
            prior_channel=bool(init.get("prior_channel", False)),
            width=1.0 if legacy else _width(init.get("width", 1.0)),  # HRNet's is another width
            epochs=int(content.get("completed_epochs", 0)),
            metrics=dict(attributes.get("eval_metrics") or {}),
            legacy=legacy,
        )


def _broken(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path}: the file is broken ({reason}); export or copy the model again")


def unknown_model(model: str) -> str:
    """What is wrong with a model whose network is not in the zoo, and what is there."""
    return (
        f"the model {model} is unknown; give a model of one of {', '.join(NETWORKS)}, or of PaddleX 1.x HRNet with "
        "width 18_small_v1 or DeepLabv3p with backbone Xception65 and the other options as usual"
    )


def _network(name: str, init: dict) -> str:
    """What `ModelConfig.model` is."""
    for option, known in _KNOWN_OPTIONS.get(name, {}).items():
        if init.get(option, known) != known:
            return f"{name} with {option} {init[option]}"
    return LEGACY_NETWORKS.get(name, name)


def _check_form(value: object, form: type, name: str) -> None:
    if not isinstance(value, form):
        raise ValueError(f"{name} is no {'list' if form is list else 'table of names and values'}")


def _classes(value: object) -> int:
    if not isinstance(value, int) or not 2 <= value <= MAX_CLASSES:
        raise ValueError(f"num_classes is {value}, not a whole number from 2 to {MAX_CLASSES}")
    return value


def _width(value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value <= LARGEST_WIDTH:
        raise ValueError(f"width is {value}, not a number above 0 and at most {LARGEST_WIDTH}")
    return float(value)
