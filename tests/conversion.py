"""What the tests of all conversions use."""

import json

import cv2
import numpy as np

from human_segmentation.cli import run_command
from human_segmentation.datasets.list_file import read_list


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(image, np.uint8))
    return path


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def photo(path, width=8, height=6):
    return write(path, np.full((height, width, 3), 90))


def convert(*args):
    return run_command("convert", [str(arg) for arg in args])


def labels(target, name="list.txt"):
    """Photos of a list by name, each with its mask as it is stored."""
    return {
        sample.image.name: None if sample.label is None else cv2.imread(str(sample.label), cv2.IMREAD_UNCHANGED)
        for sample in read_list(target / name, target)
    }


def fails(capsys, target, *args):
    """Runs a conversion that must fail; its one sentence, after a look at what it left."""
    before = sorted(target.parent.rglob("*"))
    assert convert(*args) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1, errors
    assert sorted(target.parent.rglob("*")) == before
    return errors


def drawn(text):
    """A mask from a drawing: a # is 255."""
    return np.array([[255 * (pixel == "#") for pixel in row] for row in text.split()], np.uint8)
