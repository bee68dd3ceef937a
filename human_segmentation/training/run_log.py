"""What a run leaves to look at while it goes on: VisualDL and TensorBoard event files."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError

# Flag of the command -> module with a writer, its class, the package to install, the folder under --save_dir.
WRITERS = {
    "use_vdl": ("visualdl", "LogWriter", "visualdl", "vdl_log"),
    "tensorboard": ("tensorboardX", "SummaryWriter", "tensorboardX", "tensorboard"),
}


class RunLog:
    """Writes scalars and pictures to every writer that was asked for; to none, if none was.

    Args:
        save_dir: Folder of the run.
        writers: Keys of `WRITERS`.

    Raises:
        DeviceError: A writer's package is not installed.
    """

    def __init__(self, save_dir: Path, writers: list[str]) -> None:
        self._writers: dict[str, Any] = {}
        for name in writers:
            module, writer, package, folder = WRITERS[name]
            try:
                make = getattr(importlib.import_module(module), writer)
            except ImportError as error:
                raise DeviceError(f"--{name} needs {package}; run: pip install {package}") from error
            self._writers[name] = make(logdir=str(save_dir / folder))

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Adds values at a step."""
        for writer in self._writers.values():
            for tag, value in values.items():
                writer.add_scalar(tag, value, step)

    def picture(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        """Adds a picture, uint8 [H, W, 3] BGR, at a step."""
        rgb = np.ascontiguousarray(image[..., ::-1])
        for name, writer in self._writers.items():
            options = {} if name == "use_vdl" else {"dataformats": "HWC"}
            writer.add_image(tag, rgb, step, **options)

    def close(self) -> None:
        """Writes what is left."""
        for writer in self._writers.values():
            writer.close()
