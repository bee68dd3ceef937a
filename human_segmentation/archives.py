"""Unpacking archives that strangers made."""

import contextlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path, PureWindowsPath
from typing import IO

LIMIT = 4 << 30  # bytes
_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
_Members = Generator[tuple[str, IO[bytes] | None], None, None]


def unpack(archive: Path, folder: Path, limit: int = LIMIT) -> None:
    """Unpacks a zip or a tar and reads it to its end, so that its checksums are checked.

    Files and folders are all that comes out; their owners, rights and times are those of any new file.

    Args:
        archive: The archive.
        folder: An existing empty folder to fill.
        limit: How many bytes the files may have together.

    Raises:
        ValueError: The archive is none, empty, damaged or too large, or has a member that would land outside of the
            folder or is neither file nor folder; the message says which.
        OSError: A file cannot be read or written.
    """
    with archive.open("rb") as file:
        members = _zip_members(archive) if file.read(4) == b"PK\3\4" else _tar_members(archive)
    left = limit
    with contextlib.closing(members):
        for name, content in members:
            path = _inside(folder, name)
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                while chunk := _read(content):
                    left -= len(chunk)
                    if left < 0:
                        raise ValueError(f"it unpacks to more than {limit:,} bytes")
                    file.write(chunk)
    if not any(folder.iterdir()):
        raise ValueError("it is empty")


def _inside(folder: Path, name: str) -> Path:
    """Where a member goes; the rules of Windows are the stricter ones, and hold everywhere."""
    pure = PureWindowsPath(name)
    if pure.anchor or ".." in pure.parts:
        raise ValueError(f"its member {name!r} would land outside of the folder")
    return folder.joinpath(*pure.parts)


def _zip_members(archive: Path) -> _Members:
    """The names and contents of a zip; None stands for a folder."""
    with _told_as_value_error(), zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not made on Unix
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"its member {member.filename!r} is a link or a device")
            if member.is_dir():
                yield member.filename, None
            else:
                with content.open(member) as stream:
                    yield member.filename, stream


def _tar_members(archive: Path) -> _Members:
    """The names and contents of a tar; None stands for a folder."""
    with _told_as_value_error(), tarfile.open(archive) as content:
        for member in content:
            if not (member.isfile() or member.isdir()):
                raise ValueError(f"its member {member.name!r} is a link or a device")
            yield member.name, content.extractfile(member)
        # A damaged header counts as the end for `tarfile`; the true end is a block of zeros.
        content.fileobj.seek(content.offset)
        if content.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError("it is cut short or damaged")
        while content.fileobj.read(_CHUNK):  # a compressed one has its checksum at the very end
            pass


def _read(content: IO[bytes]) -> bytes:
    with _told_as_value_error():
        return content.read(_CHUNK)


@contextlib.contextmanager
def _told_as_value_error() -> Iterator[None]:
    """What the archive modules raise for a damaged archive."""
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's fault, not the archive's
            raise
        first, *_ = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"it is damaged or no archive ({first.rstrip(':')})") from error
