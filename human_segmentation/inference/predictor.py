"""A model ready to use: preprocessing, an engine and the way back to the frame."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import ModelError
from human_segmentation.inference.engines import Engine, load_engine
from human_segmentation.inference.model_config import EXPORTED, ModelConfig
from human_segmentation.inference.preprocess import Preprocess

# In an installed wheel the model that ships lies inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).resolve().parents[1]
_DEFAULT_MODELS = (_PACKAGE / "default_model", _PACKAGE.parent / "pretrain_weights" / "humanseg_mobile_inference")


class Predictor:
    """Finds people in frames.

    Args:
        engine: What runs the network.
        preprocess: How a frame becomes the network's input.
        prior_channel: Whether the network also sees the score of the frame before.
    """

    def __init__(self, engine: Engine, preprocess: Preprocess, prior_channel: bool = False) -> None:
        self.engine = engine
        self.preprocess = preprocess
        self.prior_channel = prior_channel

    def score(self, resized: NDArray[np.uint8], prior: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Computes P(person) at network size.

        Args:
            resized: uint8 [height, width, 3], BGR, as `preprocess.resize` returns it.
            prior: float32 [height, width], the score of the frame before, for a network with a prior channel; None at
                the start of a scene, and for other networks.

        Returns:
            float32 [height, width] in [0, 1].
        """
        tensor = self.preprocess.normalize(resized[None])
        if self.prior_channel:
            plane = np.zeros_like(tensor[:, :1]) if prior is None else prior[None, None]
            tensor = np.concatenate([tensor, plane], axis=1)
        return self.engine(tensor)[0, 1]

    def alpha(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Computes how much of each pixel is person.

        Args:
            frame: uint8 [H, W, 3], BGR.

        Returns:
            float32 [H, W] in [0, 1], at the size of the frame.
        """
        return self.preprocess.restore(self.score(self.preprocess.resize(frame)), frame.shape[1::-1])


def load_model(
    model_dir: str | Path | None = None,
    engine: str = "auto",
    threads: int | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Predictor:
    """Loads an exported model.

    Args:
        model_dir: Its folder; None takes the model that ships.
        engine: "openvino", "onnxruntime", "paddle", or "auto" for the fastest that is installed.
        threads: CPU threads; None leaves it to the engine.
        image_shape: Width and height of the network's input; None takes the model's own.

    Raises:
        ModelError: The folder is not that of a complete exported model.
        DeviceError: The engine is not installed.
    """
    folder = default_model_dir() if model_dir is None else Path(model_dir)
    config = ModelConfig.read(folder)
    if config.status not in EXPORTED:
        raise ModelError(
            f"{folder}: this is a trained model and an exported one is needed; "
            f"run: python export.py --model_dir {folder} --save_dir output/export"
        )
    preprocess = config.preprocess.resized(*image_shape) if image_shape else config.preprocess
    predictor = Predictor(load_engine(folder, engine, threads), preprocess, config.prior_channel)
    try:
        predictor.score(np.zeros((preprocess.height, preprocess.width, 3), np.uint8))
    except Exception as error:  # each library has exceptions of its own
        raise ModelError(
            f"{folder}: the model cannot run at {preprocess.width}x{preprocess.height} pixels; give the size that it "
            "was trained for, or leave --image_shape out"
        ) from error
    return predictor


def default_model_dir() -> Path:
    """The folder of the model that ships."""
    return next((folder for folder in _DEFAULT_MODELS if folder.is_dir()), _DEFAULT_MODELS[-1])
