"""Downloads over real sockets."""

import hashlib
import re
import socket
import zipfile

import pytest
from archive_server import FILES, OTHER_FILES, Answer, fetch, tarred, zipped
from conftest import files_of, names

from human_segmentation.download import Archive, download
from human_segmentation.errors import DownloadError


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


def test_a_refused_archive_leaves_nothing(server, tmp_path):
    server.content = tarred({"good": b"x", "../evil": b"x"})
    with pytest.raises(
        DownloadError, match=r"data\.tar: the archive cannot be used: its member '\.\./evil' .*do without"
    ):
        fetch(server, tmp_path / "in", "data.tar")
    assert files_of(tmp_path) == {}
