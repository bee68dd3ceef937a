import cv2
import numpy as np
import pytest
from conftest import write_image

from human_segmentation.datasets.transforms import BackgroundSwap, Distractors, Geometry, Texture


def test_geometry_moves_photo_and_alpha_together():
    """A photo that shows its own alpha still does so after every warp."""
    alpha = np.zeros((120, 80), np.uint8)
    cv2.ellipse(alpha, (40, 70), (20, 45), 0, 0, 360, 255, -1)
    image = cv2.merge([alpha] * 3)
    rng = np.random.default_rng(1)
    for _ in range(30):
        warped, planes = Geometry()(image, np.dstack([alpha, np.full_like(alpha, 255)]), (48, 32), rng)
        assert warped.shape == (32, 48, 3)
        inside = planes[..., 1] == 255  # the rest lies outside the photo, where it is grey and nobody is
        difference = np.abs(warped[..., 0].astype(int) - planes[..., 0])[inside]
        assert difference.size
        assert difference.max() <= 8  # the two are interpolated in other fixed-point steps
        assert (np.abs(warped[planes[..., 1] == 0].astype(int) - 128) <= 2).all()
        assert not planes[planes[..., 1] == 0].any()


def test_geometry_covers_its_ranges():
    """Three dots, each in a plane of its own, tell the warp."""
    dots = np.float32([[60, 60], [100, 60], [60, 90]])
    planes = np.zeros((160, 160, 3), np.uint8)
    for plane, dot in enumerate(dots.astype(int)):
        planes[..., plane] = cv2.circle(np.zeros((160, 160), np.uint8), dot.tolist(), 4, 255, -1)
    image = np.zeros((160, 160, 3), np.uint8)
    rng = np.random.default_rng(0)
    angles, zooms, flips, shifts = [], [], [], []
    for _ in range(300):
        _, warped = Geometry()(image, planes, (160, 160), rng)
        moments = [cv2.moments(warped[..., plane], binaryImage=True) for plane in range(3)]
        if min(m["m00"] for m in moments) < 20 or (warped[[0, -1]].any() or warped[:, [0, -1]].any()):
            continue  # partly outside
        found = np.float32([[m["m10"] / m["m00"], m["m01"] / m["m00"]] for m in moments])
        matrix = cv2.getAffineTransform(dots, found)
        (a, b), (c, d) = linear = matrix[:, :2]  # the turn first, then columns and rows are scaled
        flips.append(a * d - b * c < 0)
        angles.append(np.rad2deg(np.arctan2(c, d)))
        zooms.append(np.sqrt(abs(np.linalg.det(linear))))
        shifts.append(np.abs(np.linalg.solve(linear, 80 - matrix[:, 2]) / 160 - 0.5).max())
    angles, zooms, flips, shifts = map(np.array, (angles, zooms, flips, shifts))
    assert len(flips) > 150
    assert 0.4 < flips.mean() < 0.6
    assert 0.4 < (abs(angles) < 2).mean() < 0.65
    assert 30 < abs(angles).max() < 46
    assert (angles > 5).any() and (angles < -5).any()
    assert 0.47 < zooms.min() < 0.6
    assert 1.3 < zooms.max() < 1.53
    assert 0.4 < (shifts < 0.02).mean() < 0.65
    assert 0.2 < shifts.max() < 0.27


def test_portrait_crop_shows_a_standing_person_without_the_feet():
    alpha = np.zeros((400, 200), np.uint8)
    alpha[20:390, 80:120] = 255
    image = np.zeros((400, 200, 3), np.uint8)
    rng = np.random.default_rng(0)
    geometry = Geometry(angle=0, aspect=1.0, portrait=1.0)
    for _ in range(20):
        _, planes = geometry(image, np.dstack([alpha, alpha]), (64, 64), rng)
        person = planes[..., 0] > 128
        assert person[-1].any()
        width, height = person.any(0).sum(), person.any(1).sum()
        assert width / height > 1.4 * 40 / 370  # the whole person is slimmer than that


@pytest.mark.parametrize(("stretch", "aspect"), [(0.0, 1.0), (1.0, 0.5)])
def test_a_photo_is_stretched_or_keeps_its_aspect(stretch, aspect):
    """A disc in a photo that is twice as wide as high."""
    alpha = np.zeros((100, 200), np.uint8)
    cv2.circle(alpha, (100, 50), 30, 255, -1)
    geometry = Geometry(angle=0, scale=(1, 1), aspect=1, shift=0, stretch=stretch)
    image, planes = geometry(cv2.merge([alpha] * 3), alpha[..., None], (80, 80), np.random.default_rng(0))
    _, _, width, height = cv2.boundingRect(cv2.inRange(planes[..., 0], 128, 255))
    assert width / height == pytest.approx(aspect, rel=0.05)
    assert np.abs(image[20:60, 20:60, 0].astype(int) - planes[20:60, 20:60, 0]).max() <= 8


NEUTRAL = dict.fromkeys(("color", "brightness", "contrast", "tint", "sharpness"), (1, 1)) | {"noise": 0}
SLOPE = np.dstack([np.tile(np.arange(64, 192, 2, dtype=np.uint8), (64, 1))] * 3)
STEP = np.dstack([np.tile(np.repeat(np.uint8([80, 120]), 32), (64, 1))] * 3)
RED = np.full((64, 64, 3), (60, 60, 120), np.uint8)


def overshoot(image):
    """How much darker and brighter a step is at its foot than far from it, as a share of the step."""
    row = image.mean((0, 2))
    return np.ptp(row) / (row[-1] - row[0]) - 1


@pytest.mark.parametrize(
    ("name", "image", "measure", "least", "most"),
    [
        ("color", RED, lambda x: (x[..., 2].mean() - x[..., 0].mean()) / 60, 0.4, 1.7),
        ("brightness", RED, lambda x: x.mean() / RED.mean(), 0.4, 1.7),
        ("contrast", SLOPE, lambda x: x.std() / SLOPE.std(), 0.6, 1.5),
        ("tint", RED, lambda x: x[..., 1].mean() / 60, 0.85, 1.15),
        ("sharpness", STEP, overshoot, 0, 0.13),
        ("noise", RED, lambda x: x.mean(2).std(), 0, 7),
    ],
)
def test_each_step_of_the_texture(name, image, measure, least, most):
    """Alone, with the JPEG at its best: within its range, nearly to its ends; blur and JPEG take some of the noise."""
    texture = Texture(1, **NEUTRAL | {name: getattr(Texture(), name)}, jpeg=(100, 101))
    values = [measure(texture(image, np.random.default_rng(seed))) for seed in range(40)]
    slack = 0.1 * (most - least)
    assert least - 0.02 * most <= min(values) <= least + slack
    assert most - slack <= max(values) <= 1.02 * most


def test_jpeg_of_the_texture():
    """The coarser the quality, the more is lost; half of the draws blur as well, and are left out."""
    rough = cv2.cvtColor(np.random.default_rng(0).integers(64, 192, (64, 64), dtype=np.uint8), cv2.COLOR_GRAY2BGR)
    errors = []
    for quality in (30, 60, 95):
        texture = Texture(1, **NEUTRAL, jpeg=(quality, quality + 1))
        changed = [texture(rough, np.random.default_rng(seed)) for seed in range(8)]
        errors.append(min(np.abs(image.astype(int) - rough).mean() for image in changed))
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2]


def test_texture_keeps_what_it_is_not_asked_to_change():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(Texture(probability=0)(image, np.random.default_rng(0)), image)
    changed = Texture(probability=1)(image, np.random.default_rng(0))
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)


def test_swap_replaces_the_background_alone(tmp_path):
    background = write_image(tmp_path / "b.png", np.full((50, 30, 3), (0, 0, 255), np.uint8))
    image = np.full((40, 40, 3), (255, 0, 0), np.uint8)
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 10:30] = 255
    result = BackgroundSwap([background], 1.0)(image, alpha, np.random.default_rng(0))
    assert (result[14:26, 14:26] == (255, 0, 0)).all()
    assert (result[:8] == (0, 0, 255)).all()
    assert np.array_equal(BackgroundSwap([background], 1.0)(image, alpha * 0, np.random.default_rng(0)), image)


def test_swap_leaves_the_rim_of_the_old_background_out(tmp_path):
    background = write_image(tmp_path / "b.png", np.full((40, 40, 3), (0, 0, 255), np.uint8))
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 10:30] = 255
    image = np.full((40, 40, 3), (0, 255, 0), np.uint8)
    image[11:29, 11:29] = (255, 0, 0)
    result = BackgroundSwap([background], 1.0)(image, alpha, np.random.default_rng(0))
    assert result[..., 1].max() == 64  # the blur's quarter


def test_distractors_stay_behind_the_person():
    image = np.full((90, 120, 3), 7, np.uint8)
    alpha = np.zeros((90, 120), np.uint8)
    alpha[:, 40:60], alpha[:, 60:80] = 255, 51
    shapes = Distractors(probability=1.0)
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        result = shapes(image, alpha, rng)
        changed = (result != image).any(axis=2)
        assert not changed[:, 40:60].any()  # the person hides them
        shares.append(changed[:, :40].mean())
        assert np.abs(result[:, 60:80].astype(int) - 7).max() <= 0.8 * 248 + 1  # seen through, as much as they are
    assert 0.1 < np.mean(np.array(shares) == 0) < 0.6  # some lie elsewhere
    assert max(shares) > 0.3
    assert (image == 7).all()
    unchanged = Distractors(probability=0.0)(image, alpha, rng)
    assert np.array_equal(unchanged, image)
