"""Writes a trained network as an exported model: `__model__`, `__params__`, `model.yml` and `model.onnx`."""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray
from paddle import nn

from human_segmentation.errors import ModelError
from human_segmentation.export.onnx import to_onnx
from human_segmentation.export.parity import Parity, compare
from human_segmentation.files import whole_folder
from human_segmentation.inference.engines import ENGINES, ONNX_FILE, load_engine, model_files
from human_segmentation.inference.model_config import EXPORTED, ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.paddle_files import PARAMS_FILE, PROGRAM_FILE
from human_segmentation.photos import read_photo
from human_segmentation.shipped import sample_photo
from human_segmentation.training.engine import NetworkEngine

TOLERANCE = 1e-3
QUANTIZED_TOLERANCE = 0.1
"""For a network that rounds to 8 bits: a last bit moves one rounding, which moves others."""


@dataclass(frozen=True)
class ExportOptions:
    """What an exported model takes and gives.

    Attributes:
        fixed_size: Whether its input has the width and height of its configuration only; otherwise any.
        batch: Photos at once; None for any number.
        output: "softmax" for scores, float32 [N, classes, H, W], or "argmax" for classes, int32 [N, H, W].
    """

    fixed_size: bool = False
    batch: int | None = None
    output: str = "softmax"


class _Exported(nn.Layer):
    """A network with its output behind it, which every runtime computes faster than Python does."""

    def __init__(self, network: nn.Layer, output: str) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        logits = self.network(image)
        if self.output == "softmax":
            return F.softmax(logits, axis=1)
        # paddle 3.3.1 cannot write its argmax in the ProgramDesc format.
        return paddle.topk(logits, k=1, axis=1)[1].squeeze(1).astype("int32")


def export_model(
    network: nn.Layer,
    config: ModelConfig,
    save_dir: Path,
    options: ExportOptions = ExportOptions(),
    photos: Sequence[NDArray[np.uint8]] = (),
) -> dict[str, Parity]:
    """Exports a network and checks every installed engine against it.

    The format is Paddle's ProgramDesc, which Paddle Inference, Paddle Lite's opt and paddle2onnx read.

    Args:
        network: The trained network.
        config: Its configuration.
        save_dir: The folder that the exported model takes.
        options: What the exported model takes and gives.
        photos: uint8 [H, W, 3] BGR each, to compare engines on, beside the sample photo that ships.

    Returns:
        How far each engine is from the network.

    Raises:
        ModelError: An engine differs by more than 0.001; nothing is left behind.
        OutputError: The folder cannot be written.
    """
    if options.fixed_size:
        config = replace(config, preprocess=replace(config.preprocess, coarsest_stride=None))
    exported = _Exported(network, options.output)
    exported.eval()
    with whole_folder(save_dir) as partial:
        stem = partial / "inference"
        size = [config.preprocess.height, config.preprocess.width] if options.fixed_size else [None, None]
        shape = [options.batch, 4 if config.prior_channel else 3, *size]
        with paddle.pir_utils.OldIrGuard():
            paddle.jit.save(exported, str(stem), input_spec=[paddle.static.InputSpec(shape, "float32", "image")])
        if importlib.util.find_spec("paddle2onnx"):
            to_onnx(stem.with_suffix(".pdmodel"), stem.with_suffix(".pdiparams"), partial / ONNX_FILE)
        else:
            print(
                f"{ONNX_FILE} is not written, which ONNX Runtime reads: paddle2onnx is not installed; "
                "run: pip install paddle2onnx (it needs Python 3.12 or older)"
            )
        stem.with_suffix(".pdmodel").rename(partial / PROGRAM_FILE)
        stem.with_suffix(".pdiparams").rename(partial / PARAMS_FILE)
        stem.with_suffix(".pdiparams.info").unlink()
        replace(config, status=config.status if config.status in EXPORTED else "Infer").write(partial)
        tensors = _tensors(network, config, [read_photo(sample_photo()), *photos], options.batch or 1)
        tolerance = QUANTIZED_TOLERANCE if config.status == "Quant" else TOLERANCE
        parities = _parities(network, partial, tensors)
        for name, parity in parities.items():
            if math.isnan(parity.largest):
                raise ModelError(
                    f"{save_dir}: the model's scores are no numbers, as its training ran away; nothing was exported; "
                    "train it again with a lower --learning_rate or with --clip"
                )
            if parity.largest > tolerance:
                raise ModelError(
                    f"{save_dir}: the scores of {name} differ by {parity.largest:.4f} from the trained model's, more "
                    f"than {tolerance}; nothing was exported"
                )
        return parities


def _tensors(
    network: nn.Layer, config: ModelConfig, photos: Sequence[NDArray[np.uint8]], batch: int
) -> list[NDArray[np.float32]]:
    """The network's input for each photo, `batch` times; a prior, where there is one, is the photo's own score."""
    predictor = Predictor(NetworkEngine(network), config.preprocess, config.prior_channel)
    tensors = []
    for photo in photos:
        resized = config.preprocess.resize(photo)
        prior = predictor.score(resized) if config.prior_channel else None
        tensors.append(np.repeat(predictor.tensor(resized, prior), batch, axis=0))
    return tensors


def _parities(network: nn.Layer, folder: Path, tensors: Sequence[NDArray[np.float32]]) -> dict[str, Parity]:
    """How far each engine that is installed is from the network."""
    reference = NetworkEngine(network)
    scores = [reference(tensor) for tensor in tensors]
    parities = {}
    for name, (_, package, _) in ENGINES.items():
        if not importlib.util.find_spec(package) or not model_files(folder, name):
            continue
        engine = load_engine(folder, name)
        parities[name] = compare(scores, [engine(tensor) for tensor in tensors])
    return parities
