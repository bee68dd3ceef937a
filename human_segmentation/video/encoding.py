"""How videos are written: the encoder of each container, and its settings."""

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
from av.codec.codec import UnknownCodecError

from human_segmentation.errors import OutputError

CONTAINERS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}
"""Types of video files, and the encoder of each."""
TRANSPARENT = {".webm": ("libvpx-vp9", "yuva420p"), ".mov": ("prores_aw", "yuva444p10le")}
"""Those that can hold transparency, and the encoder and the pixels that do."""
ENCODERS = {
    "libx264": {"preset": "veryfast", "crf": "20"},
    "libx265": {"preset": "veryfast", "crf": "24", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
    "prores_aw": {},
}
"""Encoders that make sense here, and their settings; of the other ones in FFmpeg none is known.

AV1 is not among them: for root, libsvtav1 turns the whole process into a real-time one that starves all others.
"""
X264_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
LARGEST_CRF = 51
AVX512 = 256
"""OpenCV's number for what x264 takes for AVX-512, which has no name in Python."""


@dataclass(frozen=True)
class Encoding:
    """An encoder and its settings.

    Attributes:
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixels that it is given.
        options: Its options in FFmpeg.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]

    def options_at(self, width: int) -> dict[str, str]:
        """The options for pictures of a width, with which two runs give the same bytes.

        With AVX-512, x264 looks at memory behind the last of its blocks in a row, unless their number is a multiple of
        8, and what happens to be there changes the quality. AVX2, which is a tenth slower, does not.
        """
        if self.codec == "libx264" and -(-width // 16) % 8 and cv2.checkHardwareSupport(AVX512):
            return self.options | {"x264-params": "asm=AVX2"}
        return self.options


def choose_encoding(
    path: Path, transparent: bool = False, codec: str | None = None, crf: int | None = None, preset: str | None = None
) -> Encoding:
    """Finds out how a video is to be encoded.

    Args:
        path: The file; its suffix names the container.
        transparent: Whether transparency is to be kept; the suffix must be one of `TRANSPARENT`.
        codec: FFmpeg's name of an encoder; None takes the container's own.
        crf: Quality, lower is better; None takes the default.
        preset: Speed for size, by one of the encoder's names; None takes the default.

    Returns:
        The encoding.

    Raises:
        OutputError: The suffix, the encoder or a setting does not exist.
    """
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise OutputError(
            f"{path}: videos of the type '{path.suffix}' cannot be written; use .mp4, .mov, .mkv, .webm, or numbered "
            "photos such as frames/%05d.png"
        )
    encoder = _encoder(codec or (TRANSPARENT[suffix][0] if transparent else CONTAINERS[suffix]))
    formats = [known.name for known in encoder.video_formats or ()]
    if not transparent:
        pixel_format = "yuv420p" if "yuv420p" in formats else next(iter(formats), "yuv420p")
    elif encoder.name == TRANSPARENT[suffix][0]:
        pixel_format = TRANSPARENT[suffix][1]
    else:
        raise OutputError(
            f"--codec {codec}: transparency in '{suffix}' is written by {TRANSPARENT[suffix][0]}; leave --codec out"
        )
    options = dict(ENCODERS.get(encoder.name, {}))
    for name, value in (("crf", crf), ("preset", preset)):
        if value is not None and name not in options:
            raise OutputError(f"--{name} {value}: the encoder {encoder.name} has no such setting; leave it out")
        if value is not None:
            options[name] = str(value)
    # x264 would take any number, and treat those outside as the nearest one.
    if encoder.name == "libx264" and not 0 <= int(options["crf"]) <= LARGEST_CRF:
        raise OutputError(f"--crf {crf}: libx264 takes numbers from 0 to {LARGEST_CRF}; 20 is usual")
    # x264 itself complains on the screen.
    if encoder.name in ("libx264", "libx265") and options["preset"] not in X264_PRESETS:
        raise OutputError(f"--preset {preset}: {encoder.name} has no such preset; use one of {', '.join(X264_PRESETS)}")
    return Encoding(encoder.name, pixel_format, options)


def _encoder(name: str) -> av.Codec:
    try:
        codec = av.Codec(name, "w")
    except UnknownCodecError:
        codec = None
    if codec is None or codec.type != "video":
        there = ", ".join(other for other in ENCODERS if other in av.codecs_available)
        raise OutputError(f"--codec {name}: FFmpeg has no such video encoder here; there are {there}")
    return codec
