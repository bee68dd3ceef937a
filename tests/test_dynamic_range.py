"""HDR videos keep the colours that they show, within what BT.709 has."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from human_segmentation.video.video_source import VideoSource

SIZE = 32
BT2020, BT2020_MATRIX, PQ, HLG = 9, 9, 16, 18
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Linear BT.709 to linear BT.2020 (ITU-R BT.2087)."""
COLORS = {"red": (0.25, 0.03, 0.03), "green": (0.03, 0.2, 0.03), "blue": (0.04, 0.05, 0.3), "skin": (0.2, 0.1, 0.07)}
"""Linear BT.709 light, where 1 is as bright as HLG can be."""


def hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The signal of linear light (ITU-R BT.2100)."""
    bright = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), bright)


def pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The signal of linear light of which 1 is 1000 cd/m² (ITU-R BT.2100)."""
    power = (light / 10) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def write_hdr(path: Path, lights: list[tuple[float, ...]], transfer: int) -> Path:
    """A video with a plain picture of each linear BT.709 light, in 10-bit BT.2020."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p10le"
        codec = stream.codec_context
        codec.color_trc, codec.color_primaries, codec.colorspace, codec.color_range = transfer, BT2020, BT2020_MATRIX, 1
        for number, light in enumerate(lights):
            red, green, blue = (hlg if transfer == HLG else pq)(TO_2020 @ light)
            luma = 0.2627 * red + 0.6780 * green + 0.0593 * blue
            values = 64 + 876 * luma, 512 + 896 * (blue - luma) / 1.8814, 512 + 896 * (red - luma) / 1.4746
            frame = av.VideoFrame(SIZE, SIZE, stream.pix_fmt)
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(np.full(plane.buffer_size // 2, round(value), np.uint16).tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(path: Path) -> list[NDArray[np.float64]]:
    """The linear RGB light that a BT.709 screen makes of each picture."""
    with VideoSource(path) as source:
        pixels = [frame.image.mean((0, 1))[::-1] for frame in source]
    assert source.notes() == []
    return [(pixel / 255) ** 2.4 for pixel in pixels]


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_colors_are_those_of_the_source(tmp_path: Path, transfer: int) -> None:
    greys = [(level,) * 3 for level in (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)]
    lights = shown(write_hdr(tmp_path / "a.mkv", [*COLORS.values(), *greys], transfer))
    for light, color in zip(lights, COLORS.values(), strict=False):
        assert light / light.sum() == pytest.approx(np.array(color) / sum(color), abs=0.06)
    assert all(np.ptp(light) < 0.02 for light in lights[len(COLORS) :])
    brightness = [light[1] for light in lights[len(COLORS) :]]
    assert brightness[0] == 0
    assert all(a + 0.005 < b for a, b in pairwise(brightness))
    assert brightness[-1] > 0.6
