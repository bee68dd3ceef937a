"""Models of PaddleX 1.x: what their parameters are called."""

from human_segmentation.errors import ModelError

# For each network: what joins the path of a layer, the suffix of a parameter here -> PaddleX's.
_NAMES: dict[str, tuple[str, dict[str, str]]] = {
    "HumanSegMobile": (
        "_",
        {
            ".conv.weight": "_weights",
            ".bn.weight": "_bn_scale",
            ".bn.bias": "_bn_offset",
            ".bn._mean": "_bn_mean",
            ".bn._variance": "_bn_variance",
            ".weight": "_weights",
        },
    ),
    "HumanSegServer": (
        "/",
        {
            ".conv.weight": "/weights",
            ".bn.weight": "/BatchNorm/gamma",
            ".bn.bias": "/BatchNorm/beta",
            ".bn._mean": "/BatchNorm/moving_mean",
            ".bn._variance": "/BatchNorm/moving_variance",
            ".weight": "/weights",
            ".bias": "/biases",
        },
    ),
}
# The layers whose PaddleX names are no Python names.
_LAYERS = {"conv_2": "conv-2", "conv_1": "conv-1"}


def paddlex_name(model: str, name: str) -> str:
    """What PaddleX 1.x calls a parameter.

    Args:
        model: The network's name in the zoo.
        name: The parameter's name here, such as "st2_1.layer_1_2.bn.weight".

    Returns:
        PaddleX's name, such as "st2_1_layer_1_2_bn_scale".

    Raises:
        ModelError: PaddleX 1.x had no such network.
    """
    if model not in _NAMES:
        raise ModelError(f"{model}: PaddleX 1.x had no such model; it had {' and '.join(_NAMES)}")
    separator, suffixes = _NAMES[model]
    suffix = next(suffix for suffix in suffixes if name.endswith(suffix))
    layer = name.removesuffix(suffix).replace(".", separator)
    return _LAYERS.get(layer, layer) + suffixes[suffix]
