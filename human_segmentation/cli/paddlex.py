"""The `paddlex` command: PaddleX 1.x's export of a model; everything else goes to PaddleX 3's own command."""

import sys

from human_segmentation.cli import Parser, exit_code, run_command
from human_segmentation.errors import DeviceError

EXPORT_FLAGS = ("--export_inference", "-e")


def main() -> int:
    """Runs `paddlex --export_inference --model_dir DIR --save_dir DIR [--fixed_input_shape [W,H]]`, or PaddleX 3."""
    parser = Parser(prog="paddlex", add_help=False, allow_abbrev=False)
    parser.add_argument(*EXPORT_FLAGS, action="store_true", dest="export")
    wanted, rest = parser.parse_known_args(sys.argv[1:])
    if wanted.export:
        return run_command("export", rest, prog="paddlex --export_inference")
    return exit_code(_paddlex)


def _paddlex() -> int:
    try:
        from paddlex.__main__ import console_entry
    except ImportError as error:
        raise DeviceError(
            "of paddlex, only --export_inference is here; for everything else run: pip install paddlex"
        ) from error
    return console_entry() or 0
