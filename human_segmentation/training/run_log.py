"""What a run leaves to look at while it goes on: VisualDL and TensorBoard event files.

They are written at once, without the threads of the packages' own writers: on a full disk, VisualDL's loses what it
should write, and tensorboardX's ends, so that the run would wait for it for ever.
"""

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError
from human_segmentation.files import writing


class _RecordFile:
    """VisualDL's file of records.

    Args:
        folder: Where the file is made.
    """

    def __init__(self, folder: Path) -> None:
        self._component = importlib.import_module("visualdl.component.base_component")
        writer = importlib.import_module("visualdl.writer.record_writer").RecordWriter
        folder.mkdir(parents=True, exist_ok=True)
        self._file = writer((folder / f"vdlrecords.{time.time():.0f}.log").open("wb"))
        self._write(self._component.meta_data(walltime=_milliseconds()))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._write(self._component.scalar(tag, value, step, _milliseconds()))

    def add_image(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        self._write(self._component.image(tag, image, step, _milliseconds()))

    def close(self) -> None:
        self._file.close()

    def _write(self, record: Any) -> None:
        self._file.write(record.SerializeToString())
        self._file.flush()


def _milliseconds() -> int:
    return round(1000 * time.time())


class _EventFile:
    """TensorBoard's event file.

    Args:
        folder: Where the file is made.
    """

    def __init__(self, folder: Path) -> None:
        self._summary = importlib.import_module("tensorboardX.summary")
        self._event = importlib.import_module("tensorboardX.proto.event_pb2").Event
        folder.mkdir(parents=True, exist_ok=True)
        self._file = importlib.import_module("tensorboardX.event_file_writer").EventsWriter(str(folder / "events"))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._write(self._summary.scalar(tag, value), step)

    def add_image(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        self._write(self._summary.image(tag, image, dataformats="HWC"), step)

    def close(self) -> None:
        self._file.close()

    def _write(self, summary: Any, step: int) -> None:
        self._file.write_event(self._event(summary=summary, step=step, wall_time=time.time()))
        self._file.flush()


# Flag of the command -> what makes a writer, the package to install, the folder under --save_dir.
WRITERS = {
    "use_vdl": (_RecordFile, "visualdl", "vdl_log"),
    "tensorboard": (_EventFile, "tensorboardX", "tensorboard"),
}


class RunLog:
    """Writes scalars and pictures to every writer that was asked for; to none, if none was.

    Args:
        save_dir: Folder of the run.
        writers: Keys of `WRITERS`.

    Raises:
        DeviceError: A writer's package is not installed.
        OutputError: A file cannot be written; every method raises it.
    """

    def __init__(self, save_dir: Path, writers: list[str]) -> None:
        self._writers: dict[Path, Any] = {}
        for name in writers:
            make, package, folder = WRITERS[name]
            path = save_dir / folder
            try:
                with writing(path):
                    self._writers[path] = make(path)
            except ImportError as error:
                raise DeviceError(f"--{name} needs {package}; run: pip install {package}") from error

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Adds values at a step."""
        for path, writer in self._writers.items():
            with writing(path):
                for tag, value in values.items():
                    writer.add_scalar(tag, value, step)

    def picture(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        """Adds a picture, uint8 [H, W, 3] BGR, at a step."""
        rgb = np.ascontiguousarray(image[..., ::-1])
        for path, writer in self._writers.items():
            with writing(path):
                writer.add_image(tag, rgb, step)

    def close(self) -> None:
        """Writes what is left."""
        for path, writer in self._writers.items():
            with writing(path):
                writer.close()
