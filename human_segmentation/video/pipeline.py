"""The one loop: source, predictor, temporal smoothing, picture, sink."""

import contextlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from human_segmentation.video.frames import Frame, Source
from human_segmentation.video.look import CloserLook, Look
from human_segmentation.video.pictures import Picture
from human_segmentation.video.sinks import Sink
from human_segmentation.video.stages import ahead, newest
from human_segmentation.video.stream import ScoreStream


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        frames: Frames that were written.
        interrupted: Whether Ctrl-C or a request to terminate ended it.
    """

    frames: int
    interrupted: bool


def run_pipeline(
    source: Source,
    look_at: ScoreStream | CloserLook,
    picture: Picture,
    sinks: list[Sink],
    stop: threading.Event | None = None,
) -> Summary:
    """Takes the people out of every frame and makes a picture of them.

    Decoding, prediction, compositing and encoding run at the same time, each in a thread of its own; only for a live
    source they follow one another, and frames that come in the meantime are dropped, so that nothing lags behind.

    Args:
        source: Where frames come from; it has been entered.
        look_at: Finds the people.
        picture: What a frame and its alpha become.
        sinks: Where pictures go; they have been entered. The loop ends when one of them wants no more.
        stop: Ends the loop after the frame at hand when it is set, see `stop.stop_requests`; None: nothing does.

    Returns:
        What was done.
    """

    def scored(frame: Frame) -> tuple[Frame, Look]:
        return frame, look_at(frame.image)

    def composed(pair: tuple[Frame, Look]) -> tuple[NDArray[np.uint8], int]:
        frame, look = pair
        return picture(frame, look.alpha(frame.image)), frame.pts

    if source.live:
        pictures = (composed(scored(frame)) for frame in newest(source))
    else:
        pictures = ahead(composed, ahead(scored, ahead(lambda frame: frame, source)))
    stop = stop or threading.Event()
    frames = 0
    with (
        contextlib.closing(pictures),
        # A photo needs no bar, and below the bar of many files this one does not stay.
        tqdm(total=source.length, unit="frame", leave=None, disable=source.length == 1 or None) as bar,
        contextlib.ExitStack() as ending,
    ):
        ending.callback(source.cancel)  # closing the stages waits for the source
        for image, pts in pictures:
            wanted = [sink.write(image, pts) for sink in sinks]
            frames += 1
            bar.update()
            if stop.is_set() or not all(wanted):
                break
        else:
            for sink in sinks if not stop.is_set() else ():
                sink.complete()
    return Summary(frames, stop.is_set())
