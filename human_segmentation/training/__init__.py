"""Losses, metrics, checkpoints and the training loop."""

import os
from pathlib import Path

from human_segmentation.training.processor import mkl_kernels

_CPUINFO = Path("/proc/cpuinfo")
_KERNELS = mkl_kernels(_CPUINFO.read_text()) if _CPUINFO.exists() else None
if _KERNELS is not None:  # evaluation gains too; MKL reads it when it multiplies for the first time
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", _KERNELS)
