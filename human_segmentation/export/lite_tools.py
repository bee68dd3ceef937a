"""Paddle Lite's `paddle_lite_opt`, and the Python that has its x86 runtime."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError

OPT = "paddle_lite_opt"
INSTALL = "pip install paddlelite==2.12"
_SCRIPT = Path(__file__).with_name("lite_run.py")


@dataclass(frozen=True)
class PaddleLite:
    """Where Paddle Lite is.

    Attributes:
        opt: The program that writes `.nb` files.
        python: The Python that runs them on x86.
    """

    opt: Path
    python: Path

    def optimize(self, program: Path, params: Path, target: str, nb: Path) -> None:
        """Writes a `.nb` file.

        Args:
            program: The `__model__` file.
            params: The `__params__` file.
            target: "arm" or "x86".
            nb: The file to write; opt adds the ending `.nb` by itself.

        Raises:
            subprocess.CalledProcessError: opt does not take the model.
        """
        files = ["--model_file", str(program), "--param_file", str(params), "--optimize_out", str(nb.with_suffix(""))]
        _output(str(self.opt), *files, "--valid_targets", target)

    def run(
        self, nb: Path, tensors: Sequence[NDArray[np.float32]], folder: Path
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Runs a `.nb` file for x86.

        Args:
            nb: The file.
            tensors: float32 [1, C, H, W] each, all of one size.
            folder: Where the tensors lie meanwhile.

        Returns:
            For each, the classes, int64 [1, H, W], and the scores, float32 [1, classes, H, W].

        Raises:
            subprocess.CalledProcessError: The runtime does not take the model.
        """
        files = [folder / str(index) for index in range(len(tensors))]
        for file, tensor in zip(files, tensors, strict=True):
            file.write_bytes(tensor.tobytes())
        _, _, height, width = tensors[0].shape
        _output(str(self.python), str(_SCRIPT), str(nb), ",".join(map(str, tensors[0].shape)), *map(str, files))
        return [
            (
                np.fromfile(f"{file}.labels", np.int64).reshape(1, height, width),
                np.fromfile(f"{file}.scores", np.float32).reshape(1, -1, height, width),
            )
            for file in files
        ]


def find_paddle_lite(python: Path | None = None) -> PaddleLite:
    """Finds opt beside a Python or on PATH, and the runtime in that Python or the one beside opt.

    Args:
        python: A Python with paddlelite; None takes that of the opt on PATH.

    Raises:
        DeviceError: One of the two is missing, or they are of different versions.
    """
    places = os.get_exec_path() if python is None else [str(python.parent), *os.get_exec_path()]
    found = shutil.which(OPT, path=os.pathsep.join(places))
    if found is None:
        raise DeviceError(
            f"{OPT} is neither on PATH nor beside --python; in a Python 3.7 run: {INSTALL}, and name that Python with "
            "--python /path/to/python3.7"
        )
    opt = Path(found).resolve()
    tools = PaddleLite(opt, python or opt.with_name("python"))
    try:
        runtime, version = _output(str(tools.python), str(_SCRIPT)), _output(str(tools.opt), "--version")
    except (OSError, subprocess.CalledProcessError) as error:
        reason = useful_line(error) if isinstance(error, subprocess.CalledProcessError) else error
        raise DeviceError(
            f"{tools.python}: Paddle Lite does not start there ({reason}); in a Python 3.7 run: {INSTALL}, and name "
            "that Python with --python /path/to/python3.7"
        ) from error
    if version != runtime:
        raise DeviceError(
            f"{tools.opt}: opt is of the version {version} and the runtime of {tools.python} of {runtime}, which does "
            f"not read its files; take both from one Python with --python, in which you ran: {INSTALL}"
        )
    return tools


def useful_line(error: subprocess.CalledProcessError) -> str:
    """What a failed program says about why."""
    lines = re.findall(r"^(?:\[F .*?\]|\w*Error:) (.+)", error.stderr, re.MULTILINE)
    return lines[-1].rstrip(".") if lines else f"exit code {error.returncode}"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
