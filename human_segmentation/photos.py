"""Reading and writing photos: the one place that decodes and encodes them."""

import io
import os
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from human_segmentation.errors import DataError, OutputError
from human_segmentation.files import whole_file

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Types of photos that hold any colours at any size."""
JPEG_QUALITY = 95
# In a JPEG's scan, FF 00 stands for the byte FF and FF D0 to FF D7 are restarts; any other FF XX is a marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_END = b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG\r\n", b"IEND"
_SRGB = ImageCms.createProfile("sRGB")

# OpenCV's own words about a damaged photo or a missing camera name no file and help nobody.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def is_photo(path: Path) -> bool:
    """Whether a file looks like a photo that can be read."""
    # As text, OpenCV crashes at names that are no Unicode.
    return cv2.haveImageReader(os.fsencode(path))  # type: ignore[arg-type]


def has_writer(name: str) -> bool:
    """Whether a photo of this name can be written."""
    return cv2.haveImageWriter(os.fsencode(name))  # type: ignore[arg-type]


def read_photo(path: Path, flags: int = cv2.IMREAD_COLOR_BGR) -> NDArray[np.uint8]:
    """Reads a photo of any kind: grey, with alpha, 16-bit, CMYK; turned upright as its EXIF data say, in sRGB.

    Args:
        path: The file.
        flags: What OpenCV is to decode to; the default is 8-bit colour.

    Returns:
        uint8 [H, W, 3], BGR (or [H, W] where `flags` say grey).

    Raises:
        DataError: The file is missing, empty, truncated or no photo.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the photo cannot be read ({error.strerror}); give the path of a photo") from error
    if not data:
        raise DataError(f"{path}: the file is empty; give a photo")
    if _cut_short(data):
        raise DataError(f"{path}: the photo is truncated; copy it again")
    try:
        image, kinds, metadata = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # broken headers, sizes beyond OpenCV's limit
        image = None
    if image is None:
        raise DataError(f"{path}: the file is damaged or no photo that can be decoded; give a JPEG, PNG or WebP")
    profile = dict(zip(kinds, metadata, strict=True)).get(cv2.IMAGE_METADATA_ICCP)
    if profile is None or image.ndim == 2 or image.dtype != np.uint8:
        return image
    return _to_srgb(image, profile.tobytes())


def _to_srgb(image: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Converts colours that an ICC profile describes, such as Display P3 of phones; grey and CMYK are sRGB already."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != "RGB " or "sRGB" in ImageCms.getProfileDescription(source):
            return image
        rgb = Image.fromarray(np.ascontiguousarray(image[..., 2::-1]))
        ImageCms.profileToProfile(rgb, source, _SRGB, inPlace=True)
    except (OSError, ImageCms.PyCMSError):  # a damaged profile
        return image
    return np.dstack([np.asarray(rgb)[..., ::-1], image[..., 3:]])


def _cut_short(data: bytes) -> bool:
    """Whether a JPEG or a PNG has no end marker; OpenCV would fill the rest with grey, or libpng print what it thinks.

    Segments are stepped over by their lengths: the thumbnail in the EXIF segment has an end marker of its own, and what
    phones append to a photo (a clip, a depth map) may hold any bytes.
    """
    if data.startswith(_PNG):
        return _PNG_END not in data
    if not data.startswith(b"\xff\xd8"):
        return False
    position = 2
    while (marker := _MARKER.search(data, position)) is not None:
        if marker[0] == _END:
            return False
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return True


def write_photo(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes a photo in the format of its suffix; it appears whole or not at all.

    Args:
        path: The file, with a suffix that OpenCV can encode.
        image: uint8 [H, W, 3] BGR, [H, W, 4] BGRA where the format has transparency, or [H, W] grey.

    Raises:
        OutputError: The format is unknown, does not take pictures of this size, or the file cannot be written.
    """
    if not has_writer(f"photo{path.suffix}"):
        raise OutputError(f"{path}: photos of the type '{path.suffix}' cannot be written; use .jpg, .png or .webp")
    try:
        done, data = cv2.imencode(path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error:
        done = False
    if not done:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise OutputError(f"{path}: a photo of {size} pixels cannot be written as '{path.suffix}'; use .png")
    with whole_file(path) as partial:
        partial.write_bytes(data.tobytes())
