import base64
import struct
import zlib
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
from conversion import convert, drawn, fails, labels, photo, write_json


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
