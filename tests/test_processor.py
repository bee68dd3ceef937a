"""Paddle's matrix library is told what a processor can do, where it does not find out itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from human_segmentation.training.processor import mkl_kernels

OLD = "fpu sse4_2 avx"
ZEN = f"{OLD} fma avx2"
ZEN4 = f"{ZEN} avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni"


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", ZEN4, "7"),
        ("HygonGenuine", ZEN4, "7"),
        ("AuthenticAMD", ZEN, "5"),
        ("AuthenticAMD", ZEN4.replace("avx512bw ", ""), "5"),
        ("AuthenticAMD", ZEN.replace("fma ", ""), None),
        ("AuthenticAMD", OLD, None),
        ("GenuineIntel", ZEN4, None),
    ],
)
def test_kernels_of_a_processor(vendor, flags, expected):
    processor = f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: avx2 fma\nflags\t\t: {flags}\nbugs\t\t: none\n\n"
    assert mkl_kernels(2 * processor) == expected


def test_kernels_of_an_arm_processor():
    assert mkl_kernels("processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n") is None


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="no Linux")
@pytest.mark.parametrize("choice", [None, "4"])
def test_mkl_is_told_unless_the_user_did(choice):
    code = "import os, human_segmentation.training; print(os.environ.get('MKL_DEBUG_CPU_TYPE'))"
    environment = {} if choice is None else {"MKL_DEBUG_CPU_TYPE": choice}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{choice or mkl_kernels(Path('/proc/cpuinfo').read_text())}\n", done.stderr
