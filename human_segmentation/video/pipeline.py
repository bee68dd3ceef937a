"""The one loop: source, predictor, temporal smoothing, composite, sink."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from tqdm import tqdm

from human_segmentation.inference.predictor import Predictor
from human_segmentation.video.background import Background
from human_segmentation.video.composite import composite, estimate_foreground, refine_alpha
from human_segmentation.video.frames import Source
from human_segmentation.video.sinks import Sink
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import FlowTracker


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        frames: Frames that were written.
        interrupted: Whether Ctrl-C or a request to terminate ended it.
    """

    frames: int
    interrupted: bool


def replace_background(
    source: Source, predictor: Predictor, tracker: FlowTracker | None, background: Background, sinks: list[Sink]
) -> Summary:
    """Puts the people of every frame in front of a background.

    Ctrl-C ends the loop after the frame at hand, so that the sinks are closed in order.

    Args:
        source: Where frames come from; it has been entered.
        predictor: Finds the people.
        tracker: Smooths the scores over time; None takes them as they are.
        background: What is put behind.
        sinks: Where composites go; they have been entered. The loop ends when one of them wants no more.

    Returns:
        What was done.
    """
    frames, score_of = 0, ScoreStream(predictor, tracker)
    with _stop_requests() as stop, tqdm(total=source.length, unit="frame", disable=None) as bar:
        for frame in source:
            alpha = refine_alpha(frame.image, score_of(frame.image))
            foreground = estimate_foreground(frame.image, alpha)
            image = composite(foreground, background(frame, alpha), alpha)
            wanted = [sink.write(image, frame.pts) for sink in sinks]
            frames += 1
            bar.update()
            if stop.is_set() or not all(wanted):
                break
    return Summary(frames, stop.is_set())


@contextlib.contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of cutting the loop in the middle of a frame."""
    stop = threading.Event()

    def request(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
