"""Photos a second while training HumanSegMobile at 192x192, batch 8, beside the real PaddleX 1.3.11, in one run.

    python benchmarks/training_speed.py [PYTHON_WITH_PADDLEX]

PYTHON_WITH_PADDLEX is a Python 3.7 with paddlex 1.3.11 on paddlepaddle 1.8.5; without it, only our own rates are
printed. A rate is that of the second of two epochs: the time of two minus the time of one, so that start-up and
compilation are left out. The twin (tools/torch_twin) is measured where PyTorch is installed. All read the same made
photos from disk; ours also augment them.
"""

import importlib.util
import os
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


def ours(folder: Path, *command: str) -> float:
    """Photos a second of a training command; `command` is what stands before its flags."""
    flags = {"--data_dir": folder, "--train_list": folder / "list.txt", "--val_list": folder / "val.txt"}
    flags |= {"--save_dir": folder / "ours", "--batch_size": BATCH}
    arguments = [str(x) for pair in flags.items() for x in pair]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}

    def seconds(epochs: int) -> float:
        start = time.perf_counter()
        call = [sys.executable, *command, *arguments, "--num_epochs", str(epochs)]
        subprocess.run(call, cwd=ROOT, check=True, env=environment, capture_output=True)
        return time.perf_counter() - start

    return PHOTOS / (seconds(2) - seconds(1))


def paddlex(python: str, folder: Path) -> float:
    """Photos a second of PaddleX 1.3.11."""

    def seconds(epochs: int) -> float:
        script = ROOT / "benchmarks" / "paddlex_training.py"
        command = [python, script, folder, str(BATCH), str(epochs)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return float(output.split("seconds ")[-1])

    return PHOTOS / (seconds(2) - seconds(1))


def main() -> None:
    """Prints the rates and their ratios to PaddleX's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder)
        rates = {}
        if len(sys.argv) > 1:
            rates["PaddleX 1.3.11"] = paddlex(sys.argv[1], folder)
        os.environ["OMP_NUM_THREADS"] = "1"
        launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
        rates["one process"] = ours(folder, "train.py")
        rates["two processes"] = ours(folder, *launch, "--log_dir", str(folder / "log"), "train.py")
        if importlib.util.find_spec("torch"):
            rates["PyTorch twin"] = ours(folder, "tools/torch_twin/train.py")
    base = next(iter(rates.values()))
    for label, rate in rates.items():
        print(f"{label:16} {rate:6.1f} photos/s {rate / base:6.2f}")


if __name__ == "__main__":
    main()
