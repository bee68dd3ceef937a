"""Runs an exported model in PaddleX 3; it needs PaddleX and nothing else of this project.

    python deploy/paddlex/predict.py --model_dir output/paddlex3 --image_path data/human_image.jpg --save_dir output

`load` is what a program of one's own takes over.
"""

import argparse
from pathlib import Path

import yaml
from paddlex import create_model
from paddlex.inference.models.bindings import register_predictor_binding_map
from paddlex.inference.models.predictors import BasePredictor
from paddlex.inference.models.semantic_segmentation import SegPredictor

register_predictor_binding_map(SegPredictor, {"paddle_static": ["HumanSegMobile", "HumanSegServer", "PortraitNet"]})


def load(model_dir: Path) -> BasePredictor:
    """A segmentation model of PaddleX from a folder that `export.py --format paddlex3` wrote."""
    name = yaml.safe_load((model_dir / "inference.yml").read_text())["Global"]["model_name"]
    # PaddleX's choice on a CPU is oneDNN, which stops with an error in graphs of paddle 3.
    return create_model(name, model_dir=str(model_dir), engine_config={"run_mode": "paddle"})


def main() -> None:
    """Writes the classes of a photo as a picture in PaddleX's colours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_dir", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--image_path", type=Path, required=True, help="photo, or folder of photos")
    parser.add_argument("--save_dir", type=Path, default=Path("output"), help="folder for the results")
    args = parser.parse_args()
    for result in load(args.model_dir).predict(str(args.image_path)):
        result.save_to_img(str(args.save_dir))


if __name__ == "__main__":
    main()
