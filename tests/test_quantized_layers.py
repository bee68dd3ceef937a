"""The layers of a model that PaddleX quantised, against their arithmetic in double precision."""

import numpy as np
import paddle
import pytest
from paddle import nn

from human_segmentation.export.artifact import export_model
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.layers import ConvBN
from human_segmentation.models.quantized import FixedBatchNorm, Quantization, QuantizedConv, quantize_layers

LIMIT = np.float32(2.5)


@pytest.mark.parametrize(("groups", "bias"), [(1, False), (1, True), (6, False)])
def test_convolution(groups, bias):
    rng = np.random.default_rng(0)
    conv = nn.Conv2D(6, 6, 1, groups=groups, bias_attr=None if bias else False)
    weights = rng.integers(-127, 128, conv.weight.shape).astype(np.float32)
    conv.weight.set_value(weights)
    added = np.zeros(6)
    if bias:
        added = rng.normal(size=6).astype(np.float32)
        conv.bias.set_value(added)
    scales = rng.uniform(0.1, 1, 6).astype(np.float32)
    x = rng.uniform(-4, 4, (2, 6, 5, 7)).astype(np.float32)
    found = QuantizedConv(conv, Quantization(scales, LIMIT))(paddle.to_tensor(x)).numpy()
    rounded = np.round(np.clip(x, -LIMIT, LIMIT) / float(LIMIT) * 127)
    assert np.abs(rounded).max() == 127  # some are cut
    matrix = np.diag(weights.ravel()) if groups == 6 else weights[..., 0, 0]
    sums = np.einsum("oi,nihw->nohw", matrix, rounded)
    expected = sums * (scales / 127 * LIMIT / 127).reshape(1, -1, 1, 1) + added.reshape(1, -1, 1, 1)
    assert np.allclose(found, expected, atol=1e-5)


def test_batch_normalisation_to_the_last_bit():
    paddle.seed(0)
    norm = nn.BatchNorm2D(32, epsilon=1e-3)
    for parameter in (norm.weight, norm.bias, norm._mean):
        parameter.set_value(paddle.randn([32]))
    norm._variance.set_value(paddle.rand([32]) + 0.1)
    norm.eval()
    x = paddle.randn([3, 32, 16, 16])
    assert np.array_equal(FixedBatchNorm(norm)(x).numpy(), norm(x).numpy())


def test_the_right_layers_are_replaced():
    network = nn.Sequential(ConvBN(3, 4, 3), nn.Conv2D(4, 2, 1))
    quantization = Quantization(np.ones(4, np.float32), LIMIT)
    quantize_layers(network, {})
    assert isinstance(network[0].bn, nn.BatchNorm2D)
    quantize_layers(network, {"0.conv": quantization})
    kinds = [type(layer) for layer in (network[0].conv, network[0].bn, network[1])]
    assert kinds == [QuantizedConv, FixedBatchNorm, nn.Conv2D]


def test_no_engine_rounds_otherwise(tmp_path):
    """Each of the 20 million values behind the first layers would show in the scores if it were rounded otherwise."""
    pytest.importorskip("paddle2onnx")
    paddle.seed(0)
    network = nn.Sequential(ConvBN(3, 64, 3), ConvBN(64, 64, 3, stride=2), nn.Conv2D(64, 2, 1))
    quantizations = {}
    for path, layer in network.named_sublayers():
        if isinstance(layer, nn.Conv2D):
            weights = layer.weight.numpy()
            scales = np.abs(weights).max((1, 2, 3))
            layer.weight.set_value(np.round(weights / scales.reshape(-1, 1, 1, 1) * 127))
            quantizations[path] = Quantization(scales, LIMIT)
        elif isinstance(layer, nn.BatchNorm2D):
            layer._variance.set_value(paddle.rand(layer._variance.shape) + 0.5)
            layer._mean.set_value(paddle.randn(layer._mean.shape) * 0.1)
    quantize_layers(network, quantizations)
    config = ModelConfig("HumanSegMobile", "Quant", Preprocess(192, 192))
    noise = np.random.default_rng(0).integers(0, 256, (8, 192, 192, 3), dtype=np.uint8)
    parities = export_model(network, config, tmp_path / "out", photos=list(noise))
    assert set(parities) == set(ENGINES)
    for engine, parity in parities.items():
        assert parity.largest < 1e-6, engine
    assert ModelConfig.read(tmp_path / "out").status == "Quant"
