"""Makes the samples that ship: human_image.jpg, background.jpg and video_test.mp4.

The person is NASA's portrait of Eileen Collins (public domain), which scikit-image ships as data/astronaut.png;
everything else is drawn here. Run from anywhere: python data/make_samples.py (needs scikit-image).
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage

FOLDER = Path(__file__).resolve().parent
FPS = 25
SECONDS = 4
SIZE = (640, 360)
SAMPLE_RATE = 44100

# The outline of the person and her helmet, in pixels of the portrait.
OUTLINE = (
    "22,512 25,450 27,410 23,380 30,340 37,305 46,272 62,242 88,224 112,210 115,190 122,183 128,165 140,155 155,150 "
    "183,148 181,132 172,122 160,112 154,95 153,72 162,52 180,42 190,32 205,21 235,15 255,18 275,28 290,45 300,70 "
    "300,95 293,115 280,130 270,137 262,150 256,172 270,183 290,205 301,230 305,235 325,250 342,275 353,305 358,330 "
    "364,348 385,343 405,343 435,352 465,375 485,405 497,450 507,470 510,512"
)


def portrait() -> np.ndarray:
    """The photo, uint8 [512, 512, 3] BGR."""
    return cv2.imread(str(Path(skimage.__file__).parent / "data" / "astronaut.png"))


def landscape(width: int, height: int, seed: int) -> np.ndarray:
    """An evening by the mountains, uint8 [height, width, 3] BGR."""
    rng = np.random.default_rng(seed)
    y = np.linspace(0, 1, height)[:, None, None]
    sky = (1 - y) * np.array([140, 80, 50]) + y * np.array([120, 190, 250])
    image = np.broadcast_to(sky, (height, width, 3)).copy()
    clouds = sum(
        cv2.resize(rng.random((2**k + 2, 2 ** (k + 1) + 2)), (width, height), interpolation=cv2.INTER_CUBIC) / 2**k
        for k in range(2, 7)
    )
    clouds = np.clip((clouds - clouds.mean()) / clouds.std(), 0, 2)[..., None] * (1 - y) * 30
    image += clouds
    x = np.linspace(0, 1, width)
    for ridge, color in enumerate([(110, 100, 110), (80, 75, 70), (45, 55, 40)]):
        line = 0.5 + 0.14 * ridge
        for octave in range(1, 40):
            wave = np.sin(2 * np.pi * (octave * x * 0.7 + rng.random()))
            line = line + rng.normal() * wave * 0.07 / octave**1.3
        below = np.arange(height)[:, None] > line * height
        image[below] = color
    image += rng.normal(0, 3, image.shape)
    return np.clip(cv2.GaussianBlur(image, (3, 3), 0), 0, 255).astype(np.uint8)


def clip_frame(index: int, person: np.ndarray, alpha: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """One frame: the scene slides by, a ball crosses it, the person sways in front."""
    width, height = SIZE
    t = index / FPS
    left = round((scene.shape[1] - width) * index / (FPS * SECONDS))
    frame = scene[:, left : left + width].copy()
    ball = (round(width * (0.1 + 0.25 * t)), round(height * (0.35 + 0.2 * np.sin(3 * t))))
    cv2.circle(frame, ball, 26, (60, 200, 240), -1, cv2.LINE_AA)
    scale = height / person.shape[0] * (0.92 + 0.05 * np.sin(1.7 * t))
    angle = np.deg2rad(3 * np.sin(2.2 * t))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The middle of the person's lower edge stays on the lower edge of the frame.
    foot = np.array([width * (0.5 + 0.12 * np.sin(1.3 * t)), height + 6.0])
    matrix = np.column_stack([turn, foot - turn @ (person.shape[1] / 2, person.shape[0])])
    share = cv2.warpAffine(alpha, matrix, SIZE)
    moved = cv2.warpAffine(person, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE)
    return cv2.blendLinear(moved, frame, share, 1 - share)


def melody() -> np.ndarray:
    """A quiet broken chord, float32 [1, samples]."""
    notes = [261.6, 329.6, 392.0, 523.3] * 2
    beat = np.arange(SAMPLE_RATE * SECONDS // len(notes)) / SAMPLE_RATE
    tones = [0.2 * np.sin(2 * np.pi * note * beat) * np.exp(-4 * beat) for note in notes]
    return np.concatenate(tones).astype(np.float32)[None]


def write_clip(path: Path) -> None:
    """Writes the clip with its sound."""
    person = portrait()
    alpha = np.zeros(person.shape[:2], np.float32)
    points = np.array([[int(v) for v in point.split(",")] for point in OUTLINE.split()])
    cv2.fillPoly(alpha, [points], 1.0, cv2.LINE_AA)
    # A little inside the outline, so that nothing of the studio comes along.
    alpha = cv2.GaussianBlur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (5, 5), 0)
    scene = landscape(2 * SIZE[0], SIZE[1], seed=7)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "slow"})
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        sound = av.AudioFrame.from_ndarray(melody(), format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        for index in range(FPS * SECONDS):
            image = clip_frame(index, person, alpha, scene)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(video.encode(None))
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    cv2.imwrite(str(FOLDER / "human_image.jpg"), portrait(), [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(FOLDER / "background.jpg"), landscape(1280, 720, seed=3), [cv2.IMWRITE_JPEG_QUALITY, 90])
    write_clip(FOLDER / "video_test.mp4")
