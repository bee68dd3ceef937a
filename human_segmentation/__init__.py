"""Takes people out of photographs and video and puts them somewhere else.

import cv2
import human_segmentation as hs

model = hs.load_model()
photo = cv2.imread("data/human_image.jpg")
alpha = model.alpha(photo)  # float32 [H, W] in [0, 1]
"""

from human_segmentation.errors import HumanSegError
from human_segmentation.inference.predictor import Predictor, load_model

__all__ = ["HumanSegError", "Predictor", "load_model"]
__version__ = "0.1.0"
