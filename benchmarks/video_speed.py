"""Frame rate of bg_replace.py beside that of decoding and encoding alone, in one run.

    python benchmarks/video_speed.py [WIDTHxHEIGHT]

The clip is data/video_test.mp4, enlarged and repeated to 300 frames. Both rates are of whole processes without their
start: the time from the first to the last frame.
"""

import sys
import tempfile
import time
from pathlib import Path

import cv2

import human_segmentation as hs
from human_segmentation.video.background import image_file
from human_segmentation.video.frames import Source, VideoSource
from human_segmentation.video.pictures import on
from human_segmentation.video.pipeline import run_pipeline
from human_segmentation.video.sinks import VideoSink
from human_segmentation.video.temporal import FlowTracker

DATA = Path(__file__).resolve().parents[1] / "data"
REPEATS = 3


def make_clip(path: Path, size: tuple[int, int]) -> None:
    """Writes the test clip at another size, three times over."""
    silent = Source()
    with VideoSource(DATA / "video_test.mp4") as source:
        frames = [cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC) for frame in source]
    with VideoSink(path, silent) as sink:
        for index, image in enumerate(frames * REPEATS):
            sink.write(image, index * 40)


def pass_through(clip: Path, output: Path) -> float:
    """Frames per second of decoding and encoding."""
    start, count = time.perf_counter(), 0
    with VideoSource(clip) as source, VideoSink(output, source) as sink:
        for frame in source:
            sink.write(frame.image, frame.pts)
            count += 1
    return count / (time.perf_counter() - start)


def replaced(clip: Path, output: Path) -> float:
    """Frames per second of the whole loop."""
    model = hs.load_model()
    background = image_file(DATA / "background.jpg")
    start = time.perf_counter()
    with VideoSource(clip) as source, VideoSink(output, source) as sink:
        count = run_pipeline(source, model, FlowTracker(), on(background), [sink]).frames
    return count / (time.perf_counter() - start)


def main() -> None:
    """Prints both rates and their ratio, best of three."""
    width, height = (int(v) for v in (sys.argv[1] if len(sys.argv) > 1 else "960x540").split("x"))
    with tempfile.TemporaryDirectory() as folder:
        clip, output = Path(folder) / "clip.mp4", Path(folder) / "out.mp4"
        make_clip(clip, (width, height))
        plain, whole = 0.0, 0.0
        for _ in range(3):
            plain = max(plain, pass_through(clip, output))
            whole = max(whole, replaced(clip, output))
    print(f"{width}x{height}: pass-through {plain:.1f} fps, bg_replace {whole:.1f} fps, ratio {whole / plain:.2f}")


if __name__ == "__main__":
    main()
