"""Stages of a pipeline: iterators whose work is done in threads of their own."""

import threading
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
DEPTH = 2
"""Results that wait to be taken; more would only take memory, since the slowest stage sets the pace."""


def ahead(work: Callable[[T], R], items: Iterable[T]) -> Generator[R]:
    """`map` in a thread of its own, up to `DEPTH` results ahead of the one who reads them.

    Stages are put into one another: `ahead(encode, ahead(filter, source))` runs three things at a time. Results come in
    order. An error in `work` or in `items` is raised in its turn. Closing a stage ends its thread, and closes `items`.

    Args:
        work: What is done with each item, always in the same thread.
        items: What it is done with.

    Yields:
        The results.
    """
    results: SimpleQueue[tuple[R] | BaseException | None] = SimpleQueue()
    room = threading.Semaphore(DEPTH)
    closed = threading.Event()

    def run() -> None:
        try:
            for item in items:
                result = work(item)
                room.acquire()
                if closed.is_set():
                    return
                results.put((result,))
            results.put(None)
        except BaseException as error:
            results.put(error)
        finally:
            _close(items)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            room.release()
            yield result[0]
    finally:
        closed.set()
        room.release()
        thread.join()


def newest(items: Iterable[T]) -> Generator[T]:
    """Yields what is the newest item at that time; older ones that nobody took in time are dropped.

    Args:
        items: A live source, which is read in a thread of its own as fast as it delivers.
    """
    changed = threading.Condition()
    waiting: list[T] = []
    over: list[BaseException | None] = []
    closed = threading.Event()

    def run() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                with changed:
                    waiting[:] = [item]
                    changed.notify()
                if closed.is_set():
                    break
        except BaseException as error:
            end = error
        finally:
            _close(items)
            with changed:
                over.append(end)
                changed.notify()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or over)
                if not waiting:
                    break
                item = waiting.pop()
            yield item
        if over[0] is not None:
            raise over[0]
    finally:
        closed.set()
        thread.join()


def _close(items: Iterable[object]) -> None:
    if isinstance(items, Generator):
        items.close()
