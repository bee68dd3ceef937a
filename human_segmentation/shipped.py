"""What ships: in an installed wheel it lies inside the package, in a checkout beside it."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def default_model_dir() -> Path:
    """The folder of the exported model that is taken where none is given."""
    return _first(_PACKAGE / "default_model", _PACKAGE.parent / "pretrain_weights" / "portraitnet_quant")


def sample_photo() -> Path:
    """A photo of a person."""
    return _first(_PACKAGE / "human_image.jpg", _PACKAGE.parent / "data" / "human_image.jpg")


def _first(*paths: Path) -> Path:
    return next((path for path in paths if path.exists()), paths[-1])
