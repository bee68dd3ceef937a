"""Stages in threads: order, overlap, bounds, errors and the end of every thread."""

import threading
import time
from itertools import count

import numpy as np
import pytest

from human_segmentation.video.stages import DEPTH, ahead, newest


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())  # one of another test may end in this one
    yield
    assert not set(threading.enumerate()) - before


def test_results_are_those_of_map_in_its_order():
    rng = np.random.default_rng(0)
    pauses = iter(rng.uniform(0, 0.002, 1000))

    def slow(x):
        time.sleep(next(pauses))
        return x + 1

    stages = ahead(slow, ahead(slow, ahead(slow, range(300))))
    assert list(stages) == list(range(3, 303))


def test_nothing_in_nothing_out():
    assert list(ahead(str, [])) == []
    assert list(newest([])) == []


def test_stages_work_at_the_same_time():
    # While the second stage has item n, the first has item n + 1; one after the other, they would wait in vain.
    together = threading.Barrier(2, timeout=10)

    def first(x):
        if x > 0:
            together.wait()
        return x

    def second(x):
        if x < 20:
            together.wait()
        return x

    assert list(ahead(second, ahead(first, range(21)))) == list(range(21))


def test_no_stage_runs_far_ahead():
    made = []

    def source():
        for i in count():
            made.append(i)
            yield i

    stage = ahead(lambda x: x, source())
    for taken in range(1, 20):
        next(stage)
        time.sleep(0.01)
        assert len(made) <= taken + DEPTH + 1
    stage.close()


@pytest.mark.parametrize("place", ["source", "first", "second"])
def test_an_error_comes_after_the_results_before_it(place):
    def failing(here):
        def work(x):
            if here == place and x == 5:
                raise KeyError(here)
            return x

        return work

    source = map(failing("source"), range(100))
    stages = ahead(failing("second"), ahead(failing("first"), source))
    taken = []
    with pytest.raises(KeyError, match=place):
        for x in stages:
            taken.append(x)
    assert taken == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wrap", [lambda source: ahead(str, ahead(str, source)), newest])
def test_closing_ends_the_source(wrap):
    ended = threading.Event()

    def source():
        try:
            yield from count()
        finally:
            ended.set()

    stages = wrap(source())
    next(stages)
    stages.close()
    assert ended.is_set()


def test_newest_skips_what_nobody_took():
    taken, delivered = threading.Event(), threading.Event()

    def source():
        yield 0
        taken.wait(10)
        yield from (1, 2, 3)
        delivered.set()

    items = newest(source())
    assert next(items) == 0
    taken.set()
    delivered.wait(10)
    assert list(items) == [3]


def test_newest_gives_the_last_item_before_the_error():
    def source():
        yield 0
        raise OSError("unplugged")

    items = newest(source())
    assert next(items) == 0
    with pytest.raises(OSError, match="unplugged"):
        next(items)
