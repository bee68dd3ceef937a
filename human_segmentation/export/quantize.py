"""Post-training quantisation to INT8, for every engine, and the proof that the mask survives it."""

import functools
import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from paddle import nn

from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import ModelError
from human_segmentation.export.artifact import export_model
from human_segmentation.export.quantize_onnx import OnnxQuantizer
from human_segmentation.export.quantize_paddle import quantize_paddle
from human_segmentation.files import whole_folder
from human_segmentation.inference.engines import ENGINES, ONNX_FILE, load_engine, megabytes
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.training.evaluation import measure

TIMED_RUNS = 20
NAMED_LAYERS = 5
WEIGHT_BITS = {"HumanSegMobile": 7, "HumanSegServer": 7, "PortraitNet": 8}
"""Of `model.onnx`. Where sums of 8-bit products overflow, 8 cost HumanSegMobile 0.4 points of mIoU on portraits, and 7
nothing anywhere; 8 cost PortraitNet less than 0.1 even there, and 7 cost it 0.3 on clips."""


@dataclass(frozen=True)
class Measurement:
    """One model on one engine.

    Attributes:
        precision: "fp32" or "INT8".
        engine: A key of `ENGINES`.
        miou: Pooled mIoU on the validation list, in [0, 1].
        boundary_iou: Boundary IoU there, in [0, 1].
        worst_iou: The person's IoU on the worst photo, in [0, 1].
        megabytes: Size of the files that the engine reads, in 10^6 bytes.
        milliseconds: Time of one prediction on one thread, the median.
    """

    precision: str
    engine: str
    miou: float
    boundary_iou: float
    worst_iou: float
    megabytes: float
    milliseconds: float


@dataclass(frozen=True)
class Report:
    """What a quantisation gave.

    Attributes:
        measurements: Every engine before and after.
        kept: Layers that stayed in float, by their names in the network.
    """

    measurements: list[Measurement]
    kept: list[str]


def quantize_model(
    network: nn.Layer,
    config: ModelConfig,
    calibration: Sequence[Sample],
    val_samples: Sequence[Sample],
    save_dir: Path,
    algorithm: str = "avg",
    max_drop: float = 0.5,
) -> Report:
    """Writes the INT8 `__model__`, `__params__` and `model.onnx` of a trained network.

    Where INT8 costs too much accuracy, the layers that hurt most stay in float: one, then twice as many, up to half.

    Args:
        network: The trained network.
        config: Its configuration.
        calibration: Photos that show the ranges of the activations.
        val_samples: Photos with labels, to measure on.
        save_dir: The folder that the quantised model takes.
        algorithm: See `quantize_paddle`.
        max_drop: How many points of mIoU (of 100) INT8 may cost.

    Raises:
        ModelError: INT8 costs more, even so; nothing is left behind.
        OutputError: The folder cannot be written.
    """
    paths = {parameter.name: path for path, parameter in network.named_parameters()}
    with tempfile.TemporaryDirectory() as temporary, whole_folder(save_dir) as partial:
        exported = Path(temporary) / "exported"
        export_model(network, config, exported)
        tensors = _calibration_tensors(exported, config, calibration)
        replace(config, status="Quant", metrics={}).write(partial)  # those were the float model's
        measurements: list[Measurement] = []
        kept: set[str] = set()

        def to_paddle(excluded: Sequence[str]) -> None:
            quantize_paddle(exported, partial, tensors, algorithm, excluded)

        formats: list[tuple[Callable[[Sequence[str]], None], tuple[str, ...]]] = [(to_paddle, ("paddle",))]
        ranking: Callable[[], list[str]] = list
        if (exported / ONNX_FILE).is_file():
            quantizer = OnnxQuantizer(exported / ONNX_FILE, tensors, WEIGHT_BITS[config.model])
            formats.append((functools.partial(quantizer.quantize, partial / ONNX_FILE), ("openvino", "onnxruntime")))
            ranking = functools.cache(quantizer.ranking)
        for quantize, names in formats:
            engines = [name for name in names if importlib.util.find_spec(ENGINES[name][1])]
            before = [_measure(exported, "fp32", name, config, val_samples) for name in engines]
            excluded: list[str] = []
            while True:
                quantize(excluded)
                after = [_measure(partial, "INT8", name, config, val_samples) for name in engines]
                drop = max((100 * (a.miou - b.miou) for a, b in zip(before, after, strict=True)), default=0.0)
                if drop <= max_drop:
                    break
                layers = ranking()
                if len(excluded) * 2 >= len(layers):
                    worst = ", ".join(paths[name] for name in layers[:NAMED_LAYERS]) or "unknown without ONNX"
                    raise ModelError(
                        f"{save_dir}: INT8 loses {drop:.2f} points of mIoU, more than --max_drop {max_drop:g}; the "
                        f"layers that hurt most are {worst}; give more photos with --batch_nums or another --algo"
                    )
                excluded = layers[: max(1, 2 * len(excluded))]
            kept.update(paths[name] for name in excluded)
            measurements += before + after
    return Report(measurements, sorted(kept))


def _calibration_tensors(exported: Path, config: ModelConfig, samples: Sequence[Sample]) -> list[NDArray[np.float32]]:
    """The input for each photo; every second one has the score itself as its prior, where the network has that."""
    predictor = Predictor(load_engine(exported), config.preprocess, config.prior_channel)
    tensors = []
    for index, sample in enumerate(samples):
        resized = config.preprocess.resize(read_sample(sample, config.num_classes)[0])
        prior = predictor.score(resized) if config.prior_channel and index % 2 else None
        tensors.append(predictor.tensor(resized, prior))
    return tensors


def _measure(folder: Path, precision: str, engine: str, config: ModelConfig, samples: Sequence[Sample]) -> Measurement:
    predictor = Predictor(
        load_engine(folder, engine, threads=1), config.preprocess, config.prior_channel, config.num_classes
    )
    masks = measure(predictor, samples).masks
    metrics = masks.compute()
    tensor = predictor.tensor(np.zeros((config.preprocess.height, config.preprocess.width, 3), np.uint8))
    times = []
    for _ in range(TIMED_RUNS):
        start = time.perf_counter()
        predictor.engine(tensor)
        times.append(time.perf_counter() - start)
    return Measurement(
        precision,
        engine,
        metrics["miou"],
        metrics["boundary_iou"],
        min(masks.foreground),
        megabytes(folder, engine),
        1000 * float(np.median(times)),
    )
