"""Ctrl-C between two steps of training, and not in the middle of one."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Raises `KeyboardInterrupt` behind the block where Ctrl-C came in it; Ctrl-C once more raises it at once.

    Paddle calls Python while it makes the graph of a network, and crashes where that raises.
    """
    before = signal.getsignal(signal.SIGINT)
    # Only the main thread may handle signals, and a program in the background is not to end by Ctrl-C.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came = threading.Event()

    def later(*_: object) -> None:
        came.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came.is_set():
        raise KeyboardInterrupt
