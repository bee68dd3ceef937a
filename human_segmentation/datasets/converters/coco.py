"""COCO's people: polygons, and run lengths for crowds."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from human_segmentation.datasets.converters.annotations import expecting, read_json
from human_segmentation.datasets.converters.polygon import fill_polygon
from human_segmentation.datasets.converters.rle import decode_counts, decode_mask
from human_segmentation.datasets.converters.sample_folder import Written, sample_folder
from human_segmentation.datasets.dataset import IGNORED
from human_segmentation.errors import DataError

PERSON = 1


def convert_coco(annotations: Path, images: Path, target: Path, empty: float = 0.0) -> list[Written]:
    """Writes masks of 0, 1 (person) and 255 (crowd, to be ignored), and list.txt.

    Photos in which only crowds are marked are left out: nothing in them says what a person is.

    Args:
        annotations: The annotations, such as instances_train2017.json.
        images: The folder of the photos.
        target: The folder to write.
        empty: Which share of the photos without people is listed too, from 0 to 1.

    Raises:
        DataError: A file is missing or broken, there are no people, or `empty` is out of range.
        OutputError: The folder cannot be written.
    """
    if not 0 <= empty <= 1:
        raise DataError(f"--empty takes a share from 0 to 1, not {empty}")
    content = read_json(annotations)
    people: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    with expecting(annotations, "COCO annotation file"):
        kinds = {entry["id"] for entry in content["categories"] if entry["name"] == "person"}
        for entry in content["annotations"]:
            if entry["category_id"] in kinds:
                people[entry["image_id"]].append(entry)
        photos = [(images / photo["file_name"], photo) for photo in content["images"]]
        without = [path for path, photo in photos if photo["id"] not in people]
    listed = {path for i, path in enumerate(without) if int((i + 1) * empty) > int(i * empty)}
    left_out = 0
    with sample_folder(target) as folder:
        for path, photo in tqdm(photos, desc="coco", disable=None):
            if path in listed:
                folder.add(path, None)
            elif photo["id"] in people:
                with expecting(annotations, f"COCO annotation of {photo['file_name']}"):
                    mask = _mask(people[photo["id"]], (int(photo["height"]), int(photo["width"])))
                if PERSON in mask:
                    folder.add(path, mask)
                else:
                    left_out += 1
        samples = len(folder.rows.get("list.txt", ()))
        if not samples:
            raise DataError(f"{annotations}: marks no people; give annotations with the category 'person'")
    note = f"{left_out} photos in which only crowds are marked are left out" if left_out else ""
    return [Written(target / "list.txt", samples, note)]


def _mask(entries: list[dict[str, Any]], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The classes of a photo, uint8 [H, W]; a person in front of a crowd counts as a person."""
    mask = np.zeros(size, np.uint8)
    for entry in sorted(entries, key=lambda entry: not entry.get("iscrowd", 0)):
        mask[_area(entry["segmentation"], size)] = IGNORED if entry.get("iscrowd", 0) else PERSON
    return mask


def _area(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of one annotation, bool [H, W]."""
    if isinstance(segmentation, list):
        if not segmentation:
            raise ValueError("a person has no outline")
        rings = [np.array(ring, float).reshape(-1, 2) for ring in segmentation]
        if not all(np.isfinite(ring).all() for ring in rings):
            raise ValueError("an outline has corners that are no numbers")
        return np.logical_or.reduce([fill_polygon(ring, size) for ring in rings])
    if tuple(segmentation["size"]) != size:
        raise ValueError(f"run lengths are for {segmentation['size']} pixels and the photo has {list(size)}")
    counts = segmentation["counts"]
    return decode_mask(decode_counts(counts) if isinstance(counts, str) else counts, size)
