"""Takes people out of photographs and video and puts them somewhere else.

import cv2
import human_segmentation as hs

model = hs.load_model()
photo = cv2.imread("data/human_image.jpg")
alpha = model.alpha(photo)  # float32 [H, W] in [0, 1]
"""

import sys

from human_segmentation.errors import HumanSegError
from human_segmentation.inference.predictor import Predictor, load_model

__all__ = ["HumanSegError", "Predictor", "load_model"]
__version__ = "0.1.0"

# Through this package OpenVINO would report to Google that it is used; without it, it does not.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
