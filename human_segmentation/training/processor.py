"""The matrix library that comes with Paddle, on processors that are not Intel's."""

import re

AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
AVX2 = {"avx2", "fma"}


def mkl_kernels(cpuinfo: str) -> str | None:
    """What to tell MKL in `MKL_DEBUG_CPU_TYPE`, so that it takes the fastest kernels that a processor has.

    Paddle brings MKL of 2019. Where that does not find Intel's name, it takes its slowest kernels, with which training
    takes twice the time.

    Args:
        cpuinfo: The text of Linux's `/proc/cpuinfo`.

    Returns:
        "7" for AVX-512, "5" for AVX2; None where MKL finds the kernels itself or there are no faster ones.
    """
    if "GenuineIntel" in cpuinfo:
        return None
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    if flags >= AVX512:
        return "7"
    return "5" if flags >= AVX2 else None
