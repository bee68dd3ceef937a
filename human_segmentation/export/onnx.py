"""From Paddle's ProgramDesc to ONNX."""

import contextlib
import io
from pathlib import Path

OPSET = 13


def to_onnx(program: Path, params: Path, path: Path) -> None:
    """Converts an exported program.

    Args:
        program: The `.pdmodel` file.
        params: The `.pdiparams` file.
        path: The `.onnx` file to write.
    """
    import paddle2onnx

    # It prints names of files that it removes. The optimisers that it offers install packages while they run; the
    # runtimes fold constants themselves.
    with contextlib.redirect_stdout(io.StringIO()):
        paddle2onnx.export(str(program), str(params), str(path), opset_version=OPSET, optimize_tool="None")
