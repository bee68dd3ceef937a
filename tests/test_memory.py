"""Memory of frames: what is freed is used again."""

import platform
import subprocess
import sys

import pytest

FRAMES = """
import resource, sys
import numpy as np
from human_segmentation.video.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for index in range(110):
    if index == 10:
        before = faults()
    frames = [np.ones((540, 960, channels), np.float32) for channels in (1, 3, 4)]
    del frames
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the C library of Linux")
def test_freed_frames_are_not_asked_for_again() -> None:
    def pages(way: str) -> int:
        done = subprocess.run([sys.executable, "-c", FRAMES, way], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages("kept") < 100 < 10_000 < pages("returned")
