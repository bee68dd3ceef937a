"""Ctrl-C and SIGTERM as an event that a loop looks at."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

from human_segmentation.video.frames import Source

REQUESTS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_requests(source: Source) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of cutting off what is done, however often they come.

    Python calls a handler only between two steps of the main thread. A signal that comes just before that thread begins
    to wait for a frame, or that the system gives to another thread, would so be noticed with the next frame, which may
    never come. The number of a signal, however, is written to a socket at once, and a thread waits for it there.

    Args:
        source: What is to give no more frames then.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return
    numbers, written = socket.socketpair()
    written.setblocking(False)

    def wait() -> None:
        while number := numbers.recv(1):
            if number[0] in REQUESTS:
                stop.set()
                source.cancel()

    thread = threading.Thread(target=wait, daemon=True)
    with numbers, written:
        thread.start()
        wakeup = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in REQUESTS}
        try:
            yield stop
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            written.close()  # which ends the wait
            thread.join()
