import json

import numpy as np
import pytest
from conftest import ROOT
from fixtures.paddlex_server import parameter, picture

from human_segmentation.models.deeplabv3p import HumanSegServer
from human_segmentation.models.legacy import paddlex_name
from human_segmentation.models.weights import load_params
from human_segmentation.training.engine import NetworkEngine


@pytest.fixture(scope="module")
def network():
    return HumanSegServer()


def test_every_name_and_shape_is_paddlex_own(network, legacy):
    expected = json.loads((legacy / "server_parameters.json").read_text())
    state = network.state_dict()
    assert {paddlex_name("HumanSegServer", name): list(value.shape) for name, value in state.items()} == expected


def test_reproduces_the_scores_of_paddlex(network):
    params = {
        name: parameter(paddlex_name("HumanSegServer", name), tuple(value.shape))
        for name, value in network.state_dict().items()
    }
    load_params(network, params, ROOT)
    expected = np.load(ROOT / "tests" / "fixtures" / "paddlex_server.npz")["score"]
    scores = NetworkEngine(network)(picture())[0, 1]
    assert expected.std() > 0.03  # a constant would say nothing
    assert np.abs(scores - expected).max() < 1e-4
