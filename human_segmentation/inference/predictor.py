"""A model ready to use: preprocessing, an engine and the way back to the frame."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DataError, ModelError
from human_segmentation.inference.engines import Engine, load_engine
from human_segmentation.inference.model_config import EXPORTED, NETWORKS, ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.paddle_files import PARAMS_FILE, PROGRAM_FILE
from human_segmentation.shipped import default_model_dir


class Predictor:
    """Finds people in frames, for one thread at a time.

    Args:
        engine: What runs the network.
        preprocess: How a frame becomes the network's input.
        prior_channel: Whether the network also sees the score of the frame before.
        num_classes: Classes of its output: 0 is the background, every other one a part of the person.
    """

    def __init__(
        self, engine: Engine, preprocess: Preprocess, prior_channel: bool = False, num_classes: int = 2
    ) -> None:
        self.engine = engine
        self.preprocess = preprocess
        self.prior_channel = prior_channel
        self.num_classes = num_classes

    def score(self, resized: NDArray[np.uint8], prior: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Computes P(person), which is 1 - P(background), at network size.

        Args:
            resized: uint8 [height, width, 3], BGR, as `preprocess.resize` returns it.
            prior: float32 [height, width], the score of the frame before, for a network with a prior channel; None at
                the start of a scene, and for other networks.

        Returns:
            float32 [height, width] in [0, 1].
        """
        return _person(self._scores(resized, prior))

    def _scores(self, resized: NDArray[np.uint8], prior: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """P(class), float32 [num_classes, height, width]; the arguments are those of `score`."""
        output = self.engine(self.tensor(resized, prior))[0]
        if output.ndim == 2:  # the classes themselves
            return (output == np.arange(self.num_classes)[:, None, None]).astype(np.float32)
        return output

    def tensor(self, resized: NDArray[np.uint8], prior: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The network's input, float32 [1, 3 or 4, height, width]; the arguments are those of `score`."""
        tensor = self.preprocess.normalize(resized[None])
        if not self.prior_channel:
            return tensor
        plane = np.zeros_like(tensor[:, :1]) if prior is None else prior[None, None]
        return np.concatenate([tensor, plane], axis=1)

    def alpha(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Computes how much of each pixel is person.

        Args:
            frame: uint8 [H, W, 3], BGR.

        Returns:
            float32 [H, W] in [0, 1], at the size of the frame.

        Raises:
            DataError: The frame is something else.
        """
        _check_frame(frame)
        return self.preprocess.restore(self.score(self.preprocess.resize(frame)), frame.shape[1::-1])

    def segment(self, frame: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Computes how much of each pixel is person, and which class of the person's.

        Args:
            frame: uint8 [H, W, 3], BGR.

        Returns:
            What `alpha` returns; the classes, uint8 [H, W], at the size of the frame: where the alpha is above 0.5, the
            likeliest class but the background, and 0 elsewhere.

        Raises:
            DataError: The frame is something else.
        """
        _check_frame(frame)
        scores = self._scores(self.preprocess.resize(frame))
        planes = (self.preprocess.restore(x, frame.shape[1::-1]) for x in (_person(scores), *scores[1:]))
        alpha, best = next(planes), next(planes)
        classes = (alpha > 0.5).astype(np.uint8)
        for number, part in enumerate(planes, 2):
            classes[(classes > 0) & (part > best)] = number
            best = np.maximum(best, part)
        return alpha, classes


def _check_frame(frame: object) -> None:
    """Raises `DataError` for other pictures, such as those in [0, 1] or of 16 bits, whose scores would be wrong."""
    given = type(frame).__name__
    if isinstance(frame, np.ndarray):
        if frame.dtype == np.uint8 and frame.shape[2:] == (3,) and frame.size:
            return
        given = f"{frame.dtype} {list(frame.shape)}"
    raise DataError(f"a frame is uint8 [H, W, 3], BGR, and not {given}; cv2.imread(path) gives one")


def _person(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """P(person) from P(class), float32 [classes, H, W]."""
    return scores[1] if len(scores) == 2 else 1 - scores[0]


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
        DeviceError: There is no such engine, or it is not installed.
        ValueError: The `image_shape` is impossible.
    """
    folder = default_model_dir() if model_dir is None else Path(model_dir)
    config = ModelConfig.read(folder)
    if config.status not in EXPORTED:
        raise ModelError(
            f"{folder}: this is a trained model and an exported one is needed; "
            f"run: python export.py --model_dir {folder} --save_dir output/export"
        )
    if config.legacy:
        _check_legacy(folder, engine, config.model in NETWORKS)
        engine = "paddle"
    preprocess = config.preprocess.resized(*image_shape) if image_shape else config.preprocess
    predictor = Predictor(load_engine(folder, engine, threads), preprocess, config.prior_channel, config.num_classes)
    # Frames are mostly wide: the network is compiled for them now, and not while a camera waits.
    width, height = preprocess.width, preprocess.height
    try:
        predictor.alpha(np.zeros((max(1, 9 * width // 16), width, 3), np.uint8))
    except Exception as error:  # each library has exceptions of its own
        raise ModelError(
            f"{folder}: the model cannot run at {width}x{height} pixels on one photo; leave --image_shape out, or "
            "export it again for any size and number of photos"
        ) from error
    return predictor


def _check_legacy(folder: Path, engine: str, known: bool) -> None:
    """Paddle alone runs what PaddleX 1.x exported, as it is; says how to have a known network on the faster engines."""
    remedy = "give the whole folder, without --engine"
    if known:
        remedy = f"import it with: python -m human_segmentation.export.legacy {folder} output/imported"
    missing = [file for file in (PROGRAM_FILE, PARAMS_FILE) if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{folder}: {missing[0]} is missing, which Paddle runs; {remedy}")
    if engine not in ("auto", "paddle"):
        raise ModelError(f"{folder}: {engine} cannot run a model of PaddleX 1.x as it is; {remedy}")
    if known:
        print(f"{folder}: Paddle runs this model of PaddleX 1.x; for the faster engines, {remedy}")
