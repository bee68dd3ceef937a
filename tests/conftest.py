"""Fixtures that several tests use."""

import os
import subprocess
import threading
from pathlib import Path

import cv2
import pytest

# paddle reads this when it is imported.
os.environ.setdefault("GLOG_minloglevel", "3")

ROOT = Path(__file__).resolve().parents[1]


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def disk(tmp_path):
    """A disk with room for one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The exported model that ships."""
    return ROOT / "pretrain_weights" / "humanseg_mobile_inference"


@pytest.fixture(scope="session")
def discs(tmp_path_factory) -> Path:
    """A folder with a small data set, see `runs.make_discs`."""
    from runs import make_discs

    folder = tmp_path_factory.mktemp("discs")
    make_discs(folder)
    return folder


@pytest.fixture(scope="session")
def samples(discs):
    """The samples of that data set."""
    from human_segmentation.datasets.list_file import read_list

    return read_list(discs / "train.txt", discs)


@pytest.fixture(scope="session")
def trained(samples, tmp_path_factory):
    """The folder of a run of six epochs, and its best metrics."""
    from runs import run

    folder = tmp_path_factory.mktemp("run")
    return folder, run(samples, folder, num_epochs=6)


@pytest.fixture
def server(monkeypatch):
    """A running `archive_server.Server`."""
    from archive_server import Server

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory):
    """The sample clip 120 times over, with its sound."""
    import av

    path = tmp_path_factory.mktemp("long") / "long.mp4"
    with av.open(str(path), "w") as container:
        targets = {}
        offset = 0.0
        for _ in range(120):
            with av.open(str(ROOT / "data" / "video_test.mp4")) as source:
                for packet in source.demux():
                    if packet.dts is None:
                        continue
                    kind = packet.stream.type
                    if kind not in targets:
                        targets[kind] = container.add_stream_from_template(packet.stream)
                        if len(targets) < 2:
                            other = source.streams.audio[0] if kind == "video" else source.streams.video[0]
                            targets[other.type] = container.add_stream_from_template(other)
                    shift = round(offset / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = targets[kind]
                    container.mux(packet)
            offset += 4.04
    return path


@pytest.fixture(scope="session")
def legacy() -> Path:
    """A real PaddleX 1.3 model; it is no part of the repository."""
    folder = ROOT.parent / "shared" / "legacy"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
