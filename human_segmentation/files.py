"""Outputs that appear whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Set
from pathlib import Path

from human_segmentation.errors import BusyError, OutputError

if os.name == "posix":
    import fcntl


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says in one sentence why `path` cannot be written.

    Raises:
        OutputError: The block failed with an error of the operating system.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path}: cannot be written ({reason}); choose another place or make room") from error


def check_not_same(source: Path, target: Path) -> None:
    """Makes sure that a model is written neither in the place of the one that it is made from, nor in its folder.

    Raises:
        OutputError: It would be.
    """
    if source.resolve().is_relative_to(target.resolve()):
        raise OutputError(f"{target}: the result would take the place of what it is made from; choose another folder")
    if target.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{target}: the result would lie inside what it is made from; choose another folder")


def check_folder(path: Path) -> None:
    """Makes sure that a folder can be written, or made, before work is spent on what it is for.

    Raises:
        OutputError: It cannot.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    with writing(path), tempfile.TemporaryFile(dir=there):
        pass


def check_file(path: Path) -> None:
    """Makes sure that a file can be written, before work is spent on it.

    Raises:
        OutputError: It cannot, or there is a folder of its name.
    """
    if path.is_dir():
        raise OutputError(f"{path}: this is a folder; give the name of a file")
    check_folder(path.parent)


def check_replaceable(path: Path, names: Set[str]) -> None:
    """Makes sure that a folder with files of these names can take the place of what is there, if anything is.

    Raises:
        OutputError: `path` is a file, or holds files, at any depth, of other names.
    """
    _check_no_file(path)
    others = _names(path) - names
    if others:
        raise OutputError(f"{path}: the folder holds other files, such as {min(others)}; choose another one")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it is renamed to `path` when the block ends, and removed when the block fails.

    Raises:
        OutputError: The folder cannot be made or written, or the disk is full.
        BusyError: Another process is writing the file.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(partial, path):
            try:
                yield partial
                partial.replace(path)
            finally:
                with contextlib.suppress(OSError):
                    partial.unlink()


@contextlib.contextmanager
def _alone(partial: Path, path: Path) -> Iterator[None]:
    """Lets one process at a time make the file `path` of `partial`. The lock ends with the process, by whatever end.

    Raises:
        BusyError: Another process makes it.
    """
    if os.name != "posix":  # Windows renames no file that is open
        yield
        return
    with partial.open("ab") as file:
        _lock(file.fileno(), path, "file")
        yield


@contextlib.contextmanager
def _alone_in(partial: Path, path: Path) -> Iterator[None]:
    """Likewise for the folder `path`; makes `partial`."""
    partial.mkdir(parents=True, exist_ok=True)
    if os.name != "posix":
        yield
        return
    number = os.open(partial, os.O_RDONLY)
    try:
        _lock(number, path, "folder")
        if not partial.exists() or not os.path.samestat(os.fstat(number), partial.stat()):
            raise _busy(path, "folder")  # it has become `path` since it was opened
        yield
    finally:
        os.close(number)


def _lock(number: int, path: Path, kind: str) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(path, kind) from error
    except OSError:  # some file systems have no locks
        pass


def _busy(path: Path, kind: str) -> BusyError:
    return BusyError(f"{path}: another run is writing this {kind}; wait for it, or choose another")


def _empty(folder: Path) -> None:
    """Removes what a process that was killed left in a folder."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to fill; it takes the place of `path` when the block ends, and goes when the block fails.

    Raises:
        OutputError: The folder cannot be made or written, the disk is full, or `path` is a file, or holds files, at any
            depth, of other names than the new ones have: a mistyped path must not cost a home folder.
        BusyError: Another process is writing the folder.
    """
    path = path.resolve()  # "." has no name
    _check_no_file(path)
    partial = path.with_name(f".{path.name}.partial")
    with writing(path), _alone_in(partial, path):
        try:
            _put_back(path)
            _empty(partial)
            yield partial
            check_replaceable(path, _names(partial))
            take_place(partial, path)
        except BaseException:  # behind the lock, such a folder may be another run's already
            shutil.rmtree(partial, ignore_errors=True)
            raise


def take_place(new: Path, path: Path) -> None:
    """Moves a folder to `path`; what is there goes, but stays where the move fails or is interrupted.

    Raises:
        OutputError: `path` is a file.
    """
    _check_no_file(path)
    old = _old(path)
    _put_back(path)
    shutil.rmtree(old, ignore_errors=True)
    try:
        if path.exists():
            path.replace(old)
        new.replace(path)
    finally:
        _put_back(path)
        shutil.rmtree(old, ignore_errors=True)


def _check_no_file(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: there is a file of this name; choose another name for the folder")


def _put_back(path: Path) -> None:
    """Undoes that a folder was moved aside for a new one, where none came, as the process was stopped in between."""
    if _old(path).exists() and not path.exists():
        _old(path).replace(path)


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _names(folder: Path) -> set[str]:
    """The paths of all files in a folder, relative to it."""
    return {entry.relative_to(folder).as_posix() for entry in folder.rglob("*") if not entry.is_dir()}
