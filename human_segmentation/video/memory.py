"""The memory of frames, which come and go by the million bytes."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of the settings in <malloc.h>."""


def keep_freed_memory() -> None:
    """Lets this process keep memory that was freed, for the frames that follow.

    The C library of Linux gives blocks as large as a frame back to the system at once, and gets them again page by page
    for the next frame; that takes a tenth of the time of a run. Elsewhere nothing is done.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # musl, another C library of Linux, has no such settings
        library.mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
        library.mallopt(M_TRIM_THRESHOLD, 1 << 30)
        library.mallopt(M_ARENA_MAX, 1)  # what one thread frees, another one takes
