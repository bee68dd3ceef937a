"""Downloads over real sockets, from a server that misbehaves as it is told."""

import hashlib
import io
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from conftest import ROOT

from human_segmentation.archives import unpack
from human_segmentation.download import Archive, download
from human_segmentation.errors import DownloadError

FILES = {
    "model.yml": b"Model: HumanSegMobile\n",
    "deep/er/__params__": np.random.default_rng(0).bytes(300_000),
    "empty": b"",
}
OTHER_FILES = {name: content[::-1] for name, content in FILES.items()}


def zipped(files, prefix="", method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return data.getvalue()


def tarred(files, prefix="", mode="w", **attributes):
    """A tar; the attributes are set on every member."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            for key, value in attributes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@dataclass
class Answer:
    """What the server does with one request.

    Attributes:
        status: An error to answer with.
        cut: Bytes of the body after which the connection ends.
        reset: Whether it ends with a reset.
        stall: Whether it then says nothing for long, in place of ending.
        length: Content-Length in place of the true one; "" leaves it out.
        content_range: Content-Range in place of the true one.
        ranges, if_range: Whether these headers of the request are heeded.
        kind: Content-Type.
        chunked: Whether the body is sent in chunks.
    """

    status: int | None = None
    cut: int | None = None
    reset: bool = False
    stall: bool = False
    length: str | None = None
    content_range: str | None = None
    ranges: bool = True
    if_range: bool = True
    kind: str = "application/octet-stream"
    chunked: bool = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers))
        answer = server.answers.pop(0) if server.answers else Answer()
        self.close_connection = True
        if answer.status:
            self.send_response(answer.status)
            if answer.content_range:
                self.send_header("Content-Range", answer.content_range)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, start = server.content, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        condition = self.headers["If-Range"]
        if asked and answer.ranges and (not condition or not answer.if_range or condition in server.version.values()):
            start = int(asked[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            end = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", end if answer.content_range is None else answer.content_range)
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Type", answer.kind)
        for name, value in server.version.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.length != "":
            self.send_header("Content-Length", answer.length or str(len(body)))
        self.end_headers()
        body = body[: answer.cut]
        if answer.chunked:
            ending = b"" if answer.cut is not None else b"0\r\n\r\n"
            body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:1000], body[1000:]) if c) + ending
        self.wfile.write(body)
        server.sent.append(len(body))
        if answer.stall:
            server.stopped.wait(20)
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = zipped(FILES)
        self.version = {"ETag": '"one"'}
        self.answers, self.requests, self.sent = [], [], []
        self.stopped = threading.Event()

    def archive(self, name="data.zip", **known):
        return Archive(f"http://127.0.0.1:{self.server_port}/some/{name}", "do without", **known)

    def headers(self, name):
        return [headers[name] for _, headers in self.requests]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(server, folder, name="data.zip", known=None, **options):
    return download(server.archive(name, **(known or {})), folder, **{"pause": 0.01, "timeout": 5, **options})


@pytest.mark.parametrize("prefix", ["", "data/", "./data/"])
@pytest.mark.parametrize(
    ("name", "pack"),
    [("data.zip", zipped), ("data.tar", tarred), ("data.tar", lambda *args: tarred(*args, mode="w:gz"))],
)
def test_the_archive_becomes_the_folder_of_its_name(server, tmp_path, name, pack, prefix):
    server.content = pack(FILES, prefix)
    assert fetch(server, tmp_path / "new", name) == tmp_path / "new" / "data"
    assert files_of(tmp_path) == {f"new/data/{name}": content for name, content in FILES.items()}
    assert server.headers("Range") == [None]


@pytest.mark.parametrize("answer", [Answer(chunked=True), Answer(length="")])
def test_a_server_that_tells_no_length(server, tmp_path, answer):
    server.answers = [answer]
    assert files_of(fetch(server, tmp_path)) == FILES


@pytest.mark.parametrize("reset", [False, True])
def test_a_broken_connection_is_gone_on_with(server, tmp_path, reset):
    server.answers = [Answer(cut=1000), Answer(cut=50_000, reset=reset), Answer(cut=0)]
    assert files_of(fetch(server, tmp_path)) == FILES
    asked = server.headers("Range")
    assert asked[:2] == [None, "bytes=1000-"]
    if not reset:
        assert asked[2:] == ["bytes=51000-"] * 2
        assert sum(server.sent) == len(server.content)
    assert server.headers("If-Range")[1:] == ['"one"'] * 3
    assert names(tmp_path) == ["data"]


def test_the_next_run_goes_on_with_what_is_there(server, tmp_path):
    server.answers = [Answer(cut=70_000), Answer(cut=10_000)]
    with pytest.raises(DownloadError, match=r"data\.zip: the connection broke after 80,000 of [\d,]+ bytes; .*without"):
        fetch(server, tmp_path, tries=2)
    assert (tmp_path / "data.zip.part").read_bytes() == server.content[:80_000]
    assert not (tmp_path / "data").exists()
    assert files_of(fetch(server, tmp_path)) == FILES
    assert server.headers("Range")[-1] == "bytes=80000-"
    assert server.sent[-1] == len(server.content) - 80_000
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize(
    ("version", "condition"),
    [
        ({"ETag": '"x"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}, '"x"'),
        (
            {"ETag": 'W/"x"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"},  # a weak one may not be asked for
            "Sat, 01 Jan 2022 00:00:00 GMT",
        ),
        ({"ETag": 'W/"x"'}, None),
        ({}, None),
    ],
)
def test_what_tells_one_version_from_another(server, tmp_path, version, condition):
    server.version = version
    server.answers = [Answer(cut=1000)]
    assert files_of(fetch(server, tmp_path)) == FILES
    assert server.headers("Range") == [None, "bytes=1000-"]
    assert server.headers("If-Range") == [None, condition]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.answers = [Answer(cut=1000), Answer(ranges=False, cut=700), Answer(ranges=False)]
    assert files_of(fetch(server, tmp_path)) == FILES
    assert server.headers("Range") == [None, "bytes=1000-", "bytes=700-"]


@pytest.mark.parametrize(
    "wrong", ["bytes 999-{}/{}", "bytes 0-9/10", "bytes 999-2000/2001", "bytes 1000-2000/*", "1000", ""]
)
def test_a_wrong_content_range_starts_again(server, tmp_path, wrong):
    size = len(server.content)
    server.answers = [Answer(cut=1000), Answer(content_range=wrong.format(size - 1, size))]
    assert files_of(fetch(server, tmp_path)) == FILES
    assert server.headers("Range") == [None, "bytes=1000-", None]


@pytest.mark.parametrize("if_range", [True, False])
@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_file_that_changed_meanwhile_starts_again(server, tmp_path, header, if_range):
    server.version = {header: '"one"'}
    server.answers = [Answer(cut=100_000)]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path, tries=1)
    server.content, server.version = zipped(OTHER_FILES), {header: '"two"'}
    server.answers = [Answer(if_range=if_range)]
    assert files_of(fetch(server, tmp_path)) == OTHER_FILES
    assert len(server.requests) == (2 if if_range else 3)


def test_a_mixture_of_two_versions_is_not_kept(server, tmp_path):
    """Where the server tells no version, the archive's own checksums find out."""
    server.version = {}
    server.content = zipped(FILES, method=zipfile.ZIP_STORED)
    server.answers = [Answer(cut=100_000)]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path, tries=1)
    server.content = zipped(OTHER_FILES, method=zipfile.ZIP_STORED)
    with pytest.raises(DownloadError, match=r"data\.zip: the archive cannot be used: it is damaged.*CRC.*; do without"):
        fetch(server, tmp_path)
    assert names(tmp_path) == []
    assert files_of(fetch(server, tmp_path)) == OTHER_FILES


def test_a_length_that_is_too_large(server, tmp_path):
    size = len(server.content)
    server.answers = [Answer(length=str(size + 10), cut=size)]
    with pytest.raises(DownloadError, match=f"broke after {size:,} of {size + 10:,} bytes"):
        fetch(server, tmp_path, tries=1)
    assert files_of(fetch(server, tmp_path)) == FILES  # the server says 416, and that there is no more
    assert len(server.requests) == 2


def test_a_length_that_is_too_small(server, tmp_path):
    server.answers = [Answer(length="1000")]
    with pytest.raises(DownloadError, match=r"data\.zip: the archive cannot be used: it is damaged"):
        fetch(server, tmp_path)
    assert names(tmp_path) == []


def test_a_part_that_is_longer_than_the_file_starts_again(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(bytes(len(server.content) + 5))
    assert files_of(fetch(server, tmp_path)) == FILES
    assert server.headers("Range")[1:] == [None]


def test_chunks_that_end_too_early(server, tmp_path):
    server.answers = [Answer(chunked=True, cut=5000)]
    with pytest.raises(DownloadError, match="the connection broke"):
        fetch(server, tmp_path, tries=1)
    assert files_of(fetch(server, tmp_path)) == FILES
    assert server.headers("Range") == [None, "bytes=5000-"]


@pytest.mark.parametrize(
    ("answer", "words", "requests"),
    [
        (Answer(status=404), "answers 404 Not Found", 1),
        (Answer(status=403), "answers 403 Forbidden", 1),
        (Answer(status=204), "answers 204 No Content", 1),
        (Answer(status=206), "another part", 3),
        (Answer(status=503), "answers 503 Service Unavailable", 3),
        (Answer(kind="text/html; charset=utf-8"), "web page", 1),
        (Answer(cut=0, stall=True), "the connection broke", 3),
        (Answer(cut=0, length="0"), "the archive cannot be used", 1),
    ],
)
def test_answers_that_are_no_archive(server, tmp_path, answer, words, requests):
    server.answers = [answer] * 5
    with pytest.raises(DownloadError, match=rf"^http://127\.0\.0\.1:\d+/some/data\.zip: .*{words}.*do without$"):
        fetch(server, tmp_path, tries=3, timeout=0.2)
    assert len(server.requests) == requests
    assert not (tmp_path / "data").exists()


def test_a_web_page_costs_nothing_of_what_is_there(server, tmp_path):
    """As when a hotel's network asks for a password."""
    server.answers = [Answer(cut=1000), Answer(kind="text/html", ranges=False), Answer(status=404)]
    for _ in range(3):
        with pytest.raises(DownloadError):
            fetch(server, tmp_path, tries=1)
    assert (tmp_path / "data.zip.part").read_bytes() == server.content[:1000]


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.answers = [Answer(status=503), Answer(status=429)]
    assert files_of(fetch(server, tmp_path)) == FILES


def test_nobody_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    archive = Archive(f"http://127.0.0.1:{port}/data.zip", "do without")
    with pytest.raises(
        DownloadError, match=rf"127\.0\.0\.1:{port}/data\.zip: the server cannot be reached .*do without"
    ):
        download(archive, tmp_path, pause=0.01)
    assert names(tmp_path) == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/data.zip", "file:///data.zip", "data.zip", "http://[x/data.zip"])
def test_addresses_that_are_none(tmp_path, url):
    with pytest.raises(DownloadError, match=re.escape(f"{url}: is no ")):
        download(Archive(url, "do without"), tmp_path)


def test_size_and_checksum(server, tmp_path):
    size, digest = len(server.content), hashlib.sha256(server.content).hexdigest()
    with pytest.raises(DownloadError, match=rf"has {size:,} bytes in place of {size + 1:,}; do without"):
        fetch(server, tmp_path, known={"size": size + 1, "sha256": digest})
    with pytest.raises(DownloadError, match=f"another SHA-256 than {'0' * 64}; do without"):
        fetch(server, tmp_path, known={"sha256": "0" * 64})
    assert names(tmp_path) == []
    assert files_of(fetch(server, tmp_path, known={"size": size, "sha256": digest})) == FILES


def test_what_was_there_stays_until_the_new_one_is_whole(server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").write_text("kept")
    good, server.content = server.content, server.content[:-30]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    assert files_of(tmp_path) == {"data/mine": b"kept"}
    server.content = good
    assert files_of(fetch(server, tmp_path)) == FILES
    assert names(tmp_path) == ["data"]


LINK = {"type": tarfile.SYMTYPE, "linkname": "../../secret"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tarred({"/etc/evil": b"x"}), "outside"),
        (tarred({"../evil": b"x"}), "outside"),
        (tarred({"a/../../evil": b"x"}), "outside"),
        (tarred({"a\\..\\..\\evil": b"x"}), "outside"),
        (tarred({"C:evil": b"x"}), "outside"),
        (tarred({"..": b""}, type=tarfile.DIRTYPE), "outside"),
        (tarred({"link": b""}, **LINK), "link"),
        (tarred({"link": b""}, type=tarfile.LNKTYPE, linkname="/etc/passwd"), "link"),
        (tarred({"device": b""}, type=tarfile.CHRTYPE, devmajor=1, devminor=5), "device"),
        (tarred({"pipe": b""}, type=tarfile.FIFOTYPE), "device"),
        (zipped({"../evil": b"x"}), "outside"),
        (zipped({"/evil": b"x"}), "outside"),
        (zipped({"..\\evil": b"x"}), "outside"),
        (tarred({}), "empty"),
        (b"", "damaged or no archive"),
        (b"no archive at all" * 100, "damaged or no archive"),
        (b'{"code": "NoSuchKey"}', "damaged or no archive"),
    ],
)
def test_archives_that_are_refused(tmp_path, data, reason):
    (tmp_path / "archive").write_bytes(data)
    (tmp_path / "in" / "to").mkdir(parents=True)
    with pytest.raises(ValueError, match=reason) as caught:
        unpack(tmp_path / "archive", tmp_path / "in" / "to")
    assert "\n" not in str(caught.value)
    assert list(files_of(tmp_path)) == ["archive"]


def test_a_link_in_a_zip_is_refused(tmp_path):
    member = zipfile.ZipInfo("link")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(ValueError, match="'link' is a link"):
        unpack(tmp_path / "archive", tmp_path)


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz"])
def test_every_cut_and_every_change_is_noticed(tmp_path, mode):
    data = zipped(FILES) if mode == "zip" else tarred(FILES, mode=mode)
    # A plain tar: 512 bytes of header and 512 of content, 512 and 300,032, 512 of header, and zeros. Its headers alone
    # have checksums.
    ends = (
        [100, 600, 1024, 1536, 300_000, 1536 + 300_032, 2048 + 300_032] if mode == "w" else range(8, len(data), 30_011)
    )
    changes = [1024 + 3, 1536 + 300_032 + 3] if mode == "w" else range(1000, len(data), 60_013)
    damaged = [data[:end] for end in ends]
    damaged += [data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :] for place in changes]
    archive, folder = tmp_path / "archive", tmp_path / "out"
    for content in [*damaged, data]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        archive.write_bytes(content)
        if content is data:
            unpack(archive, folder)
        else:
            with pytest.raises(ValueError, match=r"damaged|short"):
                unpack(archive, folder)
    assert files_of(folder) == FILES


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bombs_are_refused(tmp_path, pack):
    (tmp_path / "archive").write_bytes(pack({"a": bytes(50_000), "b": bytes(50_000)}))
    folder = tmp_path / "out"
    folder.mkdir()
    unpack(tmp_path / "archive", folder, limit=100_000)
    with pytest.raises(ValueError, match=r"more than 99,999 bytes"):
        unpack(tmp_path / "archive", folder, limit=99_999)


def test_a_refused_archive_leaves_nothing(server, tmp_path):
    server.content = tarred({"good": b"x", "../evil": b"x"})
    with pytest.raises(
        DownloadError, match=r"data\.tar: the archive cannot be used: its member '\.\./evil' .*do without"
    ):
        fetch(server, tmp_path / "in", "data.tar")
    assert files_of(tmp_path) == {}


@pytest.fixture
def script(tmp_path, server):
    """Starts a copy of a script, so that what it fetches does not come into the repository."""

    def start(path, *args, **options):
        copy = tmp_path / path
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, copy)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, str(copy), *args],
            env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip

    return start


def outcome(process):
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


MODELS_SCRIPT = "pretrain_weights/download_pretrain_weights.py"
DATA_SCRIPT = "data/download_data.py"


def test_scripts_list_the_tutorials_addresses(script):
    models, data = script(MODELS_SCRIPT, "--list"), script(DATA_SCRIPT, "--list")
    code, output, _ = outcome(models)
    assert code == 0
    assert re.findall(r"https\S+/models/(\S+)\.tar", output) == [
        "humanseg_server_params",
        "humanseg_server_inference",
        "humanseg_mobile_params",
        "humanseg_mobile_inference",
        "humanseg_mobile_quant",
    ]
    code, output, _ = outcome(data)
    assert code == 0
    assert re.findall(r"https\S+/data/(\S+\.zip) .*SHA-256 unknown", output) == [
        "mini_supervisely.zip",
        "video_test.zip",
    ]


def test_script_fetches_everything_but_what_is_there(script, server, tmp_path):
    mine = tmp_path / "data" / "mini_supervisely"
    mine.mkdir(parents=True)
    (mine / "mine").write_text("kept")
    mirror = f"http://127.0.0.1:{server.server_port}/a/b/"
    code, output, errors = outcome(script(DATA_SCRIPT, "--mirror", mirror))
    assert (code, errors) == (0, "")  # no progress bar where no terminal is
    assert output.splitlines() == [
        f"{mine}: is there already; --force replaces it",
        str(tmp_path / "data" / "video_test"),
    ]
    assert [path for path, _ in server.requests] == ["/a/b/video_test.zip"]
    assert files_of(tmp_path / "data" / "video_test") == FILES
    assert files_of(mine) == {"mine": b"kept"}

    code, _, errors = outcome(script(DATA_SCRIPT, "--mirror", mirror, "--name", "mini_supervisely", "--force"))
    assert (code, errors) == (0, "")
    assert files_of(mine) == FILES
    assert [path for path, _ in server.requests[1:]] == ["/a/b/mini_supervisely.zip"]


def test_script_says_in_one_sentence_what_went_wrong(script, server, tmp_path):
    server.answers = [Answer(status=404)]
    mirror = f"http://127.0.0.1:{server.server_port}"
    code, output, errors = outcome(script(MODELS_SCRIPT, "--mirror", mirror, "--name", "humanseg_mobile_quant"))
    assert (code, output) == (2, "")
    assert errors.startswith(
        f"error: {mirror}/humanseg_mobile_quant.tar: the server answers 404 Not Found; use the model "
    )
    assert "pretrain_weights/humanseg_mobile_inference" in errors
    assert errors.count("\n") == 1
    code, _, errors = outcome(script(MODELS_SCRIPT, "--name", "nothing"))
    assert code == 2
    assert "Traceback" not in errors


def test_interrupted_script_keeps_the_part(script, server, tmp_path):
    server.answers = [Answer(cut=200_000, stall=True)]
    process = script(DATA_SCRIPT, "--mirror", f"http://127.0.0.1:{server.server_port}", "--name", "video_test")
    part = tmp_path / "data" / "video_test.zip.part"
    while not (part.exists() and part.stat().st_size > 100_000):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, output, errors = outcome(process)
    assert (code, output, errors) == (130, "", "interrupted\n")
    assert server.content.startswith(part.read_bytes())
    assert files_of(fetch(server, tmp_path / "data", "video_test.zip")) == FILES
    assert server.headers("Range")[-1] is not None


@pytest.mark.parametrize("room", [100_000, 400_000])
def test_no_room_for_the_file(script, server, tmp_path, room):
    """A limit on the size of a file stands for a full disk: for the download first, then for what comes out of it."""
    server.content = zipped({"zeros": bytes(1_000_000), **FILES})

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    process = script(
        DATA_SCRIPT, "--mirror", f"http://127.0.0.1:{server.server_port}", "--name", "video_test", preexec_fn=limited
    )
    code, _, errors = outcome(process)
    assert code == 2
    assert re.fullmatch(r"error: \S+/data/video_test: cannot be written \(File too large\); make room .*\n", errors)
    assert names(tmp_path / "data") == [
        "download_data.py",
        "video_test.zip.part",
        "video_test.zip.part.version",
    ]
    assert files_of(fetch(server, tmp_path / "data", "video_test.zip")) == {"zeros": bytes(1_000_000), **FILES}
    assert len(server.requests) == 2
    assert server.headers("Range")[1] is not None
