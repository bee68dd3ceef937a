"""The usual loop around MediaPipe Selfie with OpenCV's reader and writer; run by video_speed.py.

python mediapipe_video.py BACKGROUND OUTPUT VIDEO
"""

import sys

import cv2
import mediapipe
import numpy as np


def main(background, output, video):
    reader = cv2.VideoCapture(video)
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(output, cv2.VideoWriter_fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), size)
    room = cv2.resize(cv2.imread(background), size)
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=1) as model:
        there, frame = reader.read()
        while there:
            mask = model.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).segmentation_mask
            writer.write(np.where(mask[..., None] > 0.1, frame, room))
            there, frame = reader.read()
    writer.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
