"""COCO: run lengths, polygons, and lists of them."""

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from conftest import ROOT
from conversion import convert, drawn, fails, labels, photo, write_json

from human_segmentation.datasets.converters.polygon import fill_polygon
from human_segmentation.datasets.converters.rle import decode_counts, decode_mask
from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import read_list


def encoded(counts):
    """Run lengths as COCO packs them, written from its description."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            low, value = value & 31, value >> 5
            done = value == (-1 if low & 16 else 0)
            text += chr(48 + low + (0 if done else 32))
            if done:
                break
    return text


def runs(mask):
    """Run lengths, column by column, pixel by pixel."""
    counts, current = [0], 0
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if bool(mask[y, x]) != current:
                counts.append(0)
                current = not current
            counts[-1] += 1
    return counts


def test_run_lengths_worked_by_hand():
    # 40 = 8 + 32: 8 with the sign that more follows is X, then 1. The fifth, 5, is 35 less than 40: -35 = -64 + 29 is
    # m, then -2 = N. The ninth is 16 more than the seventh: a lone 16 would be a minus, so ` and 0.
    assert decode_counts("61X13mN000`0") == [6, 1, 40, 4, 5, 4, 5, 4, 21]
    assert decode_counts("") == []
    mask = decode_mask([3, 2, 1], (2, 3))
    assert mask.astype(int).tolist() == [[0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_run_lengths_against_an_encoder(share):
    rng = np.random.default_rng(1)
    for _ in range(20):
        size = tuple(rng.integers(1, 60, 2))
        mask = rng.random(size) < share
        counts = runs(mask)
        assert decode_counts(encoded(counts)) == counts
        assert np.array_equal(decode_mask(counts, size), mask)


@pytest.mark.parametrize("text", ["6X", "\x7f\x7f", "6 1", "é"])
def test_run_lengths_that_are_none(text):
    with pytest.raises(ValueError, match=r"run lengths"):
        decode_counts(text)


@pytest.mark.parametrize("counts", [[5], [7], [], [-1, 7], [10**12]])
def test_run_lengths_of_another_size(counts):
    with pytest.raises(ValueError, match="add up"):
        decode_mask(counts, (2, 3))


def test_polygons_against_exact_arithmetic():
    """Corners between pixels, inside and outside, edges that cross: a pixel counts by its centre."""
    rng = np.random.default_rng(0)
    for corners in (3, 4, 7, 12):
        for _ in range(10):
            # Centres lie on halves, corners beside them: no centre lies on an edge that is upright or level.
            points = rng.integers(-128, 512, (corners, 2)) / 16 + 1 / 32
            exact = [(Fraction(x), Fraction(y)) for x, y in points.tolist()]
            half = Fraction(1, 2)
            expected = np.array([[_strictly_inside(exact, x + half, y + half) for x in range(20)] for y in range(14)])
            known = expected >= 0
            assert known.mean() > 0.9
            assert np.array_equal(fill_polygon(points, (14, 20))[known], expected[known] == 1)


def _strictly_inside(points, x, y):
    """1 inside, 0 outside, -1 on the outline, by the even-odd rule along a column."""
    inside = 0
    for (x0, y0), (x1, y1) in pairwise([*points, points[0]]):
        cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        if cross == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return -1
        if (x0 > x) != (x1 > x) and y < y0 + (x - x0) * (y1 - y0) / (x1 - x0):
            inside ^= 1
    return inside


def test_polygons_that_meet_share_no_pixel():
    """Two halves of a frame, cut along a slant, make it up exactly."""
    left = fill_polygon(np.array([(0, 0), (7.5, 0), (2.5, 10), (0, 10.0)]), (10, 12))
    right = fill_polygon(np.array([(7.5, 0), (12, 0), (12, 10), (2.5, 10.0)]), (10, 12))
    assert (left ^ right).all()


def rectangle(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def coco(folder, annotations, photos=("a.jpg", "b b.jpg", "c.jpg", "d.jpg", "e.jpg")):
    """An annotation file of photos of 8x6 pixels; `annotations` are photo number, category and so on."""
    for name in photos:
        photo(folder / "images" / name)
    return write_json(
        folder / "people.json",
        {
            "images": [{"id": i, "file_name": name, "width": 8, "height": 6} for i, name in enumerate(photos)],
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "cat"}],
            "annotations": [
                {"image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": crowd}
                for image, category, segmentation, crowd in annotations
            ],
        },
    )


def run_lengths(text, compressed=True):
    counts = runs(drawn(text))
    return {"counts": encoded(counts) if compressed else counts, "size": list(drawn(text).shape)}


def test_coco(tmp_path, capsys):
    crowd = "....#### " * 6
    path = coco(
        tmp_path,
        [
            (0, 1, [rectangle(1, 1, 4, 3), rectangle(3.4, 2.6, 5.6, 4.45)], 0),
            (0, 2, [rectangle(0, 0, 8, 6)], 0),
            (1, 1, [rectangle(3, 0, 5, 2)], 0),
            (1, 1, run_lengths(crowd, compressed=False), 1),  # it comes later and still does not hide the person
            (2, 1, run_lengths(crowd), 1),
            (3, 1, run_lengths("#....... " * 6), 0),
        ],
    )
    out = tmp_path / "out"
    assert convert("coco", path, tmp_path / "images", out) == 0
    assert (
        capsys.readouterr().out
        == f"{out / 'list.txt'}: 3 samples; 1 photos in which only crowds are marked are left out\n"
    )
    assert (out / "list.txt").read_text().splitlines() == [
        "../images/a.jpg masks/000000_a.png",
        "../images/b b.jpg\tmasks/000001_b b.png",
        "../images/d.jpg masks/000002_d.png",
    ]
    found = labels(out)
    first = np.zeros((6, 8), int)
    first[1:3, 1:4] = 1
    first[3, 3:5] = 0
    first[3:4, 3:6] = 1  # 3.4 to 5.6 has the centres 3.5, 4.5 and 5.5; 2.6 to 4.45 has 3.5
    assert found["a.jpg"].tolist() == first.tolist()
    second = np.zeros((6, 8), int)
    second[:, 4:] = 255
    second[:2, 3:5] = 1
    assert found["b b.jpg"].tolist() == second.tolist()
    assert found["d.jpg"].tolist() == [[1] + [0] * 7] * 6
    _, alpha, valid = read_sample(read_list(out / "list.txt", out)[1])
    assert (alpha == 255).sum() == 4
    assert (valid == 0).sum() == 6 * 4 - 2


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.25, 1), (0.5, 2), (1, 4)])
def test_coco_photos_without_people(tmp_path, capsys, share, expected):
    path = coco(tmp_path, [(0, 1, [rectangle(0, 0, 8, 6)], 0), (1, 2, [rectangle(0, 0, 8, 6)], 0)])
    assert convert("coco", path, tmp_path / "images", tmp_path / "out", "--empty", share) == 0
    assert f": {1 + expected} samples" in capsys.readouterr().out
    assert sum(mask is None for mask in labels(tmp_path / "out").values()) == expected


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ([], "no outline"),
        ([[0, 0, 1]], "ValueError"),
        ([[0, 0, 1, 1, float("inf"), 0]], "no numbers"),
        ({"counts": "6X", "size": [6, 8]}, "middle of a number"),
        ({"counts": [48], "size": [8, 6]}, "run lengths are for [8, 6] pixels"),
        ({"counts": [40], "size": [6, 8]}, "40 pixels"),
        ({"counts": [1.5, 46.5], "size": [6, 8]}, "Error"),
        ({"counts": None, "size": [6, 8]}, "TypeError"),
        ({}, "KeyError"),
        (7, "TypeError"),
    ],
)
def test_coco_annotations_that_cannot_be_drawn(tmp_path, capsys, segmentation, words):
    path = coco(tmp_path, [(0, 1, [rectangle(0, 0, 8, 6)], 0), (1, 1, segmentation, 0)])
    message = fails(capsys, tmp_path / "out", "coco", path, tmp_path / "images", tmp_path / "out")
    assert f"{path}: does not read as a COCO annotation of b b.jpg" in message
    assert words in message


def test_coco_files_that_are_missing_or_broken(tmp_path, capsys):
    images, out = tmp_path / "images", tmp_path / "out"
    path = tmp_path / "people.json"
    assert f"{path}: cannot be read" in fails(capsys, out, "coco", path, images, out)
    path.write_text("{")
    assert f"{path}: is no JSON" in fails(capsys, out, "coco", path, images, out)
    write_json(path, {"images": []})
    assert f"{path}: does not read as a COCO annotation file" in fails(capsys, out, "coco", path, images, out)
    coco(tmp_path, [(0, 2, [rectangle(0, 0, 8, 6)], 0)])
    assert f"{path}: marks no people" in fails(capsys, out, "coco", path, images, out)
    coco(tmp_path, [(0, 1, [rectangle(0, 0, 8, 6)], 0), (1, 1, [rectangle(0, 0, 8, 6)], 0)])
    assert "--empty takes a share" in fails(capsys, out, "coco", path, images, out, "--empty", 2)
    (images / "b b.jpg").unlink()
    assert "b b.jpg: the photo cannot be read" in fails(capsys, out, "coco", path, images, out)


def test_console_command(tmp_path):
    path = coco(tmp_path, [(0, 1, [rectangle(0, 0, 8, 6)], 0)])
    code = "import sys; from human_segmentation.cli import main; sys.exit(main())"
    arguments = ["convert", "coco", str(path), str(tmp_path / "images"), str(tmp_path / "out")]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert result.stdout == f"{tmp_path / 'out' / 'list.txt'}: 1 samples\n"
    assert result.stderr == ""
    assert labels(tmp_path / "out")["a.jpg"].tolist() == [[1] * 8] * 6
