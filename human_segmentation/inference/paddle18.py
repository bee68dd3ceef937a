"""A program that paddle 1.8 quantised, changed so that today's Paddle computes the same."""

from pathlib import Path
from typing import Any

import numpy as np

from human_segmentation.errors import ModelError
from human_segmentation.paddle_files import (
    DEQUANTIZE,
    FLOAT_ATTRIBUTE,
    QUANTIZE,
    arguments,
    parameter_names,
    quantization_steps,
    read_program,
    read_tensors,
    tensor_bytes,
)

ONE = "~one"  # behind all other names, as the file is in their order


def as_paddle_18(program_path: Path, params_path: Path) -> tuple[bytes, bytes]:
    """Rewrites a quantised program.

    Paddle 1.8 rounded halves to even, and behind a convolution computed x * (weights' scale * input's scale). Paddle 3
    rounds halves away from zero and computes (x * weights' scale) * input's scale. The layers behind make many other
    roundings of a few: the masks of the two had an IoU of 0.945.

    Args:
        program_path: The `__model__` file.
        params_path: The `__params__` file.

    Returns:
        The contents of the two files.

    Raises:
        ModelError: A file is damaged.
    """
    program = read_program(program_path)
    tensors = read_tensors(params_path, parameter_names(program))
    block = program.blocks[0]
    operators = list(block.ops)
    del block.ops[:]
    try:
        for operator in operators:
            if operator.type in QUANTIZE:
                _quantize(block, operator, tensors[arguments(operator.inputs, "InScale")[0]].item())
                continue
            if operator.type == DEQUANTIZE:
                (scales,) = (slot.arguments for slot in operator.inputs if slot.parameter == "Scales")
                of_weights, of_input = scales
                tensors[of_weights] = tensors[of_weights] * tensors[of_input]
                scales[1] = ONE
                if ONE not in tensors:
                    tensors[ONE] = np.ones_like(tensors[of_input])
                    block.vars.add().CopyFrom(next(variable for variable in block.vars if variable.name == of_input))
                    block.vars[-1].name = ONE
            block.ops.add().CopyFrom(operator)
    except (LookupError, ValueError) as error:
        raise ModelError(f"{program_path}: the program is damaged ({error}); copy the model again") from error
    return program.SerializeToString(), b"".join(tensor_bytes(tensors[name]) for name in sorted(tensors))


def _quantize(block: Any, operator: Any, limit: float) -> None:
    """Adds the operators that round to 255 steps as paddle 1.8 did."""
    (source,), (target,) = arguments(operator.inputs, "X"), arguments(operator.outputs, "Out")
    steps = {
        "clip": {"min": -limit, "max": limit},
        "scale": {"scale": quantization_steps(limit), "bias": 0.0},
        "round": {},
    }
    for kind, attributes in steps.items():
        added = block.ops.add(type=kind)
        added.inputs.add(parameter="X", arguments=[source])
        added.outputs.add(parameter="Out", arguments=[target])
        for name, value in attributes.items():
            added.attrs.add(name=name, type=FLOAT_ATTRIBUTE, f=value)
        source = target
