import shutil

import cv2
import numpy as np
import pytest
from conversion import convert, fails, photo, write

from human_segmentation.datasets.converters.composite import compose, convert_composite
from human_segmentation.datasets.converters.overlap import overlap
from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import read_list


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


def test_some_composites_show_two_people_and_half_of_the_people_are_mirrored(tmp_path):
    """Of two people who are wedges, pointed to the right, one is red and one is green."""
    wedge = np.zeros((60, 60), np.uint8)
    cv2.fillPoly(wedge, [np.array([[0, 0], [59, 30], [0, 59]])], 255)
    for name, color in (("red", (0, 0, 255)), ("green", (0, 255, 0))):
        write(tmp_path / "people" / f"{name}.png", np.dstack([np.full((60, 60, 3), color, np.uint8), wedge]))
    write(tmp_path / "scenes" / "blue.png", np.full((60, 60, 3), (255, 0, 0), np.uint8))
    convert_composite(tmp_path / "people", tmp_path / "scenes", tmp_path / "out", 200, (48, 48))
    both, mirrored, alone = 0, 0, 0
    for path in (tmp_path / "out" / "photos").iterdir():
        green, red = (cv2.imread(str(path))[..., channel] > 128 for channel in (1, 2))
        both += green.any() and red.any()
        for shown, other in ((green, red), (red, green)):
            columns = np.flatnonzero(shown.any(0))
            if not other.any() and columns.size > 10 and columns[0] > 0 and columns[-1] < 47:
                alone += 1
                mirrored += shown[:, columns[1]].sum() < shown[:, columns[-2]].sum()
    assert 15 <= both <= 45  # three in ten show two, half of which are of both colours
    assert alone > 20
    assert 0.3 < mirrored / alone < 0.7


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

    first, again, longer = made(5, 1), made(5, 1), made(7, 1)
    shutil.rmtree(out)
    other = made(5, 2)
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
    for wrong in (("--count", 0), ("--size", 0, 9), ("--size", 9, 16001), ("--size", 3_000_000_000, 9), ("--seed", -1)):
        assert fails(capsys, out, *arguments, *wrong) == (
            "error: --count and --size take numbers from 1 on, --size up to 16000, and --seed one from 0 on\n"
        )
