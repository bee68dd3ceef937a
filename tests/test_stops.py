"""Requests to end, and errors, at inconvenient moments."""

import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import av
import pytest
from conftest import ROOT, names

from human_segmentation.training.interrupt import uninterrupted
from human_segmentation.video.frames import Source
from human_segmentation.video.stop import stop_requests


def started(*arguments, largest_file=resource.RLIM_INFINITY):
    """The command, which Ctrl-C reaches: programs that a shell starts in the background inherit that it does not."""

    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

    command = [sys.executable, "bg_replace.py", "--background_image_path", "data/background.jpg", *map(str, arguments)]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, preexec_fn=prepare, **streams)


def catches(process, number):
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> (number - 1) & 1


def frames_in(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def send(process, frames):
    """Sends black frames of 320x240 pixels, and leaves the pipe open."""
    process.stdin.write(bytes(frames * 320 * 240 * 3))
    process.stdin.flush()


def raw_to(output):
    return ["--video_path", "-", "--raw_size", 320, 240, "--output", output, "--codec", "prores_ks"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_on_standard_input_that_fell_silent(tmp_path, number):
    partial = tmp_path / ".o.partial.mov"
    with started(*raw_to(tmp_path / "o.mov")) as process:
        send(process, 9)
        deadline = time.monotonic() + 60
        while not partial.exists() or partial.stat().st_size < 100_000:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=30) == 130  # its input is still open
        process.stdin.close()
    assert names(tmp_path) == ["o.mov"]
    assert 1 <= frames_in(tmp_path / "o.mov") <= 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_the_first_frame(tmp_path, number):
    with started(*raw_to(tmp_path / "o.mov")) as process:
        deadline = time.monotonic() + 60
        while not catches(process, signal.SIGTERM):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == b"interrupted\n"
        process.stdin.close()
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_interrupts_no_wait(number):
    """Given to another thread, as the system may, it leaves the main thread waiting."""

    class Silent(Source):
        def __init__(self):
            self.frames = SimpleQueue()

        def __iter__(self):
            yield from iter(self.frames.get, None)

        def cancel(self):
            self.frames.put(None)

    source, handler = Silent(), signal.getsignal(number)
    safety = threading.Timer(20, source.cancel)
    safety.start()
    with stop_requests(source) as stop:
        other = threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), number))
        other.start()
        assert list(source) == []
        assert stop.is_set()
        assert safety.is_alive()
        safety.cancel()
    assert signal.getsignal(number) is handler


def test_standard_input_that_cannot_be_read(tmp_path):
    command = [sys.executable, "bg_replace.py", "--background_color", "#0000ff", *map(str, raw_to(tmp_path / "o.mov"))]
    with Path("/dev/null").open("w") as only_to_write_to:
        done = subprocess.run(command, cwd=ROOT, stdin=only_to_write_to, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard input: it cannot be read (Bad file descriptor)")
    assert names(tmp_path) == []


def test_an_error_while_standard_input_is_silent(tmp_path):
    with started(*raw_to(tmp_path / "o.mov"), largest_file=60_000) as process:
        send(process, 9)
        assert process.wait(timeout=30) == 2
        message = process.stderr.read().decode()
        process.stdin.close()
    assert message.splitlines()[-1].startswith(
        f"error: {tmp_path / 'o.mov'}: the video cannot be written (File too lar"
    )
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_impatience_costs_nothing(tmp_path, number):
    """The request is repeated for as long as the file is being closed."""
    output = tmp_path / "o.mp4"
    arguments = ["--video_path", "-", "--raw_size", 640, 480, "--output", output, "--preset", "veryslow"]
    requests = 0
    with started(*arguments) as process:
        for _ in range(40):
            process.stdin.write(bytes(640 * 480 * 3))
        while not output.exists() and process.poll() is None:
            process.send_signal(number)
            requests += 1
            time.sleep(0.05)
        process.stdin.close()
    assert requests > 1
    assert names(tmp_path) == ["o.mp4"]
    assert frames_in(output) >= 1


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_waits_for_the_end_of_a_training_step_but_not_twice(times):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt):
            with uninterrupted():
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
                done.append("step")
            done.append("the next one")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as that of a program in the background
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == (["step"] if times == 1 else [])
