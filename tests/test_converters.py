import base64
import json
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
from conftest import ROOT

from human_segmentation.cli import run_command
from human_segmentation.datasets.converters.composite import compose
from human_segmentation.datasets.converters.overlap import overlap
from human_segmentation.datasets.converters.polygon import fill_polygon
from human_segmentation.datasets.converters.rle import decode_counts, decode_mask
from human_segmentation.datasets.dataset import read_sample
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


# Supervisely


def coded(png):
    return base64.b64encode(zlib.compress(png)).decode()


def grey_png(mask):
    return cv2.imencode(".png", mask)[1].tobytes()


def rgba_png(mask):
    """White everywhere; the alpha alone tells."""
    return cv2.imencode(".png", np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask]))[1].tobytes()


def palette_png(mask):
    """One bit a pixel, black and transparent or white: what Supervisely itself writes."""
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(mask > 0, axis=1))
    header = struct.pack(">IIBBBBB", mask.shape[1], mask.shape[0], 1, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", b"\0\0\0\xff\xff\xff"), (b"tRNS", b"\0"), (b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*chunks, (b"IEND", b"")]
    )


def polygon(exterior, *holes, title="person_poly"):
    return {"classTitle": title, "geometryType": "polygon", "points": {"exterior": exterior, "interior": list(holes)}}


def bitmap(png, left, top, title="person_bmp"):
    return {"classTitle": title, "geometryType": "bitmap", "bitmap": {"origin": [left, top], "data": coded(png)}}


def project(root, annotations, classes=("person_poly", "Person_bmp", "person_bmp", "neutral")):
    """A project of one data set; `annotations` are the objects of each annotation file, all of photos of 8x6 pixels."""
    write_json(root / "meta.json", {"classes": [{"title": title} for title in classes], "tags": []})
    for name, objects in annotations.items():
        write_json(root / "ds1" / "ann" / name, {"size": {"width": 8, "height": 6}, "objects": objects})
    return root


def in_closed_polygon(points, x, y):
    """Exactly, whether a point lies inside a polygon or on its outline."""
    inside = False
    for (x0, y0), (x1, y1) in pairwise([*points, points[0]]):
        cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        if cross == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return True
        if (y0 > y) != (y1 > y) and x < x0 + Fraction(y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


def test_supervisely_draws_every_kind_of_object(tmp_path, capsys):
    patch = drawn("##. .#. #..")
    root = project(
        tmp_path / "my project",
        {
            "a.png.json": [polygon([[1, 1], [6, 1], [6, 4], [1, 4]], [[3, 2], [4, 2], [4, 3], [3, 3]])],
            "b b.png.json": [bitmap(palette_png(patch), 2, 1), polygon([[0, 0], [7, 5], [0, 5]], title="neutral")],
            "c.json": [bitmap(grey_png(patch), -1, -1, title="Person_bmp"), bitmap(rgba_png(patch), 7, 4)],
            "d.json": [],
        },
    )
    for name in ("a.png", "b b.png", "c.jpg", "d.png"):
        photo(root / "ds1" / "img" / name)
    assert convert("supervisely", root, tmp_path / "out") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'list.txt'}: 4 samples\n"
    found = labels(tmp_path / "out")
    expected = {
        "a.png": drawn("........ .######. .##..##. .##..##. .######. ........"),
        "b b.png": drawn("........ ..##.... ...#.... ..#..... ........ ........"),
        "c.jpg": drawn("#....... ........ ........ ........ .......# ........"),
        "d.png": drawn("........ " * 6),
    }
    assert list(found) == list(expected)
    for name, mask in expected.items():
        assert found[name].tolist() == mask.tolist(), name
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["list.txt", "masks"]


def test_supervisely_polygons_against_exact_arithmetic(tmp_path):
    """Outlines along rows, columns and diagonals, where nobody can argue which pixels they meet."""
    diamond = [(4, 0), (8, 4), (4, 8), (0, 4)]
    arrow = [(12, 1), (19, 8), (15, 8), (15, 14), (9, 14), (9, 8), (5, 8)]
    hole = [(12, 4), (15, 7), (12, 10), (9, 7)]
    root = tmp_path / "p"
    write_json(root / "meta.json", {"classes": [{"title": "person"}]})
    objects = [polygon(arrow, hole, title="person"), polygon([(x + 0.3, y - 0.2) for x, y in diamond], title="person")]
    write_json(root / "ds" / "ann" / "x.json", {"size": {"width": 20, "height": 16}, "objects": objects})
    photo(root / "ds" / "img" / "x.png", 20, 16)
    assert convert("supervisely", root, tmp_path / "out") == 0
    expected = [
        [
            255
            * (
                (in_closed_polygon(arrow, x, y) and not in_closed_polygon(hole, x, y))
                or in_closed_polygon(diamond, x, y)
            )
            for x in range(20)
        ]
        for y in range(16)
    ]
    assert labels(tmp_path / "out")["x.png"].tolist() == expected


def test_supervisely_hole_shows_the_person_behind(tmp_path):
    root = project(
        tmp_path / "p",
        {
            "a.json": [
                polygon([[0, 0], [3, 0], [3, 5], [0, 5]]),
                polygon([[1, 1], [7, 1], [7, 4], [1, 4]], [[2, 2], [6, 2], [6, 3], [2, 3]]),
            ]
        },
    )
    photo(root / "ds1" / "img" / "a.png")
    assert convert("supervisely", root, tmp_path / "out") == 0
    expected = drawn("####.... ######## ####...# ####...# ######## ####....")
    assert labels(tmp_path / "out")["a.png"].tolist() == expected.tolist()


def test_supervisely_classes_and_old_annotations(tmp_path, capsys):
    """Old projects name no geometry."""
    old_polygon = {"classTitle": "human", "bitmap": None, "points": {"exterior": [[0, 0], [7, 0]], "interior": []}}
    old_bitmap = {
        "classTitle": "person_bmp",
        "bitmap": {"origin": [0, 5], "data": coded(grey_png(drawn("##")))},
        "points": {"exterior": [], "interior": []},
    }
    root = project(tmp_path / "p", {"a.json": [old_polygon, old_bitmap]}, ["human", "person_bmp", "persona"])
    photo(root / "ds1" / "img" / "a.png")
    rows = ["########", "........", "........", "........", "........", "##......"]
    for classes, used in ([[], [5]], [["--classes", "human"], [0]], [["--classes", "human", "person_bmp"], [0, 5]]):
        assert convert("supervisely", root, tmp_path / "out", *classes) == 0
        expected = drawn(" ".join(row if i in used else "." * 8 for i, row in enumerate(rows)))
        assert labels(tmp_path / "out")["a.png"].tolist() == expected.tolist()
    capsys.readouterr()
    message = fails(capsys, tmp_path / "out", "supervisely", root, tmp_path / "out", "--classes", "human", "cat")
    assert "meta.json: has no class cat; choose --classes among human, person_bmp, persona" in message


SQUARE = [[0, 0], [3, 0], [3, 3]]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([polygon(SQUARE) | {"geometryType": "rectangle"}], "a 'person_poly' has the geometry 'rectangle'"),
        ([{"classTitle": "person_poly", "geometryType": "polygon"}], "KeyError: 'points'"),
        ([polygon([[1, 2, 3]])], "ValueError"),
        ([polygon([])], "no corners"),
        ([polygon([[0, 0], [float("nan"), 1], [1, 1]])], "far outside"),
        ([polygon([[0, 0], [1e9, 1], [1, 1]])], "far outside"),
        ([bitmap(b"no picture", 0, 0)], "no PNG"),
        ([bitmap(b"", 0, 0)], "no PNG"),
        ([bitmap(grey_png(drawn("#")), float("inf"), 0)], "OverflowError"),
        ([bitmap(grey_png(drawn("#")), 0, 0) | {"bitmap": {"origin": [0, 0], "data": "AAAA"}}], "error"),
        ([bitmap(grey_png(drawn("#")), 0, 0) | {"bitmap": {"origin": [0, 0], "data": "!"}}], "Error"),
        (None, "TypeError"),
        ("text", "TypeError"),
    ],
)
def test_supervisely_objects_that_cannot_be_drawn(tmp_path, capsys, objects, words):
    root = project(tmp_path / "p", {"a.png.json": [polygon(SQUARE)], "b.png.json": objects})
    photo(root / "ds1" / "img" / "a.png")
    photo(root / "ds1" / "img" / "b.png")
    message = fails(capsys, tmp_path / "out", "supervisely", root, tmp_path / "out")
    assert f"{root / 'ds1' / 'ann' / 'b.png.json'}: " in message
    assert words in message


def test_supervisely_files_that_are_missing_or_broken(tmp_path, capsys):
    root, out = tmp_path / "p", tmp_path / "out"
    assert f"{root / 'meta.json'}: cannot be read" in fails(capsys, out, "supervisely", root, out)
    project(root, {}, ["cat"])
    assert "meta.json: has no class person" in fails(capsys, out, "supervisely", root, out)
    project(root, {})
    assert f"{root}: holds no ann/*.json" in fails(capsys, out, "supervisely", root, out)
    project(root, {"a.json": []})
    assert "a.json: has 0 photos" in fails(capsys, out, "supervisely", root, out)
    photo(root / "ds1" / "img" / "a.png", width=9)
    assert "a.png: the photo has 9x6 pixels and its annotation 8x6" in fails(capsys, out, "supervisely", root, out)
    (root / "ds1" / "img" / "a.png").write_bytes(b"x")
    assert "a.png: the file is damaged" in fails(capsys, out, "supervisely", root, out)
    photo(root / "ds1" / "img" / "a.jpg")
    assert "a.json: has 2 photos" in fails(capsys, out, "supervisely", root, out)
    for content in (b"{", b"\xff", b"[" * 100_000, b"[]"):
        (root / "meta.json").write_bytes(content)
        assert "meta.json: " in fails(capsys, out, "supervisely", root, out)


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    root = project(tmp_path / "p", {"a.json": []})
    photo(root / "ds1" / "img" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    assert "holds other files, such as mine" in fails(capsys, tmp_path / "out", "supervisely", root, tmp_path / "out")


# EG1800


@pytest.fixture
def eg1800(tmp_path):
    root = tmp_path / "EG1800"
    label = np.zeros((6, 8), np.uint8)
    label[1, 1:4] = 1, 2, 255
    for name in ("1", "2", "3"):
        photo(root / "Images" / f"{name}.jpg")
        write(root / "Labels" / f"{name}.png", label)
    blue = np.zeros((6, 8, 3), np.uint8)
    blue[5, 7, 0] = 1  # too little to show in grey
    write(root / "Labels" / "3.png", blue)
    (root / "eg1800_train.txt").write_bytes(b"1.png\r\ngone.png\r\n2.png\r\n\r\nlost.png\r\n")
    (root / "eg1800_test.txt").write_text("3.png\n")
    return root


@pytest.mark.parametrize("names", [("Images", "Labels"), ("image", "mask")])
def test_eg1800(tmp_path, eg1800, capsys, names):
    (eg1800 / "Images").rename(eg1800 / names[0])
    (eg1800 / "Labels").rename(eg1800 / names[1])
    out = tmp_path / "out"
    assert convert("eg1800", eg1800, out) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out / 'train.txt'}: 2 samples; 2 of 4 portraits are missing and left out",
        f"{out / 'val.txt'}: 1 samples",
    ]
    train, val = labels(out, "train.txt"), labels(out, "val.txt")
    assert list(train) == ["1.jpg", "2.jpg"]
    for mask in train.values():
        assert mask.tolist() == drawn("........ .###.... ........ ........ ........ ........").tolist()
    assert val["3.jpg"].tolist() == drawn("........ " * 5 + ".......#").tolist()


def test_eg1800_files_that_are_missing_or_broken(tmp_path, eg1800, capsys):
    out = tmp_path / "out"
    (eg1800 / "Labels" / "2.png").rename(tmp_path / "2.png")
    assert "2.jpg: has no label" in fails(capsys, out, "eg1800", eg1800, out)
    write(eg1800 / "Labels" / "2.png", np.zeros((6, 9)))
    assert "2.jpg: the photo has 8x6 pixels and its annotation 9x6" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "Labels" / "2.png").write_bytes(b"")
    assert "2.png: the file is empty" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "eg1800_train.txt").write_text("gone.png\n")
    assert "eg1800_train.txt: none of its 1 portraits is there" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "eg1800_train.txt").unlink()
    assert "eg1800_train.txt: the list cannot be read" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "Labels").rename(eg1800 / "labels of mine")
    assert f"{eg1800}: has no folder Labels or mask" in fails(capsys, out, "eg1800", eg1800, out)


# COCO


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


# Composites


def test_overlap_against_every_pixel():
    frame, patch = (5, 7), (3, 4)
    for top in range(-4, 7):
        for left in range(-5, 9):
            there, here = overlap(frame, patch, left, top)
            canvas = np.full(frame, -1)
            canvas[there] = np.arange(12).reshape(patch)[here]
            for y in range(5):
                for x in range(7):
                    v, u = y - top, x - left
                    assert canvas[y, x] == (4 * v + u if 0 <= v < 3 and 0 <= u < 4 else -1)


def cutout(width=40, height=60):
    """A red person with a soft edge; where it is transparent, it is green."""
    alpha = np.zeros((height, width), np.uint8)
    cv2.ellipse(alpha, (width // 2, height // 2), (width // 3, height // 2 - 4), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (9, 9), 0)
    color = np.where(alpha[..., None] > 0, np.uint8([0, 0, 255]), np.uint8([0, 255, 0]))
    return np.dstack([color, alpha])


@pytest.mark.parametrize("people", [1, 2])
def test_a_composite_is_the_mix_that_its_alpha_says(people):
    """A red person before blue: red and blue must be what alpha says in every pixel, and there is no green."""
    rng = np.random.default_rng(3)
    scene = np.full((50, 90, 3), (255, 0, 0), np.uint8)
    shares = []
    for _ in range(30):
        image, alpha = compose([cutout()] * people, scene, (48, 32), rng)
        assert image.shape == (32, 48, 3)
        assert alpha.shape == (32, 48)
        assert image.dtype == alpha.dtype == np.uint8
        assert not image[..., 1].any()
        assert np.abs(image[..., 2].astype(int) - alpha).max() <= 1
        assert np.abs(image[..., 0].astype(int) - (255 - alpha.astype(int))).max() <= 1
        assert alpha.max() > 200
        assert not (alpha == 1).any()
        shares.append((alpha > 128).mean())
    assert max(shares) > 2 * min(shares)


@pytest.mark.parametrize(("width", "height"), [(60, 200), (200, 60), (48, 32), (20, 20)])
def test_a_background_covers_the_frame_unstretched(width, height):
    """A scene whose colours count its columns and rows is magnified alike in both directions."""
    scene = np.full((height, width, 3), 255, np.uint8)
    scene[..., 0] = np.arange(width)
    scene[..., 1] = np.arange(height)[:, None]
    nobody = np.full((1, 1, 4), 1, np.uint8)  # one pixel, next to transparent
    lefts = set()
    for seed in range(10):
        image, _ = compose([nobody], scene, (48, 32), np.random.default_rng(seed))
        x, y = image[5, 5:-5, 0].astype(int), image[5:-5, 5, 1].astype(int)
        assert abs(x[-1] - x[0]) / 37 == pytest.approx((y[-1] - y[0]) / 21, abs=0.1)
        assert (image[..., 2] >= 253).all()
        lefts.add(x[0])
    assert len(lefts) > 3


def test_a_background_of_one_pixel():
    image, _ = compose([cutout()], np.full((1, 1, 3), (255, 0, 0), np.uint8), (48, 32), np.random.default_rng(0))
    assert image.shape == (32, 48, 3)


def test_composites_are_drawn_from_their_seed(tmp_path, capsys):
    write(tmp_path / "people" / "one.png", cutout())
    write(tmp_path / "people" / "two.PNG", cutout(30, 30)[:, :, [2, 1, 0, 3]])
    (tmp_path / "people" / "README.md").write_text("no photo")
    write(tmp_path / "scenes" / "a.jpg", np.random.default_rng(0).integers(0, 255, (60, 80, 3)))
    out = tmp_path / "the result"

    def made(count, seed):
        arguments = ("--count", count, "--size", 48, 32, "--seed", seed)
        assert convert("composite", tmp_path / "people", tmp_path / "scenes", out, *arguments) == 0
        assert capsys.readouterr().out == f"{out / 'list.txt'}: {count} samples\n"
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*") if path.is_file()}

    first, again, longer, other = made(5, 1), made(5, 1), made(7, 1), made(5, 2)
    assert len(first) == 11
    assert first == again
    assert first.items() - {("list.txt", first["list.txt"])} <= longer.items()
    assert not set(first.values()) & set(other.values()) - {first["list.txt"]}
    samples = read_list(out / "list.txt", out)
    assert len(samples) == 5
    for sample in samples:
        image, alpha, valid = read_sample(sample)
        assert sample.image.suffix == ".jpg"
        assert image.shape == (32, 48, 3)
        assert alpha.max() > 200
        assert valid.all()


def test_composite_of_bad_photos(tmp_path, capsys):
    people, scenes, out = tmp_path / "people", tmp_path / "scenes", tmp_path / "out"
    arguments = ("composite", people, scenes, out, "--count", 3)
    assert f"{people}: holds no photos" in fails(capsys, out, *arguments)
    photo(people / "a.png")
    assert f"{scenes}: holds no photos" in fails(capsys, out, *arguments)
    photo(scenes / "b.png")
    assert "a.png: has no alpha channel" in fails(capsys, out, *arguments)
    write(people / "a.png", np.zeros((4, 4, 4)))
    assert "a.png: is transparent everywhere" in fails(capsys, out, *arguments)
    write(people / "a.png", cutout())
    (scenes / "b.png").write_bytes(b"x")
    assert "b.png: the file is damaged" in fails(capsys, out, *arguments)
    for wrong in (("--count", 0), ("--size", 0, 9), ("--seed", -1)):
        assert "take numbers from 1 on" in fails(capsys, out, *arguments, *wrong)


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
