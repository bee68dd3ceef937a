import numpy as np
import paddle
import pytest

from human_segmentation.errors import ModelError
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.mobilenetv2 import MobileNetV2
from human_segmentation.models.portraitnet import PortraitNet, upsampling
from human_segmentation.training.initial import load_mobilenetv2
from human_segmentation.training.recipes import RECIPES


def test_shapes():
    network = PortraitNet(num_classes=3)
    mask, boundary = network(paddle.zeros([2, 3, 96, 64]))
    assert mask.shape == [2, 3, 96, 64]
    assert boundary.shape == [2, 2, 96, 64]
    network.eval()
    assert network(paddle.zeros([2, 3, 96, 64])).shape == [2, 3, 96, 64]
    assert network.encoder.channels == [16, 24, 32, 96, 320]
    assert sum(p.size for p in PortraitNet().parameters()) == 2_113_752


def test_width_and_prior_channel():
    narrow = PortraitNet(in_channels=4, width=0.5)
    assert narrow.encoder.channels == [8, 16, 16, 48, 160]
    assert narrow(paddle.zeros([1, 4, 32, 32]))[0].shape == [1, 2, 32, 32]
    assert sum(p.size for p in narrow.parameters()) < 700_000


def test_upsampling_starts_as_bilinear():
    x = paddle.rand([1, 5, 6, 7])
    expected = paddle.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False, align_mode=0)
    # At the border the transposed convolution sees zeros outside.
    difference = (upsampling(5)(x) - expected)[:, :, 1:-1, 1:-1]
    assert float(difference.abs().max()) < 1e-5


def test_input_is_that_of_the_paper():
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)
    expected = (image - np.array([103.94, 116.78, 123.68])) * 0.017
    assert np.allclose(RECIPES["PortraitNet"].preprocess.normalize(image), expected.transpose(0, 3, 1, 2), atol=1e-5)


@pytest.fixture
def folded(tmp_path):
    """MobileNetV2 weights as they are published: batch normalisation folded in."""
    rng = np.random.default_rng(0)
    convs = [layer for layer in MobileNetV2().sublayers() if isinstance(layer, paddle.nn.Conv2D)]
    content = {}
    for i, conv in enumerate(convs):
        shape = conv.weight.shape
        content[f"{i:02d}.weight"] = rng.normal(0, (1.5 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float16)
        content[f"{i:02d}.bias"] = rng.normal(0, 0.1, shape[0]).astype(np.float16)
    np.savez(tmp_path / "weights.npz", **content)
    return tmp_path / "weights.npz"


def slow_encoder(encoder, path, x):
    """The folded network: convolution plus bias, no batch normalisation."""
    with np.load(path) as file:
        weights = {name: paddle.to_tensor(file[name].astype(np.float32)) for name in file.files}
    layers = [layer for layer in encoder.sublayers() if hasattr(layer, "activation")]
    for i, layer in enumerate(layers):
        layer.conv.weight.set_value(weights[f"{i:02d}.weight"])
        layer.bn.forward = lambda y, bias=weights[f"{i:02d}.bias"]: y + bias.reshape([1, -1, 1, 1])
    return encoder(x)


def test_unfolded_encoder_is_the_published_function(folded):
    images = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    rules = RECIPES["PortraitNet"].preprocess
    # without padding inside the picture, so that the shifted zero of the input makes no difference at the border
    tensor = paddle.to_tensor(rules.normalize(images))
    encoder = MobileNetV2()
    load_mobilenetv2(encoder, folded, rules, tensor)
    published = Preprocess(color="RGB", mean=(0.5,) * 3, std=(0.5,) * 3).normalize(images)
    expected = slow_encoder(MobileNetV2(), folded, paddle.to_tensor(published))
    encoder.eval()
    first, second = encoder(tensor)[0], expected[0]
    inner = (first - second)[:, :, 4:-4, 4:-4].abs().max()
    assert float(inner) < 1e-3
    assert float(second.std()) > 0.1
    # Training mode starts from the same function: the batch's statistics are the running ones.
    encoder.train()
    assert float((encoder(tensor)[0] - first).abs().max()) < 1e-3


@pytest.mark.parametrize(
    ("part", "shape", "network"),
    [
        ("00.weight", [32, 4, 3, 3], [32, 3, 3, 3]),
        ("00.weight", [], [32, 3, 3, 3]),
        ("00.bias", [31], [32]),
        ("00.bias", [1], [32]),
        ("02.bias", [32], [16]),
    ],
)
@pytest.mark.parametrize("priors", [0, 1])
def test_weights_of_another_shape(folded, tmp_path, part, shape, network, priors):
    path = tmp_path / "other.npz"
    with np.load(folded) as file:
        np.savez(path, **(dict(file) | {part: np.zeros(shape, np.float16)}))
    with pytest.raises(ModelError) as caught:
        load_mobilenetv2(MobileNetV2(3 + priors), path, Preprocess(), paddle.zeros([1, 3, 32, 32]))
    number, name = part.split(".")
    assert str(caught.value) == (
        f"{path}: the {name} of layer {int(number)} has the shape {shape} and the network {network}; these weights are "
        "for --width 1"
    )


def test_wrong_weights(folded, tmp_path):
    x = paddle.zeros([1, 3, 32, 32])
    with pytest.raises(ModelError, match="the weight of layer 0 has the shape"):
        load_mobilenetv2(MobileNetV2(width=0.5), folded, Preprocess(), x)
    (tmp_path / "text.npz").write_text("no weights")
    with pytest.raises(ModelError, match=r"text\.npz"):
        load_mobilenetv2(MobileNetV2(), tmp_path / "text.npz", Preprocess(), x)
