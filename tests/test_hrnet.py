import json

import numpy as np
import paddle
import pytest

from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.legacy import paddlex_name
from human_segmentation.models.weights import load_params, read_params
from human_segmentation.training.engine import NetworkEngine


def test_has_the_parameters_of_hrnet_w18_small_v1():
    values = HumanSegMobile().state_dict().values()
    assert len(values) == 361
    assert sum(value.size for value in values) == 1_509_824


@pytest.mark.parametrize("size", [(192, 192), (144, 256), (65, 97)])
def test_logits_have_the_size_of_the_input(size):
    network = HumanSegMobile(num_classes=3)
    network.eval()
    assert network(paddle.zeros([2, 3, *size])).shape == [2, 3, *size]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("layer1_1.conv.weight", "layer1_1_weights"),
        ("st4_1.layer_4_1_3.bn._variance", "st4_1_layer_4_1_3_bn_variance"),
        ("conv_2.bn.bias", "conv-2_bn_offset"),
        ("conv_1.weight", "conv-1_weights"),
    ],
)
def test_names_of_paddlex(name, expected):
    assert paddlex_name("HumanSegMobile", name) == expected


def test_every_name_and_shape_is_paddlex_own(legacy):
    expected = json.loads((legacy / "mobile_parameters.json").read_text())
    state = HumanSegMobile().state_dict()
    assert {paddlex_name("HumanSegMobile", name): list(value.shape) for name, value in state.items()} == expected


def test_reproduces_the_scores_of_paddlex(legacy):
    source = legacy / "mobile_params" / "model.pdparams"
    network = HumanSegMobile()
    params = read_params(source)
    load_params(network, {name: params[paddlex_name("HumanSegMobile", name)] for name in network.state_dict()}, source)
    data = np.load(legacy / "expected.npz")
    tensor = ((data["image_bgr_192"].astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]
    scores = NetworkEngine(network)(tensor)[0, 1]
    assert np.abs(scores - data["score_mobile_params"]).max() < 1e-4
    assert scores.std() > 0.05  # a constant would say nothing
