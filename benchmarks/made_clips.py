"""Clips whose true alpha is known: cut-outs of people that move in front of moving backgrounds.

Each person sways, turns, leans nearer and waves (a warp that grows towards one side of the body); exposure lasts half a
frame, so that fast parts blur. After `CUT` frames another person stands in another place; after `EXIT` they walk out of
the frame. Noise and JPEG compression differ from frame to frame, as a webcam's do.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 640, 360, 25
FRAMES, CUT, EXIT = 120, 60, 96
SUBFRAMES = 4
SHUTTER = 0.5
NOISE, JPEG_QUALITY = 3.0, 75
ZOOM = (0.9, 2.0)
"""Heights of people in heights of the frame: from the whole person to head and shoulders."""


class Actor:
    """One person, of a height between those of `zoom`, in front of one background; movement is drawn from `rng`."""

    def __init__(self, cutout: Path, background: Path, rng: np.random.Generator, zoom: tuple[float, float]) -> None:
        rgba = cv2.imread(str(cutout), cv2.IMREAD_UNCHANGED).astype(np.float32) / 255
        self.alpha = rgba[..., 3]
        self.premultiplied = rgba[..., :3] * self.alpha[..., None]
        scene = cv2.imread(str(background), cv2.IMREAD_COLOR).astype(np.float32) / 255
        enlarged = 1.2 * max(WIDTH / scene.shape[1], HEIGHT / scene.shape[0])
        self.scene = cv2.resize(scene, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_AREA)
        self.zoom = rng.uniform(*zoom) * HEIGHT / self.alpha.shape[0]
        self.center = rng.uniform(0.35, 0.65) * WIDTH
        self.phases = rng.uniform(0, 2 * np.pi, 5)
        self.periods = rng.uniform([2.5, 3, 4, 0.6, 8], [5, 6, 8, 1.2, 12])  # seconds: sway, turn, lean, wave, camera
        self.sides = rng.choice([-1.0, 1.0], 2)

    def draw(self, seconds: float, gone: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The picture, float32 [H, W, 3], and its true alpha, float32 [H, W], in [0, 1].

        Args:
            seconds: Time since the clip began.
            gone: How far the person has walked out, 0 to 1.
        """
        sway, turn, lean, wave, camera = np.sin(2 * np.pi * seconds / self.periods + self.phases)
        height, width = self.alpha.shape
        scale = self.zoom * (1 + 0.08 * lean)
        x = self.center + 40 * sway + self.sides[0] * gone * WIDTH
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 5 * turn, scale)
        matrix[:, 2] += (x - width / 2, 0.08 * HEIGHT - height / 2 + scale * height / 2)
        alpha = cv2.warpAffine(self.alpha, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        color = cv2.warpAffine(self.premultiplied, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        # One arm's side swings up and down.
        columns = np.arange(WIDTH, dtype=np.float32)
        reach = np.clip(self.sides[1] * (columns - x) / (0.35 * width * scale), 0, 1) ** 2
        grid_y = np.arange(HEIGHT, dtype=np.float32)[:, None] + 22 * np.float32(wave) * reach
        grid_x = np.broadcast_to(columns, (HEIGHT, WIDTH))
        grid_y = np.ascontiguousarray(grid_y, np.float32)
        alpha = np.clip(cv2.remap(alpha, grid_x, grid_y, cv2.INTER_LINEAR), 0, 1)
        color = np.clip(cv2.remap(color, grid_x, grid_y, cv2.INTER_LINEAR), 0, 1)
        room = [(self.scene.shape[i] - side) / 2 for i, side in enumerate((HEIGHT, WIDTH))]
        center = (self.scene.shape[1] / 2 + camera * (room[1] - 1), self.scene.shape[0] / 2)
        return color + (1 - alpha[..., None]) * cv2.getRectSubPix(self.scene, (WIDTH, HEIGHT), center), alpha


def make_clip(
    cutouts: list[Path], backgrounds: list[Path], seed: int, zoom: tuple[float, float] = ZOOM
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Yields the frames of a clip, uint8 [360, 640, 3] BGR, and their true alphas, float32 [360, 640] in [0, 1]."""
    rng = np.random.default_rng(seed)
    people = rng.choice(len(cutouts), 2, replace=False)
    places = rng.choice(len(backgrounds), 2, replace=False)
    actors = [Actor(cutouts[i], backgrounds[j], rng, zoom) for i, j in zip(people, places, strict=True)]
    for index in range(FRAMES):
        actor = actors[index >= CUT]
        parts = []
        for step in range(SUBFRAMES):
            frame = index + SHUTTER * step / SUBFRAMES
            parts.append(actor.draw(frame / FPS, max(0.0, (frame - EXIT) / (FRAMES - 6 - EXIT))))
        image, alpha = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
        noisy = np.clip(255 * image + rng.normal(0, NOISE, image.shape), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        yield np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), alpha.astype(np.float32)
