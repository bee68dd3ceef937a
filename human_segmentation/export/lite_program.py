"""Changes to a program so that Paddle Lite's opt 2.12 converts it, for PaddleX's Android demo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import ModelError
from human_segmentation.paddle_files import arguments

LABELS = "labels"
_QUANTIZE, _DEQUANTIZE = "quantize_linear", "dequantize_linear"


def add_labels(model_dir: Path, program: Any) -> None:
    """Puts the classes, int64 [N, H, W], before the scores: the demo reads both. PaddleX 1.x has both already.

    Raises:
        ModelError: The program gives no scores.
    """
    from paddle.base.proto.framework_pb2 import AttrType, VarType

    block = program.blocks[0]
    if [operator.type for operator in block.ops].count("fetch") == 2:
        return
    fetch = block.ops.pop()
    (scores,) = arguments(fetch.inputs, "X")
    (kind,) = (variable.type for variable in block.vars if variable.name == scores)
    if kind.dense_tensor.tensor.data_type != VarType.FP32:
        raise ModelError(
            f"{model_dir}: the model gives classes and the demo draws scores; export it without --output_op argmax"
        )
    added = block.vars.add(name=LABELS, type=kind)
    added.type.dense_tensor.tensor.data_type = VarType.INT64
    del added.type.dense_tensor.tensor.dims[1]
    operator = block.ops.add(type="arg_max")
    operator.inputs.add(parameter="X", arguments=[scores])
    operator.outputs.add(parameter="Out", arguments=[LABELS])
    operator.attrs.add(name="axis", type=AttrType.Value("LONG"), l=1)
    operator.attrs.add(name="dtype", type=AttrType.Value("INT"), i=VarType.INT64)
    for name in ("keepdims", "flatten"):
        operator.attrs.add(name=name, type=AttrType.Value("BOOLEAN"), b=False)
    for column, name in enumerate((LABELS, scores)):
        block.ops.add().CopyFrom(fetch)
        block.ops[-1].inputs[0].arguments[:] = [name]
        next(attribute for attribute in block.ops[-1].attrs if attribute.name == "col").i = column


def quantize_only_convolutions(program: Any, tensors: Mapping[str, NDArray]) -> bool:
    """Leaves rounding to the inputs of convolutions whose weights are INT8.

    Paddle 3 rounds what every layer reads, and opt takes a layer that reads rounded values for an INT8 one: it stops at
    a convolution with float weights, and gives a transposed one, whose weights are float, the INT8 kernel for arm.

    Args:
        program: The `ProgramDesc`.
        tensors: Its parameters by name.

    Returns:
        Whether there are such convolutions.
    """
    block = program.blocks[0]
    rounded, origins, weights = {}, {}, set()
    for operator in block.ops:
        if operator.type in (_QUANTIZE, _DEQUANTIZE):
            (source,), (target,) = arguments(operator.inputs, "X"), arguments(operator.outputs, "Y")
            if operator.type == _QUANTIZE:
                rounded[target] = source
            elif source in tensors:
                weights.add(target)
            else:
                origins[target] = rounded[source]
    for operator in block.ops:
        if not weights.intersection(arguments(operator.inputs, "Filter")):
            for slot in operator.inputs:
                slot.arguments[:] = [origins.get(name, name) for name in slot.arguments]
    read: set[str] = set()
    for index in reversed(range(len(block.ops))):
        operator = block.ops[index]
        if operator.type in (_QUANTIZE, _DEQUANTIZE) and not read.intersection(arguments(operator.outputs, "Y")):
            del block.ops[index]
        else:
            read.update(name for slot in operator.inputs for name in slot.arguments)
    return bool(weights)


def seven_bit_weights(program: Any, tensors: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Rounds INT8 weights to multiples of two, stored as [-64, 64] with twice the scale.

    Paddle Lite's x86 kernels add two products of an input in [1, 255] and a weight in 16 bits, which overflow where
    weights have 8 bits: masks of HumanSegMobile had an IoU of 0.88 with Paddle's. On arm, inputs have a sign, and the
    largest sum, 2 * 127 * 127, fits.

    Args:
        program: The `ProgramDesc`.
        tensors: Its parameters by name.

    Returns:
        The changed parameters.
    """
    changed = dict(tensors)
    for operator in program.blocks[0].ops:
        (name,) = arguments(operator.inputs, "X") if operator.type == _DEQUANTIZE else [""]
        if name in tensors:
            (scale,) = arguments(operator.inputs, "Scale")
            changed[name] = np.rint(tensors[name] / 2).astype(np.int8)
            changed[scale] = tensors[scale] * np.float32(2)
    return changed
