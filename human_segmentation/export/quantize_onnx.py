"""INT8 `model.onnx` by ONNX Runtime's post-training quantisation (QDQ), which OpenVINO runs in INT8 too.

On HumanSegMobile, NNCF gives the same mIoU within 0.1 points, but a file three times the size that ONNX Runtime runs
slower than fp32.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

RANKING_TENSORS = 2


class _Reader:
    """Gives calibration tensors one by one, as ONNX Runtime wants them."""

    def __init__(self, name: str, tensors: Sequence[NDArray[np.float32]]) -> None:
        self._feeds = iter([{name: tensor} for tensor in tensors])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


class OnnxQuantizer:
    """Quantises weights per channel to int8 and activations per tensor to uint8.

    Processors without VNNI add two products in 16 bits, which overflow where weights have 8 bits; 7 are safe. Where a
    channel is filtered by itself there is no such sum, and weights keep 8.

    Args:
        source: The float model.
        tensors: float32 [N, C, H, W] each, inputs that show the ranges of the activations.
        weight_bits: 7 or 8.

    Attributes:
        layers: Weight of each convolution, by Paddle's name for it, to the name of its node.
    """

    def __init__(self, source: Path, tensors: Sequence[NDArray[np.float32]], weight_bits: int = 7) -> None:
        import onnx
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self._folder = tempfile.TemporaryDirectory()
        self._tensors = tensors
        self._weight_bits = weight_bits
        self._prepared = Path(self._folder.name) / "prepared.onnx"
        quant_pre_process(str(source), str(self._prepared), skip_symbolic_shape=True)
        # Preparing renames weights, but no nodes.
        nodes = onnx.load(str(source)).graph.node
        self.layers = {node.input[1]: node.name for node in nodes if node.op_type in ("Conv", "ConvTranspose")}
        graph = onnx.load(str(self._prepared)).graph
        depthwise = [node.input[1] for node in graph.node if any(a.name == "group" and a.i > 1 for a in node.attribute)]
        whole = {"quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": False, "axis": 0}
        self._overrides = {weight: [whole] for weight in depthwise} if weight_bits == 7 else {}
        names = [node.name for node in graph.node]
        # An interpolation and a softmax, which stay in float, so that scores keep their steps.
        self._last = names[max(names.index(name) for name in self.layers.values()) + 1 :]
        self._input = graph.input[0].name

    def quantize(
        self,
        target: Path,
        excluded: Sequence[str] = (),
        only: Sequence[str] = (),
        tensors: Sequence[NDArray[np.float32]] | None = None,
    ) -> None:
        """Writes the INT8 model.

        Args:
            target: The file to write.
            excluded: Weights whose layers stay in float.
            only: Weights whose layers alone are quantised; empty for all.
            tensors: Other inputs than those of the quantiser.
        """
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        quantize_static(
            str(self._prepared),
            str(target),
            _Reader(self._input, self._tensors if tensors is None else tensors),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=self._weight_bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[self.layers[weight] for weight in excluded] + self._last,
            nodes_to_quantize=[self.layers[weight] for weight in only] or None,
            extra_options={"TensorQuantOverrides": self._overrides},
        )

    def ranking(self) -> list[str]:
        """All weights, those first whose layer's quantisation alone moves the scores most."""
        tensors = self._tensors[:RANKING_TENSORS]
        expected = self._scores(self._prepared, tensors)
        one = Path(self._folder.name) / "one.onnx"
        errors = {}
        for weight in tqdm(self.layers, desc="sensitivity of layers", disable=None):
            self.quantize(one, only=[weight], tensors=tensors)
            errors[weight] = float(np.abs(self._scores(one, tensors) - expected).mean())
        return sorted(errors, key=lambda weight: -errors[weight])

    def _scores(self, path: Path, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        # Photos of different aspects can give scores of different sizes.
        return np.concatenate([session.run(None, {self._input: tensor})[0].ravel() for tensor in tensors])


# It recommends the preparation that was done.
logging.getLogger().addFilter(lambda record: "pre-processing before quantization" not in record.getMessage())
