"""Files of Paddle's static graphs: a program (`__model__`) and its parameters (`__params__`, or one file each)."""

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import ModelError

PROGRAM_FILE = "__model__"
PARAMS_FILE = "__params__"
# Paddle's numbers of types.
DENSE_TENSOR = 7
_DTYPES = {2: "<i4", 3: "<i8", 4: "<f2", 5: "<f4", 6: "<f8", 20: "|u1", 21: "|i1"}
# Before the TensorDesc: the version, levels of detail (none), the version of the tensor, the length of the TensorDesc.
_HEADER = "<IQIi"
FLOAT_ATTRIBUTE = 1
# The operators before and behind a convolution that paddle 1.8 quantised.
QUANTIZE = ("fake_quantize_range_abs_max", "fake_quantize_moving_average_abs_max")
DEQUANTIZE = "fake_channel_wise_dequantize_max_abs"
# The operator behind INT8 weights and activations of today's Paddle.
INT8 = "dequantize_linear"
MAX_INT8 = 127.0


def read_program(path: Path) -> Any:
    """Reads a program.

    Returns:
        A `ProgramDesc`.

    Raises:
        ModelError: The file is missing or damaged.
    """
    from google.protobuf.message import DecodeError
    from paddle.base.proto.framework_pb2 import ProgramDesc

    try:
        program = ProgramDesc.FromString(path.read_bytes())
        if not program.blocks:
            raise DecodeError("it is empty")
        return program
    except OSError as error:
        raise ModelError(f"{path}: the program cannot be read ({error.strerror}); give a complete model") from error
    except DecodeError as error:
        raise ModelError(f"{path}: the program is damaged ({error}); copy or export the model again") from error


def parameter_names(program: Any) -> list[str]:
    """The parameters of a program, in the order of `__params__`."""
    variables = program.blocks[0].vars
    return sorted(v.name for v in variables if v.persistable and v.type.type == DENSE_TENSOR)


def has_operator(path: Path, kind: str) -> bool:
    """Whether a program has an operator; needs no paddle."""
    return bytes([3 << 3 | 2, len(kind)]) + kind.encode() in path.read_bytes()  # the field 3, a text, of an OpDesc


def arguments(slots: Any, name: str) -> list[str]:
    """The variables in one slot of an operator's inputs or outputs."""
    return [argument for slot in slots if slot.parameter == name for argument in slot.arguments]


def quantization_steps(limit: float) -> float:
    """What paddle 1.8 multiplies an input by, of which `limit` is the largest value; float32."""
    return float(np.float32(MAX_INT8) * (np.float32(1) / np.float32(limit)))


def read_tensors(path: Path, names: Iterable[str]) -> dict[str, NDArray]:
    """Reads a file of LoDTensors that lie one after the other.

    Args:
        path: The file.
        names: The names of all of them in order; the file has none.

    Returns:
        Name to array.

    Raises:
        ModelError: The file is missing, ends early, holds more, or something else.
    """
    from google.protobuf.message import DecodeError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the parameters cannot be read ({error.strerror}); give a complete model") from error
    tensors = {}
    offset = 0
    for name in names:
        try:
            tensors[name], offset = _read_tensor(data, offset)
        except (struct.error, DecodeError, LookupError, ValueError, ArithmeticError) as error:
            raise ModelError(
                f"{path}: the file is damaged or belongs to another model, as the parameter {name} cannot be read at "
                f"byte {offset} of {len(data)}; copy the model again"
            ) from error
    if offset != len(data):
        raise ModelError(
            f"{path}: {len(data) - offset} bytes follow the last parameter, so the file belongs to another model; "
            "copy the whole folder again"
        )
    return tensors


def _read_tensor(data: bytes, offset: int) -> tuple[NDArray, int]:
    """A tensor, and where the next one starts."""
    from paddle.base.proto.framework_pb2 import VarType

    *versions, size = struct.unpack_from(_HEADER, data, offset)
    start = offset + struct.calcsize(_HEADER)
    description = VarType.TensorDesc.FromString(data[start : start + size])
    if any(versions) or min(description.dims, default=0) < 0:
        raise ValueError("no tensor of a known version")
    count = math.prod(description.dims)
    values = np.frombuffer(data, _DTYPES[description.data_type], count, start + size).reshape(description.dims)
    return values, start + size + values.nbytes


def tensor_bytes(values: NDArray) -> bytes:
    """The LoDTensor that `read_tensors` reads."""
    from paddle.base.proto.framework_pb2 import VarType

    number = next(number for number, dtype in _DTYPES.items() if dtype == values.dtype.str)
    description = VarType.TensorDesc(data_type=number, dims=values.shape).SerializeToString()
    return struct.pack(_HEADER, 0, 0, 0, len(description)) + description + values.tobytes()
