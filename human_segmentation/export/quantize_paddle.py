"""INT8 `__model__` and `__params__` by Paddle's post-training quantisation, which Paddle Lite's opt reads."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.static.quantization import PostTrainingQuantization

from human_segmentation.paddle_files import PARAMS_FILE, PROGRAM_FILE

ALGORITHMS = ("avg", "abs_max", "hist", "KL", "mse", "emd", "min_max")
QUANTIZED_OPERATORS = ["conv2d", "depthwise_conv2d"]
INPUT = "image"


def paddleslim() -> Callable[..., None] | None:
    """PaddleSlim's `quant_post_static`; None where PaddleSlim or something that it needs is not installed."""
    try:
        from paddleslim.quant import quant_post_static
    except ImportError:
        return None
    return quant_post_static


def quantize_paddle(
    source: Path, target: Path, tensors: Sequence[NDArray[np.float32]], algorithm: str, excluded: Sequence[str] = ()
) -> None:
    """Quantises weights per channel and activations per tensor to int8, by PaddleSlim where it is installed.

    Args:
        source: Folder of an exported model.
        target: Folder for the quantised program and its parameters.
        tensors: float32 [N, C, H, W] each, inputs that show the ranges of the activations.
        algorithm: How ranges follow from what was seen, one of `ALGORITHMS`.
        excluded: Weights whose layers stay in float.
    """
    with paddle.pir_utils.OldIrGuard():
        paddle.enable_static()
        try:
            (paddleslim() or _call_paddle)(
                executor=paddle.static.Executor(paddle.CPUPlace()),
                model_dir=str(source),
                quantize_model_path=str(target),
                model_filename=PROGRAM_FILE,
                params_filename=PARAMS_FILE,
                save_model_filename=PROGRAM_FILE,
                save_params_filename=PARAMS_FILE,
                data_loader=lambda: ({INPUT: tensor} for tensor in tensors),
                batch_nums=len(tensors),
                algo=algorithm,
                hist_percent=0.99999,  # Paddle's; PaddleSlim has another
                quantizable_op_type=QUANTIZED_OPERATORS,
                weight_quantize_type="channel_wise_abs_max",
                onnx_format=True,
                skip_tensor_list=list(excluded) or None,
            )
        finally:
            paddle.disable_static()
    # Paddle adds endings of its own.
    (target / f"{PROGRAM_FILE}.pdmodel").rename(target / PROGRAM_FILE)
    (target / f"{PROGRAM_FILE}.pdiparams").rename(target / PARAMS_FILE)


def _call_paddle(quantize_model_path: str, save_model_filename: str, save_params_filename: str, **options: Any) -> None:
    """What PaddleSlim's function does, with the class of Paddle that it calls."""
    quantizer = PostTrainingQuantization(**options)
    quantizer.quantize()
    quantizer.save_quantized_model(quantize_model_path, save_model_filename, save_params_filename)
