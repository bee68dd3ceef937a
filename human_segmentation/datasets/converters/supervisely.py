"""Supervisely projects: `meta.json`, and data sets of photos in `img` with one JSON file each in `ann`."""

import base64
import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from human_segmentation.datasets.converters.annotations import expecting, read_json
from human_segmentation.datasets.converters.overlap import overlap
from human_segmentation.datasets.converters.sample_folder import Written, sample_folder
from human_segmentation.errors import DataError

PERSON = 255


def convert_supervisely(source: Path, target: Path, classes: Sequence[str] = ()) -> list[Written]:
    """Writes a mask for every annotated photo of a project, and list.txt.

    Args:
        source: The project's folder.
        target: The folder to write.
        classes: Titles of the classes that are people; none: those that begin with "person".

    Raises:
        DataError: A file is missing or broken, or a person has a geometry that is no area.
        OutputError: The folder cannot be written.
    """
    people = _people(source / "meta.json", classes)
    annotations = sorted(path for folder in source.rglob("ann") for path in folder.glob("*.json"))
    if not annotations:
        raise DataError(f"{source}: holds no ann/*.json; give the folder of a Supervisely project")
    photos = _photos({path.parent.parent / "img" for path in annotations})
    with sample_folder(target) as folder:
        for path in tqdm(annotations, desc="supervisely", disable=None):
            # x.jpg.json belongs to x.jpg, as does x.json.
            found = photos.get(path.parent.parent / "img" / path.stem, [])
            if len(found) != 1:
                raise DataError(f"{path}: has {len(found)} photos in ../img that it could describe; give exactly one")
            folder.add(found[0], _mask(path, people))
    return [Written(target / "list.txt", len(annotations))]


def _people(path: Path, classes: Sequence[str]) -> set[str]:
    """The classes that are people, all of which the project knows."""
    meta = read_json(path)
    with expecting(path, "Supervisely meta.json"):
        titles = [entry["title"] for entry in meta["classes"]]
        people = set(classes) or {title for title in titles if title.lower().startswith("person")}
    if not people or not people <= set(titles):
        wanted = ", ".join(sorted(people - set(titles))) or "person..."
        raise DataError(f"{path}: has no class {wanted}; choose --classes among {', '.join(titles)}")
    return people


def _photos(folders: set[Path]) -> dict[Path, list[Path]]:
    """The photos that a name with or without its suffix can mean; a whole name means one photo."""
    files = [path for folder in folders for path in folder.glob("*")]
    photos: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        photos[path.with_suffix("")].append(path)
    return {**photos, **{path: [path] for path in files}}


def _mask(path: Path, people: set[str]) -> NDArray[np.uint8]:
    """The people of one annotation, uint8 [H, W]; a hole in one person shows whoever is behind."""
    annotation = read_json(path)
    with expecting(path, "Supervisely annotation"):
        size = (int(annotation["size"]["height"]), int(annotation["size"]["width"]))
        mask = np.zeros(size, np.uint8)
        for entry in annotation["objects"]:
            if entry["classTitle"] not in people:
                continue
            geometry = _geometry(entry)
            if geometry == "polygon":
                mask |= _polygon(entry["points"], size)
            elif geometry == "bitmap":
                mask |= _bitmap(entry["bitmap"], size)
            else:
                raise DataError(
                    f"{path}: a '{entry['classTitle']}' has the geometry '{geometry}'; convert it to a polygon or a "
                    "bitmap in Supervisely, or leave its class out of --classes"
                )
        return mask


def _geometry(entry: dict[str, Any]) -> str:
    """The kind of an object; old projects tell it only by what is there."""
    if "geometryType" in entry:
        return str(entry["geometryType"])
    return "bitmap" if entry.get("bitmap") else "polygon"


def _polygon(points: dict[str, Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A polygon with its holes; corners are pixels, and those on the outline belong to what is filled."""
    rings = [np.rint(np.array(ring, float).reshape(-1, 2)) for ring in (points["exterior"], *points["interior"])]
    if not all(len(ring) and np.abs(ring).max() < 2**15 for ring in rings):
        raise ValueError("a polygon has no corners, or corners far outside of the photo")
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [rings[0].astype(np.int32)], PERSON)
    for hole in rings[1:]:
        cv2.fillPoly(mask, [hole.astype(np.int32)], 0)
    return mask


def _bitmap(bitmap: dict[str, Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A PNG in zlib in base64, put at its origin; its alpha is the mask, or what is not black."""
    left, top = map(int, bitmap["origin"])
    data = zlib.decompress(base64.b64decode(bitmap["data"], validate=True))
    try:
        patch = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # nothing at all, sizes beyond OpenCV's limit
        patch = None
    if patch is None:
        raise ValueError("a bitmap is no PNG")
    channels = patch.reshape(*patch.shape[:2], -1)
    person = channels[..., 3] > 0 if channels.shape[2] == 4 else channels.any(axis=2)
    mask = np.zeros(size, np.uint8)
    there, here = overlap(size, person.shape, left, top)
    mask[there][person[here]] = PERSON
    return mask
