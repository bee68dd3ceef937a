"""Writes a trained network as an exported model: `__model__`, `__params__`, `model.yml` and `model.onnx`."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray
from paddle import nn

from human_segmentation.errors import ModelError
from human_segmentation.export.onnx import to_onnx
from human_segmentation.files import whole_folder
from human_segmentation.inference.engines import ENGINES, ONNX_FILE, PARAMS_FILE, PROGRAM_FILE, load_engine
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.training.engine import NetworkEngine

TOLERANCE = 1e-3


class _Scores(nn.Layer):
    """A network with the softmax behind it, which every runtime computes faster than Python does."""

    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        return F.softmax(self.network(image), axis=1)


def export_model(network: nn.Layer, config: ModelConfig, save_dir: Path) -> dict[str, float]:
    """Exports a network and checks every installed engine against it.

    The format is Paddle's ProgramDesc with a free batch size, height and width, which Paddle Inference, Paddle Lite's
    opt and paddle2onnx read.

    Args:
        network: The trained network.
        config: Its configuration.
        save_dir: The folder that the exported model takes.

    Returns:
        Engine to the largest difference of its scores from the network's.

    Raises:
        ModelError: An engine differs by more than 0.001; nothing is left behind.
        OutputError: The folder cannot be written.
    """
    scores = _Scores(network)
    scores.eval()
    with whole_folder(save_dir) as partial:
        stem = partial / "inference"
        channels = 4 if config.prior_channel else 3
        spec = paddle.static.InputSpec([None, channels, None, None], "float32", "image")
        with paddle.pir_utils.OldIrGuard():
            paddle.jit.save(scores, str(stem), input_spec=[spec])
        if importlib.util.find_spec("paddle2onnx"):
            to_onnx(stem.with_suffix(".pdmodel"), stem.with_suffix(".pdiparams"), partial / ONNX_FILE)
        else:
            print(
                f"{ONNX_FILE} is not written, so that only Paddle runs the model: paddle2onnx is not installed; "
                "run: pip install paddle2onnx (it needs Python 3.12 or older)"
            )
        stem.with_suffix(".pdmodel").rename(partial / PROGRAM_FILE)
        stem.with_suffix(".pdiparams").rename(partial / PARAMS_FILE)
        stem.with_suffix(".pdiparams.info").unlink()
        replace(config, status="Infer").write(partial)
        return _differences(network, config, partial)


def _differences(network: nn.Layer, config: ModelConfig, folder: Path) -> dict[str, float]:
    tensor = _test_tensor(config)
    expected = NetworkEngine(network)(tensor)
    differences = {}
    for name, (_, package, files) in ENGINES.items():
        if importlib.util.find_spec(package) and all((folder / file).is_file() for file in files):
            differences[name] = float(np.abs(load_engine(folder, name)(tensor) - expected).max())
            if not differences[name] <= TOLERANCE:
                raise ModelError(
                    f"{folder}: the scores of {name} differ by {differences[name]:.4f} from the trained model's, more "
                    f"than {TOLERANCE}; nothing was exported"
                )
    return differences


def _test_tensor(config: ModelConfig) -> NDArray[np.float32]:
    """A picture with smooth areas, edges and texture, the same every time."""
    height, width = config.preprocess.height, config.preprocess.width
    y, x = np.mgrid[0:height, 0:width]
    planes = [np.hypot(y - height / 2, x - width / 2) * 2, x + y, (x // 8 + y // 8) % 2 * 255]
    noise = np.random.default_rng(0).integers(0, 32, (height, width, 3))
    tensor = config.preprocess.normalize(np.clip(np.dstack(planes) + noise, 0, 255).astype(np.uint8)[None])
    if config.prior_channel:
        tensor = np.concatenate([tensor, np.clip(tensor[:, :1], 0, 1)], axis=1)
    return tensor
