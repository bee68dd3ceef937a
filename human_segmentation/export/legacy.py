"""Import of PaddleX 1.x: `python -m human_segmentation.export.legacy SRC DST`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from human_segmentation.errors import ModelError
from human_segmentation.files import check_not_same
from human_segmentation.inference.engines import load_engine
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.paddle_files import PROGRAM_FILE
from human_segmentation.photos import read_photo
from human_segmentation.shipped import sample_photo

if TYPE_CHECKING:
    from paddle import nn

    from human_segmentation.export.parity import Parity

TOLERANCE = 1e-4
LEAST_IOU = 0.98
"""Of a quantised model, which PaddleX's program rounds otherwise than the engines here."""


def import_legacy(source: Path, target: Path) -> dict[str, "Parity"]:
    """Makes a trained model of one of PaddleX 1.x, or an exported one of an exported or quantised one.

    Args:
        source: Folder of the model, in any of PaddleX's forms.
        target: The folder that the model takes.

    Returns:
        How far PaddleX's own program and each engine are from the network; empty for a trained model.

    Raises:
        ModelError: The model is none of PaddleX's, damaged, none that is known here, or computes something else here.
        OutputError: The target cannot be written.
    """
    from human_segmentation.export.artifact import export_model
    from human_segmentation.training.checkpoint import load_network, save_model

    if not ModelConfig.read(source).legacy:
        raise ModelError(f"{source}: this is no model of PaddleX 1.x and needs no import; use it as it is")
    check_not_same(source, target)
    network, config = load_network(source)
    config = replace(config, legacy=False)
    if config.status == TRAINED:
        save_model(target, network.state_dict(), config)
        return {}
    own = {"PaddleX's": _parity(source, network, config)} if (source / PROGRAM_FILE).is_file() else {}
    return own | export_model(network, config, target)


def _parity(source: Path, network: "nn.Layer", config: ModelConfig) -> "Parity":
    """How far the network is from the program that PaddleX exported, which Paddle runs as it is."""
    from human_segmentation.export.parity import compare
    from human_segmentation.training.engine import NetworkEngine

    tensor = config.preprocess.normalize(config.preprocess.resize(read_photo(sample_photo()))[None])
    parity = compare([load_engine(source, "paddle")(tensor)], [NetworkEngine(network)(tensor)])
    equal = parity.iou >= LEAST_IOU if config.status == "Quant" else parity.largest <= TOLERANCE
    if not equal:
        raise ModelError(
            f"{source}: what its parameters make of the network here differs from what its {PROGRAM_FILE} computes, by "
            f"{parity.largest:.4f} (IoU {parity.iou:.4f}), so that it cannot be imported; Paddle runs it as it is"
        )
    return parity


if __name__ == "__main__":
    from human_segmentation.cli import run_command

    raise SystemExit(run_command("import", prog="python -m human_segmentation.export.legacy"))
