"""Photos a second while training HumanSegMobile at 192x192, batch 8, beside the real PaddleX 1.3.11, in one run.

    python benchmarks/training_speed.py [PYTHON_WITH_PADDLEX]

PYTHON_WITH_PADDLEX is a Python 3.7 with paddlex 1.3.11 on paddlepaddle 1.8.5; without it, only our own rates are
printed. The twin (tools/torch_twin) is measured where PyTorch is installed. All read the same made photos from disk;
ours also augment them. Without PaddleX, ratios are to one process of `train.py`.
"""

import argparse
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PHOTOS, BATCH = 240, 8


def make_photos(folder: Path) -> None:
    """Writes made photos of 384x288 pixels with masks, and their list."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(PHOTOS):
        photo = cv2.resize(rng.integers(0, 256, (18, 24, 3), dtype=np.uint8), (384, 288), interpolation=cv2.INTER_CUBIC)
        mask = np.zeros((288, 384), np.uint8)
        cv2.ellipse(mask, (192, 200), (80, 140), 0, 0, 360, 1, -1)
        cv2.imwrite(str(folder / f"{i}.jpg"), photo)
        cv2.imwrite(str(folder / f"{i}.png"), mask)
        rows.append(f"{i}.jpg {i}.png\n")
    (folder / "list.txt").write_text("".join(rows))
    (folder / "val.txt").write_text(rows[0])


def second_epoch(command: list[str], arguments: list[str]) -> tuple[float, float]:
    """Photos a second of a training command, and how many cores it keeps busy.

    The number of epochs is added as its last argument. The first epoch, start-up and compilation are left out: the
    figures are the difference of two runs.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    costs = []
    for epochs in ("1", "2"):
        start = time.perf_counter(), processor_seconds()
        subprocess.run([*command, *arguments, epochs], cwd=ROOT, check=True, env=environment, capture_output=True)
        costs.append((time.perf_counter() - start[0], processor_seconds() - start[1]))
    seconds, processor = np.subtract(costs[1], costs[0])
    return PHOTOS / seconds, processor / seconds


def processor_seconds() -> float:
    """What all processes that were started and are over have cost."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints the rates, their ratios to PaddleX's, and how many cores were busy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paddlex", nargs="?", metavar="PYTHON_WITH_PADDLEX")
    paddlex = parser.parse_args().paddlex
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder)
        flags = {"--data_dir": folder, "--train_list": folder / "list.txt", "--val_list": folder / "val.txt"}
        flags |= {"--save_dir": folder / "ours", "--batch_size": BATCH}
        arguments = [*(str(x) for pair in flags.items() for x in pair), "--num_epochs"]
        if paddlex is not None:
            script = ROOT / "benchmarks" / "paddlex_training.py"
            results["PaddleX 1.3.11"] = second_epoch([paddlex, str(script)], [name, str(BATCH)])
        os.environ["OMP_NUM_THREADS"] = "1"
        launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
        results["one process"] = second_epoch([sys.executable, "train.py"], arguments)
        launch += ["--log_dir", str(folder / "log"), "train.py"]
        results["two processes"] = second_epoch([sys.executable, *launch], arguments)
        if importlib.util.find_spec("torch"):
            results["PyTorch twin"] = second_epoch([sys.executable, "tools/torch_twin/train.py"], arguments)
    base = next(iter(results.values()))[0]
    for label, (rate, busy) in results.items():
        print(f"{label:16} {rate:6.1f} photos/s {rate / base:6.2f} {busy:6.2f} cores busy")


if __name__ == "__main__":
    main()
