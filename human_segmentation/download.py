"""Fetching archives: gone on with where a connection broke, checked, and unpacked whole or not at all."""

import hashlib
import http.client
import re
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from human_segmentation.archives import unpack
from human_segmentation.errors import DownloadError, OutputError
from human_segmentation.files import take_place

_CHUNK = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_PASSING = {408, 429, 500, 502, 503, 504}  # statuses of a server that may do better the next time
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class Archive:
    """A zip or tar to fetch.

    Attributes:
        url: Its address.
        instead: What a user can do without it, as the end of a sentence.
        size: Its bytes, where known.
        sha256: Its checksum in hexadecimal, where known.
    """

    url: str
    instead: str
    size: int | None = None
    sha256: str | None = None

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        """The name of the folder that it is unpacked to."""
        return Path(self.file_name).stem


def download(
    archive: Archive,
    folder: Path,
    mirror: str | None = None,
    tries: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Fetches an archive and unpacks it to `folder / archive.name`, in place of what is there.

    What is kept is the archive's folder of that name, or all of it where there is none. A download that breaks off
    stays as a `.part` file in `folder`, and the next one goes on with it.

    Args:
        archive: What to fetch.
        folder: Where to put it.
        mirror: A base address to take in place of the archive's own.
        tries: How often to connect before giving up.
        pause: Seconds between the first two tries; every further pause is twice as long.
        timeout: Seconds without a byte after which a connection counts as broken.

    Returns:
        The unpacked folder.

    Raises:
        DownloadError: The archive cannot be fetched, or is not what it should be.
        OutputError: The folder cannot be written, or the disk is full.
    """
    url = f"{mirror.rstrip('/')}/{archive.file_name}" if mirror else archive.url
    target = folder / archive.name
    part = _Part(folder / f"{archive.file_name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch_patiently(url, part, tries, pause, timeout)
        _check(part, archive)
        _install(part, target)
    except _BrokenError as error:
        raise DownloadError(
            f"{url}: {error}; run it again later (it goes on where it stopped) or {archive.instead}"
        ) from error
    except _UselessError as error:
        raise DownloadError(f"{url}: {error}; {archive.instead}") from error
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{target}: cannot be written ({reason}); make room there and run it again") from error
    return target


class _BrokenError(Exception):
    """The connection broke; another try may go further."""


class _UselessError(Exception):
    """What the server sends is of no use."""


@dataclass(frozen=True)
class _Part:
    """A download that is not complete, and beside it what tells whether the server still has the same file."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.version")

    @property
    def version(self) -> str:
        return self.version_path.read_text(encoding="latin-1") if self.version_path.exists() else ""

    def start(self, version: str) -> None:
        self.path.write_bytes(b"")
        self.version_path.write_text(version, encoding="latin-1")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.version_path.unlink(missing_ok=True)


def _fetch_patiently(url: str, part: _Part, tries: int, pause: float, timeout: float) -> None:
    """Completes the part in as many tries as are allowed."""
    for left in reversed(range(tries)):
        try:
            _fetch(url, part, timeout)
        except _BrokenError:
            if not left:
                raise
        else:
            return
        time.sleep(pause)
        pause *= 2


def _fetch(url: str, part: _Part, timeout: float) -> None:
    """Goes on with the part until the connection ends."""
    try:
        response = _ask(url, part, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE:
            if error.headers["Content-Range"] == f"bytes */{part.size}":
                return  # the part is complete
            part.discard()
        passing = error.code in (*_PASSING, _RANGE_NOT_SATISFIABLE)
        raise (_BrokenError if passing else _UselessError)(f"the server answers {error.code} {error.reason}") from error
    with response:
        total = _begin(response, part)
        with (
            part.path.open("ab") as file,
            tqdm(
                total=total, initial=part.size, unit="B", unit_scale=True, desc=part.path.stem, disable=None
            ) as progress,
        ):
            while chunk := _read(response):
                file.write(chunk)
                progress.update(len(chunk))
    if total is not None and part.size != total:
        message = f"the connection broke after {part.size:,} of {total:,} bytes"
        if part.size > total:
            part.discard()
        raise _BrokenError(message)


def _ask(url: str, part: _Part, timeout: float) -> http.client.HTTPResponse:
    """Asks for what is missing, or for everything if the server's file is no longer the same."""
    if not url.startswith(("http://", "https://")):
        raise _UselessError("is no http or https address")
    headers = {"User-Agent": "humanseg", "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.version:
            headers["If-Range"] = part.version
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        raise _BrokenError(f"the server cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"the server does not answer ({error or type(error).__name__})") from error
    except ValueError as error:
        raise _UselessError(f"is no address ({error})") from error


def _begin(response: http.client.HTTPResponse, part: _Part) -> int | None:
    """Cuts the part to where the answer begins, and tells the size of the whole file where it is known."""
    if response.headers.get_content_type() == "text/html":
        raise _UselessError("the server sends a web page in place of an archive")
    etag = response.headers["ETag"]
    version = etag if etag and not etag.startswith("W/") else response.headers["Last-Modified"] or ""
    if response.status == http.client.OK:
        part.start(version)
        length = response.headers["Content-Length"]
        return int(length) if length and length.isdecimal() else None
    if response.status != http.client.PARTIAL_CONTENT:
        raise _UselessError(f"the server answers {response.status} {response.reason}")
    answered = _CONTENT_RANGE.fullmatch(response.headers["Content-Range"] or "")
    goes_on = answered is not None and int(answered[1]) == part.size > 0
    if answered is None or not goes_on or (version and part.version and version != part.version):
        part.discard()
        raise _BrokenError("the server goes on with another part, or another version, of the file")
    return int(answered[2])


def _read(response: http.client.HTTPResponse) -> bytes:
    """What has arrived; nothing at the end."""
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"the connection broke ({error or type(error).__name__})") from error


def _check(part: _Part, archive: Archive) -> None:
    """Compares with what is known about the archive; a part that is wrong goes, as going on would not heal it."""
    if archive.size not in (None, part.size):
        message = f"the file has {part.size:,} bytes in place of {archive.size:,}"
    elif archive.sha256 not in (None, _sha256(part.path)):
        message = f"the file has another SHA-256 than {archive.sha256}"
    else:
        return
    part.discard()
    raise _UselessError(message)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _install(part: _Part, target: Path) -> None:
    """Unpacks the part to its place, and removes it."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as work:
        new = Path(work) / "new"
        new.mkdir()
        try:
            unpack(part.path, new)
        except ValueError as error:
            part.discard()
            raise _UselessError(f"the archive cannot be used: {error}") from error
        content = new / target.name if (new / target.name).is_dir() else new
        take_place(content, target)
    part.discard()
