"""Parameters of a network: read without running code from the file, checked against the network, saved."""

import io
import pickle
from pathlib import Path

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from human_segmentation.errors import ModelError

PARAMS_FILE = "model.pdparams"

# Everything that a pickled dictionary of arrays needs; anything else could run code.
_ALLOWED = {
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return super().find_class(module, name)


def read_params(path: Path) -> dict[str, NDArray]:
    """Reads a `.pdparams` file, of paddle 1.x to 3.x.

    Returns:
        Name to array, without the table of names that paddle adds.

    Raises:
        ModelError: What `read_pickle` raises.
    """
    return {name: value for name, value in read_pickle(path).items() if isinstance(value, np.ndarray)}


def read_pickle(path: Path) -> dict:
    """Reads what `paddle.save` wrote, without running code from the file.

    Returns:
        A dictionary of arrays, numbers, texts and further dictionaries.

    Raises:
        ModelError: The file is missing, damaged or holds anything else.
    """
    try:
        content = _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        if not isinstance(content, dict):
            raise pickle.UnpicklingError("it holds no dictionary")
        return content
    except FileNotFoundError as error:
        raise ModelError(f"{path}: the parameters are missing; give a folder that has them") from error
    # A damaged pickle raises almost anything, in texts of several lines too.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: the parameters cannot be read ({reason}); copy or train the model again") from error


def load_params(network: nn.Layer, params: dict[str, NDArray], source: Path) -> None:
    """Puts parameters into a network.

    Args:
        network: The network.
        params: Name to array, as `read_params` returns them; floating-point numbers of any width.
        source: Where they came from, for the error.

    Raises:
        ModelError: A parameter is missing, left over, has another shape, or values that are infinite or no
            floating-point numbers; the first one is named.
    """
    fitting = {}
    for name, value in network.state_dict().items():
        if name not in params:
            raise ModelError(f"{source}: the parameter {name} is missing; give weights of the same model type")
        if list(params[name].shape) != list(value.shape):
            raise ModelError(
                f"{source}: the parameter {name} has the shape {list(params[name].shape)} and the network "
                f"{list(value.shape)}; give weights of the same model type, width, number of classes and prior channel"
            )
        if params[name].dtype.kind != "f":
            raise ModelError(
                f"{source}: the parameter {name} has values of the type {params[name].dtype.name}, not floating-point "
                "numbers; copy or train the model again"
            )
        fitting[name] = params[name].astype(np.float32)
    check_finite(fitting, source)
    unknown = sorted(set(params) - set(network.state_dict()))
    if unknown:
        raise ModelError(f"{source}: the network has no parameter {unknown[0]}; give weights of the same model type")
    network.set_state_dict(fitting)


def check_finite(params: dict[str, NDArray], source: Path) -> None:
    """Refuses parameters of a training that ran away, or that are damaged.

    Raises:
        ModelError: A parameter has values that are no numbers; the first one is named.
    """
    for name, value in params.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ModelError(
                f"{source}: the parameter {name} has values that are infinite or no numbers; copy the model again, or "
                "train it again with a lower --learning_rate or with --clip"
            )


def not_trained(folder: Path) -> ModelError:
    """The error of an exported model where a trained one is needed; of those that ship, both are there."""
    trained = folder.with_name(f"{folder.name.rpartition('_')[0]}_params")
    other = trained if trained.is_dir() else "output/best_model"
    return ModelError(f"{folder}: this is an exported model; give a trained one, which train.py makes, such as {other}")


def save_params(params: dict, path: Path) -> None:
    """Writes a `.pdparams` or `.pdopt` file that `read_pickle` and `paddle.load` read."""
    paddle.save(params, str(path))
