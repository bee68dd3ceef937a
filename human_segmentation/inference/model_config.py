"""`model.yml`: what a model is and how a frame becomes its input. PaddleX 1.3's schema, read and written here alone."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from human_segmentation.errors import ModelError
from human_segmentation.inference.preprocess import Preprocess

CONFIG_FILE = "model.yml"
TRAINED = "Normal"
EXPORTED = ("Infer", "Quant")


@dataclass(frozen=True)
class ModelConfig:
    """The content of a `model.yml`.

    Attributes:
        model: The network's name in the zoo, or PaddleX's ("HRNet").
        status: "Normal" for a trained model, "Infer" for an exported and "Quant" for a quantised one.
        preprocess: How a frame becomes the network's input.
        num_classes: Classes of the output.
        prior_channel: Whether its input has a fourth channel, the score of the frame before.
        width: Factor of the network's channels.
        epochs: Epochs that it was trained for.
        metrics: Metrics on the validation list, in [0, 1].
    """

    model: str
    status: str
    preprocess: Preprocess
    num_classes: int = 2
    prior_channel: bool = False
    width: float = 1.0
    epochs: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes `model.yml` into a folder."""
        content = {
            "Model": self.model,
            "status": self.status,
            **self.preprocess.to_yaml(),
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
            ModelError: The folder or the file is missing, or the file is broken.
        """
        path = folder / CONFIG_FILE
        if not folder.is_dir():
            raise ModelError(f"{folder}: the model folder does not exist; give the folder of a model with --model_dir")
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            attributes, init = content["_Attributes"], content.get("_init_params") or {}
            return cls(
                model=str(content["Model"]),
                status=str(content["status"]),
                preprocess=Preprocess.from_yaml(content),
                num_classes=int(attributes["num_classes"]),
                prior_channel=bool(init.get("prior_channel", False)),
                width=float(init.get("width", 1.0)),
                epochs=int(content.get("completed_epochs", 0)),
                metrics=dict(attributes.get("eval_metrics") or {}),
            )
        except FileNotFoundError as error:
            raise ModelError(f"{path}: the file is missing; give the folder of a complete model") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{path}: the file is broken ({reason}); export or copy the model again") from error
