"""Frame rate of bg_replace.py beside decoding and encoding alone and beside other tools, in one run.

    python benchmarks/video_speed.py [WIDTHxHEIGHT] [--paddlex PYTHON EXAMPLE MODEL] [--mediapipe PYTHON]

The clip is data/video_test.mp4, enlarged and repeated to 300 frames. EXAMPLE is examples/human_segmentation of PaddleX
release 1.3, whose bg_replace.py runs with MODEL, a folder that PaddleX 1.3 exported, under PYTHON, a Python 3.7 with
paddlex 1.3.11. The other PYTHON has mediapipe; it runs mediapipe_video.py. Rates are from the first to the last frame:
of the other tools, the time of the clip less that of its first third. The best of three rounds counts. Behind the
rates stands what each stage of ours takes of one thread.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

import human_segmentation as hs
from human_segmentation.video.background import image_file
from human_segmentation.video.frames import Source
from human_segmentation.video.memory import keep_freed_memory
from human_segmentation.video.pictures import on
from human_segmentation.video.pipeline import run_pipeline
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import FlowTracker
from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource

DATA = Path(__file__).resolve().parents[1] / "data"
BACKGROUND = DATA / "background.jpg"
REPEATS, ROUNDS = 3, 3
THREADS = 1


def make_clip(path: Path, size: tuple[int, int], repeats: int) -> None:
    """Writes the test clip at another size, several times over."""
    with VideoSource(DATA / "video_test.mp4") as source:
        frames = [cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC) for frame in source]
    with VideoSink(path, Source()) as sink:
        for index, image in enumerate(frames * repeats):
            sink.write(image, index * 40)


def pass_through(clip: Path, output: Path) -> float:
    """Frames per second of decoding and encoding."""
    start, count = time.perf_counter(), 0
    with VideoSource(clip) as source, VideoSink(output, source) as sink:
        for frame in source:
            sink.write(frame.image, frame.pts)
            count += 1
    return count / (time.perf_counter() - start)


def ready_stream(clip: Path, threads: int) -> ScoreStream:
    """The shipped model's scores; the network is compiled for the clip, which the first frame brings about."""
    look_at = ScoreStream(hs.load_model(threads=threads), FlowTracker())
    with VideoSource(clip) as source:
        look_at(next(iter(source)).image)
    look_at.reset()
    return look_at


def replaced(clip: Path, output: Path) -> float:
    """Frames per second of the whole loop."""
    look_at = ready_stream(clip, THREADS)
    start = time.perf_counter()
    with VideoSource(clip) as source, VideoSink(output, source) as sink:
        count = run_pipeline(source, look_at, on(image_file(BACKGROUND)), [sink]).frames
    return count / (time.perf_counter() - start)


def shares(clip: Path, output: Path) -> dict[str, float]:
    """Milliseconds of one thread that each stage takes for a frame, one after the other."""
    look_at, picture = ready_stream(clip, 1), on(image_file(BACKGROUND))
    spent = dict.fromkeys(("decode", "predict", "refine", "composite", "encode"), 0.0)
    count = 0
    with VideoSource(clip) as source, VideoSink(output, source) as sink:
        frames = iter(source)
        while True:
            times = [time.thread_time()]
            frame = next(frames, None)
            if frame is None:
                break
            times.append(time.thread_time())
            look = look_at(frame.image)
            times.append(time.thread_time())
            alpha = look.alpha(frame.image)
            times.append(time.thread_time())
            image = picture(frame, alpha)
            times.append(time.thread_time())
            sink.write(image, frame.pts)
            times.append(time.thread_time())
            for name, before, after in zip(spent, times, times[1:], strict=False):
                spent[name] += after - before
            count += 1
    return {name: 1000 * seconds / count for name, seconds in spent.items()}


def other(clips: tuple[Path, Path], frames: int, command: Callable[[Path], list[str]], folder: Path | None) -> float:
    """Frames per second of a command, from a clip and a shorter one that has `frames` less."""
    seconds = []
    for clip in clips:
        start = time.perf_counter()
        subprocess.run(command(clip), cwd=folder, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return frames / (seconds[0] - seconds[1])


def main() -> None:
    """Prints rates and their ratio to that of decoding and encoding alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", default="960x540")
    parser.add_argument("--paddlex", nargs=3, metavar=("PYTHON", "EXAMPLE", "MODEL"))
    parser.add_argument("--mediapipe", metavar="PYTHON")
    args = parser.parse_args()
    keep_freed_memory()
    cv2.setNumThreads(THREADS)  # as the command does on two cores
    width, height = (int(side) for side in args.size.split("x"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clip, short, output = (folder / name for name in ("clip.mp4", "short.mp4", "out.mp4"))
        make_clip(clip, (width, height), REPEATS)
        make_clip(short, (width, height), 1)
        tools = {"pass-through": lambda: pass_through(clip, output), "bg_replace": lambda: replaced(clip, output)}
        difference = 100 * (REPEATS - 1)
        if args.paddlex is not None:
            python, example, model = args.paddlex
            flags = ["--model_dir", str(Path(model).absolute()), "--background_image_path", str(BACKGROUND)]
            old = [python, "bg_replace.py", *flags, "--save_dir", temporary, "--video_path"]
            tools["PaddleX 1.3"] = lambda: other((clip, short), difference, lambda x: [*old, str(x)], Path(example))
        if args.mediapipe is not None:
            script = str(Path(__file__).with_name("mediapipe_video.py"))
            loop = [args.mediapipe, script, str(BACKGROUND), str(output)]
            tools["MediaPipe"] = lambda: other((clip, short), difference, lambda x: [*loop, str(x)], None)
        rates = dict.fromkeys(tools, 0.0)
        for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine touches all of them
            for name, rate in tools.items():
                rates[name] = max(rates[name], rate())
        for name, rate in rates.items():
            print(f"{args.size} {name:12} {rate:6.1f} fps  {rate / rates['pass-through']:.2f}")
        print("ms of one thread:", ", ".join(f"{name} {ms:.1f}" for name, ms in shares(clip, output).items()))


if __name__ == "__main__":
    main()
