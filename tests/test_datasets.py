import cv2
import numpy as np
import pytest
from conftest import write_image
from PIL import Image

from human_segmentation.datasets.dataset import TrainingSet, WeightedSamples, read_sample
from human_segmentation.datasets.list_file import Sample, read_list
from human_segmentation.datasets.transforms import Distractors, Texture
from human_segmentation.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "my photo 1", "c"):
        write_image(tmp_path / f"{name}.png", np.full((6, 8, 3), 90, np.uint8))
        write_image(tmp_path / "labels" / f"{name} mask.png", np.full((6, 8), 255, np.uint8))
    return tmp_path


def test_list_with_spaces_windows_ends_and_photos_without_people(folder):
    path = folder / "list.txt"
    path.write_bytes(
        b"\xef\xbb\xbfa.png labels/a mask.png\r\nmy photo 1.png labels/my photo 1 mask.png\r\n\r\n"
        b"c.png\tlabels/c mask.png\r\nmy photo 1.png\r\n"
    )
    labels = folder / "labels"
    assert read_list(path, folder) == [
        Sample(folder / "a.png", labels / "a mask.png"),
        Sample(folder / "my photo 1.png", labels / "my photo 1 mask.png"),
        Sample(folder / "c.png", labels / "c mask.png"),
        Sample(folder / "my photo 1.png", None),
    ]


def test_all_missing_files_are_counted(folder):
    path = folder / "list.txt"
    path.write_text("a.png labels/a mask.png\na.png gone.png\n" + "".join(f"gone{i}.png x.png\n" for i in range(12)))
    with pytest.raises(DataError, match=r"list\.txt: 13 rows .*\(gone\.png; gone0\.png x\.png; .*\.\.\."):
        read_list(path, folder)


def test_a_list_from_windows(folder):
    """A file of which the name itself has a backslash is found first."""
    (folder / "list.txt").write_bytes(b"a.png labels\\a mask.png\r\n.\\my photo 1.png\tlabels\\my photo 1 mask.png\r\n")
    labels = folder / "labels"
    assert read_list(folder / "list.txt", folder) == [
        Sample(folder / "a.png", labels / "a mask.png"),
        Sample(folder / "my photo 1.png", labels / "my photo 1 mask.png"),
    ]
    (folder / "labels\\a mask.png").write_bytes(b"")
    assert read_list(folder / "list.txt", folder)[0].label == folder / "labels\\a mask.png"


@pytest.mark.parametrize("row", ['{"images": "' + "x" * 300 + '"}', "[" + 1_000_000 * "1, " + "1]"])
def test_rows_that_are_too_long_for_a_name(folder, row):
    (folder / "list.json").write_text(row)
    with pytest.raises(DataError) as caught:
        read_list(folder / "list.json", folder)
    assert str(caught.value) == (
        f"{folder}/list.json: 1 rows name files that are not in {folder} ({row[:200]}...); "
        "correct the rows or the data folder"
    )


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "no rows"), (b"\n \n", "no rows"), (b"\xff\xfe\x00", "cannot be read")]
)
def test_useless_lists(folder, content, reason):
    (folder / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"list\.txt: .*{reason}"):
        read_list(folder / "list.txt", folder)
    with pytest.raises(DataError, match=r"nowhere\.txt"):
        read_list(folder / "nowhere.txt", folder)


@pytest.mark.parametrize(
    ("values", "alpha", "valid"),
    [
        ([0, 1, 255, 1], [0, 255, 0, 255], [255, 255, 0, 255]),  # classes, 255 ignored
        ([1, 1, 1, 1], [255] * 4, [255] * 4),
        ([0, 255, 255, 0], [0, 255, 255, 0], [255] * 4),
        ([255, 255, 255, 255], [255] * 4, [255] * 4),
        ([0, 128, 255, 3], [0, 128, 255, 3], [255] * 4),
        ([0, 0, 0, 0], [0, 0, 0, 0], [255] * 4),
        ([0, 0, 64, 1], [0, 0, 64, 1], [255] * 4),  # a faint alpha, but too strong for a class
        (list(range(17)), list(range(17)), [255] * 17),  # a fainter one, whose shades are too many for classes
        ([*range(17), 255], [*range(17), 255], [255] * 18),
    ],
)
def test_kinds_of_labels(tmp_path, values, alpha, valid):
    image = write_image(tmp_path / "i.png", np.zeros((1, len(values), 3), np.uint8))
    label = write_image(tmp_path / "l.png", np.array([values], np.uint8))
    _, levels, read_valid = read_sample(Sample(image, label))
    assert levels[..., 0].tolist() == [alpha]
    assert read_valid.tolist() == [valid]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("values", "classes", "levels", "valid"),
    [
        ([0, 1, 255, 1], 2, [[0], [255], [0], [255]], [255, 255, 0, 255]),
        ([0, 255, 255, 0], 2, [[0], [255], [255], [0]], [255] * 4),
        ([0, 2, 255, 1], 3, [[0, 0], [255, 255], [0, 0], [255, 0]], [255, 255, 0, 255]),
        ([0, 0x80FF, 0xFFFF, 0x0300], 2, [[0], [128], [255], [3]], [255] * 4),  # an alpha
    ],
)
def test_labels_of_16_bits(tmp_path, suffix, values, classes, levels, valid):
    image = write_image(tmp_path / "i.png", np.zeros((1, 4, 3), np.uint8))
    label = write_image(tmp_path / f"l{suffix}", np.array([values], np.uint16))
    _, read_levels, read_valid = read_sample(Sample(image, label), classes)
    assert read_levels.dtype == np.uint8
    assert read_levels.tolist() == [levels]
    assert read_valid.tolist() == [valid]


@pytest.mark.parametrize(
    "values", [[0, 1, 2], [0, 3, 20], [0, 15, 255], [2, 2, 2], [0, 1, 63, 255], list(range(16)), [*range(16), 255]]
)
def test_classes_out_of_range(tmp_path, values):
    image = write_image(tmp_path / "i.png", np.zeros((1, len(values), 3), np.uint8))
    label = write_image(tmp_path / "l.png", np.array([values], np.uint8))
    largest = max(value for value in values if value < 255)
    with pytest.raises(DataError) as caught:
        read_sample(Sample(image, label))
    assert str(caught.value) == (
        f"{label}: the label is out of range, it has the class {largest}; write 0 for background, 1 for person and 255 "
        "for what is to be ignored, or an alpha from 0 to 255"
    )


def test_levels_of_more_than_two_classes(tmp_path):
    image = write_image(tmp_path / "i.png", np.zeros((1, 5, 3), np.uint8))
    label = write_image(tmp_path / "l.png", np.array([[0, 1, 2, 3, 255]], np.uint8))
    _, levels, valid = read_sample(Sample(image, label), 4)
    assert levels.tolist() == [[[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255], [0, 0, 0]]]
    assert valid.tolist() == [[255, 255, 255, 255, 0]]
    assert read_sample(Sample(image, None), 4)[1].shape == (1, 5, 3)


@pytest.mark.parametrize(("values", "wrong"), [([0, 1, 3, 255], 3), ([0, 128, 254, 1], 254), (list(range(40)), 39)])
def test_values_that_are_none_of_three_classes(tmp_path, values, wrong):
    image = write_image(tmp_path / "i.png", np.zeros((1, len(values), 3), np.uint8))
    label = write_image(tmp_path / "l.png", np.array([values], np.uint8))
    with pytest.raises(DataError) as caught:
        read_sample(Sample(image, label), 3)
    assert str(caught.value) == (
        f"{label}: the label has the value {wrong}, and 3 classes are 0 to 2; write 0 for background, 1 to 2 for the "
        "person's classes and 255 for what is to be ignored"
    )


@pytest.mark.parametrize("classes", [2, 3, 6, 20])
@pytest.mark.parametrize("prior", [False, True])
def test_classes_move_with_the_photo_and_share_every_pixel(tmp_path, classes, prior):
    """A photo whose red channel shows the mean class still does so in every sample."""
    step = 255 // (classes - 1)
    label = np.random.default_rng(0).integers(0, classes, (6, 8)).astype(np.uint8)
    label = cv2.resize(label, (160, 120), interpolation=cv2.INTER_NEAREST)
    image = write_image(tmp_path / "i.png", np.dstack([np.zeros_like(label), np.full_like(label, 255), label * step]))
    samples = [Sample(image, write_image(tmp_path / "l.png", label))]
    data = TrainingSet([WeightedSamples(samples, 12)], (48, 32), plain=True, prior=prior, num_classes=classes)
    soft = 0
    for index in range(12):
        shares, valid, _, photo, *_ = data[index]
        assert (shares.shape, shares.dtype) == ((classes, 32, 48), np.uint8)
        assert (shares.sum(0) == 255).all()
        assert valid.all()
        inside = photo[..., 1] == 255  # the rest is grey, and nobody is there
        mean = np.tensordot(np.arange(classes) * step, shares / 255, 1)
        assert np.abs(mean - photo[..., 2])[inside].max() <= 10  # they are interpolated in other steps
        soft += np.count_nonzero((shares > 20) & (shares < 235))
    assert soft > 100


def test_label_of_another_size(tmp_path):
    image = write_image(tmp_path / "i.png", np.zeros((4, 4, 3), np.uint8))
    label = write_image(tmp_path / "l.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError, match=r"l\.png: the label has 5x4 pixels and its photo 4x4"):
        read_sample(Sample(image, label))


def test_weights_say_how_often_a_photo_is_shown(folder):
    many = [Sample(folder / f"{i}.png", None) for i in range(10)]
    few = [Sample(folder / "few.png", None)]
    data = TrainingSet([WeightedSamples(many, 0.5), WeightedSamples(few, 3)], (8, 8))
    assert len(data) == 8
    assert data.order.count(few[0]) == 3
    assert len(set(data.order) - set(few)) == 5
    first = data.order
    data.set_epoch(1)
    assert data.order != first
    data.set_epoch(0)
    assert data.order == first


def test_a_sample_depends_on_seed_epoch_and_position_alone(folder):
    samples = [WeightedSamples([Sample(folder / "a.png", folder / "labels" / "a mask.png")], 4)]
    one, two = TrainingSet(samples, (16, 16), seed=5), TrainingSet(samples, (16, 16), seed=5)
    _ = one[0], one[1]
    assert all(np.array_equal(x, y) for x, y in zip(one[3], two[3], strict=True))
    other = TrainingSet(samples, (16, 16), seed=6)
    assert not all(np.array_equal(x, y) for x, y in zip(one[3], other[3], strict=True))


def test_a_plain_photo_is_the_same_view_without_changes_of_texture(tmp_path):
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
    samples = [Sample(write_image(tmp_path / "photo.png", image), None)]
    data = TrainingSet([WeightedSamples(samples, 12)], (32, 32), plain=True)
    pairs = [data[index][2:] for index in range(len(data))]
    assert len([None for changed, plain in pairs if not np.array_equal(changed, plain)]) > 6
    data.texture = Texture(probability=0)
    for index, (_, plain) in enumerate(pairs):
        assert all(np.array_equal(photo, plain) for photo in data[index][2:])


def test_numbers_of_a_palette_count_not_its_colours(tmp_path):
    """PaddleSeg's labels are PNG files with VOC's palette."""
    values = np.zeros((20, 30), np.uint8)
    values[5:15, 5:15] = 1
    values[0] = 255
    image = Image.fromarray(values, "P")
    image.putpalette([0, 0, 0, 128, 0, 0] + 253 * [7, 7, 7] + [224, 224, 192])
    image.save(tmp_path / "label.png")
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((20, 30, 3), np.uint8))
    _, levels, valid = read_sample(Sample(tmp_path / "photo.png", tmp_path / "label.png"))
    assert np.array_equal(levels[..., 0], np.where(values == 1, 255, 0))
    assert np.array_equal(valid, np.where(values == 255, 0, 255))
    (tmp_path / "label.png").write_bytes((tmp_path / "label.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"label\.png"):
        read_sample(Sample(tmp_path / "photo.png", tmp_path / "label.png"))


def shades_of_a_disc():
    """A soft mask in 32 shades, as a palette that has them in an order of its own."""
    disc = cv2.circle(np.zeros((20, 30), np.uint8), (15, 10), 7, 255, -1)
    return Image.fromarray(cv2.GaussianBlur(disc, (15, 15), 4)).quantize(32)


def white_first():
    image = Image.fromarray(np.pad(np.zeros((10, 10), np.uint8), [(5, 5), (10, 10)], constant_values=1), "P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


@pytest.mark.parametrize("label", [white_first(), shades_of_a_disc()], ids=["mask", "alpha"])
def test_greys_of_a_palette_count_not_their_numbers(tmp_path, label):
    """A tool has made the file smaller."""
    label.save(tmp_path / "label.png")
    image = write_image(tmp_path / "photo.png", np.zeros((20, 30, 3), np.uint8))
    sample = Sample(image, tmp_path / "label.png")
    grey = np.array(label.convert("L"))
    assert (grey[10, 15], grey[0, 0]) == (grey.max(), grey.min())
    assert not np.array_equal(np.array(label), grey)
    _, levels, valid = read_sample(sample)
    assert np.array_equal(levels[..., 0], grey)
    assert valid.all()
    _, levels, _ = read_sample(sample, 33)
    assert np.array_equal((levels > 0).sum(2), np.array(label))


def test_a_third_of_the_photos_have_shapes_behind_the_people(folder):
    samples = [WeightedSamples([Sample(folder / "a.png", None)], 400)]
    with_shapes, without = TrainingSet(samples, (32, 32)), TrainingSet(samples, (32, 32))
    without.distractors = Distractors(probability=0)
    differ = 0
    for one, other in zip(with_shapes, without, strict=True):
        assert np.array_equal(one[0], other[0])  # nobody
        differ += not np.array_equal(one[2], other[2])
    assert 80 < differ < 160


@pytest.mark.parametrize(
    ("name", "what"),
    [("red.png", "colours"), ("red.bmp", "colours"), ("cutout.png", "transparency"), ("white.png", "transparency")],
)
def test_labels_that_are_not_grey_are_refused(tmp_path, name, what):
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:25] = 255
    nothing, grey = np.zeros_like(mask), np.full_like(mask, 255)
    pictures = {
        "red.png": np.dstack([nothing, nothing, mask]),
        "red.bmp": np.dstack([nothing, nothing, mask]),
        "cutout.png": np.dstack([mask, mask, mask, mask]),
        "white.png": np.dstack([grey, grey, grey, mask]),
    }
    label = write_image(tmp_path / name, pictures[name])
    photo = write_image(tmp_path / "photo.png", np.dstack([mask] * 3))
    with pytest.raises(DataError, match=f"{name}: the label has {what}; write 0 for background"):
        read_sample(Sample(photo, label))
    for name in ("grey.png", "grey.jpg"):
        channels = [mask] * 3 if name == "grey.jpg" else [mask] * 3 + [grey]
        label = write_image(tmp_path / name, np.dstack(channels))
        found = read_sample(Sample(photo, label))[1][..., 0]
        assert np.abs(found.astype(int) - mask).max() <= 20
