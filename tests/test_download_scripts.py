"""The scripts that fetch models and data."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from archive_server import FILES, Answer, fetch, zipped
from conftest import ROOT, files_of, names


@contextmanager
def default_sigint():
    """What is started here is ended by Ctrl-C; programs inherit from a shell in the background that they are not."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def script(tmp_path, server):
    """Starts a copy of a script, so that what it fetches does not come into the repository."""

    def start(path, *args, **options):
        copy = tmp_path / path
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, copy)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with default_sigint():
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


def test_what_is_gone_does_not_keep_the_others_back(script, server, tmp_path):
    server.answers = [Answer(status=404), Answer(), Answer(status=410)]
    mirror = f"http://127.0.0.1:{server.server_port}"
    names = ["humanseg_server_params", "humanseg_mobile_params", "humanseg_mobile_quant"]
    code, output, errors = outcome(script(MODELS_SCRIPT, "--mirror", mirror, "--name", *names))
    assert code == 2
    assert output == f"{tmp_path}/pretrain_weights/humanseg_mobile_params\n"
    assert [line.partition("; ")[0] for line in errors.splitlines()] == [
        f"error: {mirror}/humanseg_server_params.tar: the server answers 404 Not Found",
        f"error: {mirror}/humanseg_mobile_quant.tar: the server answers 410 Gone",
    ]
    assert files_of(tmp_path / "pretrain_weights" / "humanseg_mobile_params") == FILES


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
