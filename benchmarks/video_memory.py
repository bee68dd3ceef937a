"""Memory that bg_replace.py takes over a long video.

    python benchmarks/video_memory.py [FRAMES]

The clip is data/video_test.mp4, again and again (default 10,000 frames). The whole loop runs on it; what the process
holds is read every 500 frames, and the growth after the first 500 is printed at the end.
"""

import argparse
import multiprocessing
import resource
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import human_segmentation as hs
from human_segmentation.video.background import image_file
from human_segmentation.video.frames import Source
from human_segmentation.video.memory import keep_freed_memory
from human_segmentation.video.pictures import on
from human_segmentation.video.pipeline import run_pipeline
from human_segmentation.video.sinks import Sink
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import FlowTracker
from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource

DATA = Path(__file__).resolve().parents[1] / "data"
STEP = 500


def held() -> float:
    """MiB that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


class MemoryLog(Sink):
    """Notes what the process holds at every `STEP` frames."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[float] = []

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`."""
        self.count += 1
        if self.count % STEP == 0:
            self.rows.append(held())
            print(f"{self.count:6} frames  {self.rows[-1]:7.1f} MiB", flush=True)
        return True


def make_clip(path: Path, frames: int) -> None:
    """Writes the test clip again and again."""
    with VideoSource(DATA / "video_test.mp4") as source:
        images = [frame.image for frame in source]
    clip = Source()
    clip.rate = Fraction(25)
    with VideoSink(path, clip) as sink:
        for index in range(frames):
            sink.write(images[index % len(images)], index * 40)


def main() -> None:
    """Prints what is held, and by how much it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=int, nargs="?", default=10_000)
    frames = parser.parse_args().frames
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        clip, output = (Path(folder) / name for name in ("clip.mp4", "out.mp4"))
        # In another process, whose memory does not count.
        maker = multiprocessing.Process(target=make_clip, args=(clip, frames))
        maker.start()
        maker.join()
        look_at = ScoreStream(hs.load_model(threads=1), FlowTracker())
        log = MemoryLog()
        with VideoSource(clip) as source, VideoSink(output, source) as sink:
            run_pipeline(source, look_at, on(image_file(DATA / "background.jpg")), [sink, log])
    print(f"growth after the first {STEP} frames: {max(log.rows) - log.rows[0]:.1f} MiB")


if __name__ == "__main__":
    main()
