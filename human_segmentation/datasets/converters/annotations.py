"""Reading annotation files that may be missing, broken or of another kind."""

import contextlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from human_segmentation.errors import DataError


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: The file is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give the path of the annotations") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON ({error}); export the annotations again") from error


@contextlib.contextmanager
def expecting(path: Path, kind: str) -> Iterator[None]:
    """Turns what goes wrong while a file's content is taken apart into one sentence.

    Args:
        path: The file that the content is from.
        kind: What it is taken for, such as "Supervisely annotation".

    Raises:
        DataError: The block met a value that is missing or of another type than expected.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: does not read as a {kind} ({reason}); export the annotations again") from error
