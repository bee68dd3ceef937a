"""From an exported model to Paddle Lite's `.nb` files and the folder that PaddleX's Android demo reads."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import ModelError
from human_segmentation.export.lite_demo import DEMO_PHOTO, demo_rules, demo_strings, demo_yaml
from human_segmentation.export.lite_program import add_labels, quantize_only_convolutions, seven_bit_weights
from human_segmentation.export.lite_tools import PaddleLite, useful_line
from human_segmentation.export.parity import Parity, compare
from human_segmentation.files import whole_folder
from human_segmentation.inference.engines import load_engine
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import load_model
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.paddle_files import (
    DEQUANTIZE,
    PARAMS_FILE,
    PROGRAM_FILE,
    has_operator,
    parameter_names,
    read_program,
    read_tensors,
    tensor_bytes,
)
from human_segmentation.photos import read_photo
from human_segmentation.shipped import sample_photo

TARGETS = ("arm", "x86")
RUN = "x86"
"""The target that is run here."""
MIN_IOU = 0.99
MIN_QUANTIZED_IOU = 0.97
"""Engines round INT8 each in its own way: on 21 photographs, ONNX Runtime and OpenVINO reach 0.990 with one file."""


@dataclass(frozen=True)
class LiteReport:
    """What a conversion gave.

    Attributes:
        sizes: Bytes of the `.nb` file of each target.
        parity: How far Paddle Lite on x86 is from Paddle; the IoU is that of the classes.
        least_iou: The IoU that was asked for.
        quantized: Whether the model is INT8, and both computed with `seven_bit_weights`.
        stretched: Whether the demo stretches photos whose aspect the model keeps; see `demo_rules`.
    """

    sizes: dict[str, int]
    parity: Parity
    least_iou: float
    quantized: bool
    stretched: bool


def convert(
    model_dir: Path,
    targets: Sequence[str],
    save_dir: Path,
    tools: PaddleLite,
    photos: Sequence[NDArray[np.uint8]] = (),
) -> LiteReport:
    """Writes the demo's `assets/` and `strings.xml`, after Paddle Lite on x86 found the same masks as Paddle.

    Args:
        model_dir: Folder of an exported model.
        targets: Of `TARGETS`; a `.nb` file for each is written, and the demo takes the first.
        save_dir: The folder that takes the result.
        tools: Paddle Lite.
        photos: uint8 [H, W, 3] BGR each, to compare on, beside the sample photo that ships.

    Raises:
        ModelError: The model is damaged, none that opt and the demo take, or the masks differ; nothing is left behind.
        OutputError: The folder cannot be written.
    """
    predictor = load_model(model_dir, engine="paddle")
    config = ModelConfig.read(model_dir)
    if has_operator(model_dir / PROGRAM_FILE, DEQUANTIZE):
        raise ModelError(
            f"{model_dir}: PaddleX 1.x quantised this model in a form that cannot be checked on x86; import the "
            "trained one with python -m human_segmentation.export.legacy, and quantise it with quant_offline.py"
        )
    rules = demo_rules(model_dir, config)
    photos = [read_photo(sample_photo()), *photos]
    with tempfile.TemporaryDirectory() as temporary, whole_folder(save_dir) as partial:
        folder = Path(temporary)
        quantized = _write_programs(model_dir, folder)
        tensors = [rules.normalize(rules.resize(photo)[None]) for photo in photos]
        try:
            for target in sorted({RUN, *targets}):
                files = folder / target / PROGRAM_FILE, folder / target / PARAMS_FILE
                tools.optimize(*files, target, folder / f"{target}.nb")
            outputs = tools.run(folder / f"{RUN}.nb", tensors, folder)
        except subprocess.CalledProcessError as error:
            raise ModelError(
                f"{model_dir}: Paddle Lite does not take the model ({useful_line(error)}); export or quantise the "
                "trained model again, or give another one"
            ) from error
        # The INT8 model itself has other weights than the program for x86.
        engine = load_engine(folder / RUN, "paddle") if quantized else predictor.engine
        expected = [engine(tensor) for tensor in tensors]
        labels, scores = zip(*outputs, strict=True)
        found = replace(compare(expected, scores), iou=compare(expected, labels).iou)
        least = MIN_QUANTIZED_IOU if quantized else MIN_IOU
        if not found.iou >= least:
            raise ModelError(
                f"{model_dir}: the masks of Paddle Lite on x86 have an IoU of {found.iou:.4f} with Paddle's, less than "
                f"{least}, and nothing was written; compare on photos of people, or export the trained model again"
            )
        _lay_out(partial, folder, targets, config, rules)
        sizes = {target: (folder / f"{target}.nb").stat().st_size for target in sorted({RUN, *targets})}
    own = config.preprocess
    return LiteReport(sizes, found, least, quantized, own.padding is not None or own.sides is not None)


def _write_programs(model_dir: Path, folder: Path) -> bool:
    """Writes what opt reads for each target; says whether the model is INT8."""
    program = read_program(model_dir / PROGRAM_FILE)
    tensors = read_tensors(model_dir / PARAMS_FILE, parameter_names(program))
    add_labels(model_dir, program)
    quantized = quantize_only_convolutions(program, tensors)
    for target in TARGETS:
        values = seven_bit_weights(program, tensors) if target == RUN else tensors
        (folder / target).mkdir()
        (folder / target / PROGRAM_FILE).write_bytes(program.SerializeToString())
        (folder / target / PARAMS_FILE).write_bytes(b"".join(tensor_bytes(values[name]) for name in sorted(values)))
    return quantized


def _lay_out(partial: Path, folder: Path, targets: Sequence[str], config: ModelConfig, rules: Preprocess) -> None:
    """Makes the folder that is laid over the demo's."""
    for name in ("model", "config", "images"):
        (partial / "assets" / name).mkdir(parents=True)
    names = [f"{config.model}_{target}.nb" for target in targets]
    for target, name in zip(targets, names, strict=True):
        shutil.copyfile(folder / f"{target}.nb", partial / "assets" / "model" / name)
    (partial / "assets" / "config" / f"{config.model}.yml").write_text(demo_yaml(config, rules))
    shutil.copyfile(sample_photo(), partial / "assets" / "images" / DEMO_PHOTO)
    (partial / "strings.xml").write_text(demo_strings(names[0], f"{config.model}.yml"))
