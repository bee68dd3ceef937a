"""`lite` (deploy/lite/convert.py): converts an exported model for Paddle Lite and PaddleX's Android demo."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of opt that matter here, and where Paddle Lite is."""
    from human_segmentation.export.lite import TARGETS

    parser.add_argument("--model_dir", type=Path, required=True, help="folder of an exported model")
    parser.add_argument(
        "--valid_targets", nargs="+", choices=TARGETS, default=["arm"], help="a .nb file for each (default arm)"
    )
    parser.add_argument("--save_dir", type=Path, default=Path("output/lite"), help="folder for the result")
    parser.add_argument(
        "--python", type=Path, help="Python 3.7 with paddlelite; default: the one of the paddle_lite_opt on PATH"
    )
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="more photos to compare with Paddle on")


def run(args: argparse.Namespace) -> int:
    """Converts and prints sizes, and how far Paddle Lite is from Paddle."""
    from human_segmentation.export.lite import RUN, convert
    from human_segmentation.export.lite_tools import find_paddle_lite
    from human_segmentation.photos import read_photo

    tools = find_paddle_lite(args.python)
    photos = [read_photo(path) for path in args.photos]
    report = convert(args.model_dir, args.valid_targets, args.save_dir, tools, photos)
    found = report.parity
    print(f"{'.nb':4} {'MB':>6} {'largest':>8} {'mean':>8} {'IoU':>7}")
    for target, size in report.sizes.items():
        measured = "   not run: that takes a phone"
        if target == RUN:
            measured = (
                f" {found.largest:8.1e} {found.mean:8.1e} {found.iou:7.5f}   difference from Paddle on "
                f"{1 + len(photos)} photo{'s' * bool(photos)}; an IoU of {report.least_iou} is asked for"
            )
        print(f"{target:4} {size / 1e6:6.2f}{measured}")
    if report.quantized:
        print(f"INT8 weights have 7 bits for {RUN}, whose kernels overflow with the 8 bits that they have for arm")
    if report.stretched:
        print(
            "the demo stretches photos, whose aspect the model keeps: masks of photos that are no squares will be worse"
        )
    print(args.save_dir)
    return 0
