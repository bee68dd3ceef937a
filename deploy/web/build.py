"""Writes a page that replaces the background in a browser, as a folder for any web server.

    npm install --prefix deploy/web
    python deploy/web/build.py --model_dir output/quant_offline --save_dir output/web

The page reads how pictures become the network's input from what is written here, and has no such numbers of its own.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from human_segmentation.cli import Parser, exit_code
from human_segmentation.errors import ModelError
from human_segmentation.files import check_not_same, whole_folder
from human_segmentation.inference.engines import ONNX_FILE, model_files, openvino_core
from human_segmentation.inference.model_config import EXPORTED, ModelConfig
from human_segmentation.inference.predictor import load_model
from human_segmentation.shipped import default_model_dir
from human_segmentation.video.composite import FUSION_SIDE, FUSION_SIZES
from human_segmentation.video.look import SURE
from human_segmentation.video.refine import FRAME_EPSILON, GUIDE_RADIUS, GUIDE_SIDE, SOLID
from human_segmentation.video.temporal import CUT_SHARE, FLOW_MEMORY, LIKENESS, SAME

HERE = Path(__file__).resolve().parent
PAGE = HERE / "page"
BACKGROUND = HERE.parents[1] / "data" / "background.jpg"
RUNTIME = HERE / "node_modules" / "onnxruntime-web" / "dist"
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def rules(model_dir: Path) -> dict[str, object]:
    """What the page has to know of a model, the content of `model.json`.

    Raises:
        ModelError: The folder is not that of an exported model with `model.onnx`, or the page cannot give the model its
            input.
    """
    config = ModelConfig.read(model_dir)
    preprocess = config.preprocess
    if config.status not in EXPORTED or not model_files(model_dir, "onnxruntime"):
        raise ModelError(
            f"{model_dir}: a browser reads {ONNX_FILE}, which is not there; export the model with export.py"
        )
    if config.prior_channel or preprocess.sides is not None:
        kind = "with a prior channel" if config.prior_channel else "whose input has the size of the picture"
        raise ModelError(f"{model_dir}: the page cannot run a model {kind}; train or export another one")
    load_model(model_dir)  # which says what is wrong with a damaged one
    batch = openvino_core().read_model(model_dir / ONNX_FILE).inputs[0].get_partial_shape()[0]
    if batch.is_static and batch.get_length() != 1:
        raise ModelError(
            f"{model_dir}: the model takes {batch} pictures at a time; export it without --fixed_batch_size"
        )
    scale, offset = preprocess.factors
    return {
        "width": preprocess.width,
        "height": preprocess.height,
        "channels": [2, 1, 0] if preprocess.color == "BGR" else [0, 1, 2],
        "scale": scale.tolist(),
        "offset": offset.tolist(),
        "border": None if preprocess.padding is None else preprocess.border[::-1].tolist(),
        "centered": preprocess.centered,
        "coarsest_stride": preprocess.coarsest_stride,
        "sure": SURE,
        "steady": {"memory": FLOW_MEMORY, "likeness": LIKENESS, "same": SAME, "cut": CUT_SHARE},
        "matte": {
            "side": GUIDE_SIDE,
            "radius": GUIDE_RADIUS,
            "epsilon": FRAME_EPSILON,
            "solid": SOLID,
            # At the size of the guide, and odd.
            "widths": [size * GUIDE_SIDE // FUSION_SIDE | 1 for size in FUSION_SIZES],
        },
    }


def run(args: argparse.Namespace) -> int:
    """Writes the folder and prints its name."""
    missing = [name for name in RUNTIME_FILES if not (args.runtime / name).is_file()]
    if missing:
        raise ModelError(f"{args.runtime / missing[0]}: the file is missing; run: npm install --prefix {HERE}")
    content = rules(args.model_dir)
    for source in (args.model_dir, args.runtime, PAGE):
        check_not_same(source, args.save_dir)
    with whole_folder(args.save_dir) as folder:
        shutil.copytree(PAGE, folder, dirs_exist_ok=True)
        shutil.copy(BACKGROUND, folder)
        for name in RUNTIME_FILES:
            shutil.copy(args.runtime / name, folder)
        (folder / "model").mkdir()
        (folder / "model" / "model.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
        shutil.copy(args.model_dir / ONNX_FILE, folder / "model")
    print(args.save_dir)
    return 0


def main() -> int:
    """The command."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model_dir", type=Path, default=default_model_dir(), help="an exported model (default: the one that ships)"
    )
    parser.add_argument("--save_dir", type=Path, default=Path("output/web"), help="folder for the page")
    parser.add_argument("--runtime", type=Path, default=RUNTIME, help="ONNX Runtime's files for browsers")
    return exit_code(lambda: run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
