"""Runs a `.nb` file on Paddle Lite's runtime, in a Python 3.7 that has paddlelite and nothing else, not even numpy.

`lite_run.py` alone prints the runtime's version. `lite_run.py MODEL N,C,H,W FILE ...` reads float32 inputs and writes
FILE.labels, int64, and FILE.scores, float32.
"""

from __future__ import annotations

import array
import sys
from pathlib import Path

import paddlelite.lite as lite


def run(model: str, shape: list[int], files: list[str]) -> None:
    """Runs the model on each file."""
    config = lite.MobileConfig()
    config.set_model_from_file(model)
    predictor = lite.create_paddle_predictor(config)
    for file in files:
        image = predictor.get_input(0)
        image.resize(shape)
        image.set_float_data(array.array("f", Path(file).read_bytes()).tolist())
        predictor.run()
        labels, scores = predictor.get_output(0), predictor.get_output(1)
        # Without numpy there is no way to an int64 but as two int32.
        labels.resize([*labels.shape(), 2])
        Path(file + ".labels").write_bytes(array.array("i", labels.int32_data()).tobytes())
        Path(file + ".scores").write_bytes(array.array("f", scores.float_data()).tobytes())


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(lite.Opt().version())
    else:
        run(sys.argv[1], [int(size) for size in sys.argv[2].split(",")], sys.argv[3:])
