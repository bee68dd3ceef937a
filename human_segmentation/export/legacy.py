"""Import of PaddleX 1.x: `python -m human_segmentation.export.legacy SRC DST`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from human_segmentation.errors import ModelError, OutputError
from human_segmentation.inference.model_config import TRAINED, ModelConfig

if TYPE_CHECKING:
    from human_segmentation.export.parity import Parity


def import_legacy(source: Path, target: Path) -> dict[str, "Parity"]:
    """Makes a trained model of one of PaddleX 1.x, or an exported one of an exported or quantised one.

    Args:
        source: Folder of the model, in any of PaddleX's forms.
        target: The folder that the model takes.

    Returns:
        How far each engine is from the network; empty for a trained model.

    Raises:
        ModelError: The model is none of PaddleX's, damaged, or none that is known here.
        OutputError: The target cannot be written.
    """
    from human_segmentation.export.artifact import export_model
    from human_segmentation.training.checkpoint import load_network, save_model

    if not ModelConfig.read(source).legacy:
        raise ModelError(f"{source}: this is no model of PaddleX 1.x and needs no import; use it as it is")
    if target.resolve() == source.resolve():
        raise OutputError(f"{target}: the imported model would take the place of the old one; choose another folder")
    network, config = load_network(source)
    config = replace(config, legacy=False)
    if config.status == TRAINED:
        save_model(target, network.state_dict(), config)
        return {}
    return export_model(network, config, target)


if __name__ == "__main__":
    from human_segmentation.cli import run_command

    raise SystemExit(run_command("import", prog="python -m human_segmentation.export.legacy"))
