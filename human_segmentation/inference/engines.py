"""What runs an exported network: OpenVINO, ONNX Runtime or Paddle Inference, behind one call.

Each engine is imported only when it is chosen, so that a model runs where the others are not installed.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError, ModelError
from human_segmentation.inference.paddle18 import as_paddle_18
from human_segmentation.inference.upsampling import as_products
from human_segmentation.paddle_files import (
    DEQUANTIZE,
    INT8,
    PARAMS_FILE,
    PROGRAM_FILE,
    has_operator,
    parameter_names,
    read_program,
    read_tensors,
)

ONNX_FILE = "model.onnx"
PADDLE_FILES = (PROGRAM_FILE, PARAMS_FILE)
KEPT_SHAPES = 8
"""Shapes for which a compiled network is kept, of photos that differ in their aspect."""


class Engine(Protocol):
    """A network that is ready to run."""

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps a float32 [N, 3 or 4, H, W] to what the model was exported with.

        That is softmax scores, float32 [N, classes, H, W], or classes, int32 [N, H, W].
        """
        ...


class OpenVINOEngine:
    """OpenVINO on the CPU, the fastest there.

    Args:
        folder: An exported model with `model.onnx`, or else with `__model__` and `__params__` in float.
        threads: CPU threads; None leaves it to OpenVINO.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._core = openvino_core()
        if (folder / ONNX_FILE).is_file():
            reader = _onnx_reader()
            self._model = reader.convert(reader.load(folder / ONNX_FILE))
            if not self._model.inputs:
                raise ModelError(f"{folder / ONNX_FILE}: the file is empty; export or copy the model again")
        else:
            self._model = self._core.read_model(*((folder / name).read_bytes() for name in PADDLE_FILES))
        # Newer CPUs would compute in bfloat16 by default, which moves scores by several hundredths.
        self._options: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._request = functools.lru_cache(KEPT_SHAPES)(self._compiled)

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine`. The network is compiled for each shape when it comes for the first time."""
        request = self._request(tensor.shape)
        request.infer([tensor])
        return request.get_output_tensor().data.copy()

    def _compiled(self, shape: tuple[int, ...]) -> Any:
        model = self._model.clone()
        model.reshape(list(shape))
        # A product with the reciprocal rounds otherwise, which changes the masks of models that PaddleX quantised.
        for operator in model.get_ops():
            if operator.get_type_name() == "Divide":
                operator.get_rt_info()["nonconvertable_divide_0"] = True
        as_products(model)
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()


@functools.cache
def openvino_core() -> Any:
    """The one core of this process, which is never freed.

    Each core has a stack for signal handlers. Of two that are freed in the order in which they were made, the second
    puts back the first one's stack, which is gone; the next signal, such as Ctrl-C, would be a segmentation fault.
    """
    import openvino

    return openvino.Core()


@functools.cache
def _onnx_reader() -> Any:
    """Reads ONNX alone: of itself, OpenVINO tries every format on a damaged file and prints what each of them says.

    It must live as long as the models that it reads.
    """
    from openvino.frontend import FrontEndManager

    return FrontEndManager().load_by_framework("onnx")


class ONNXRuntimeEngine:
    """ONNX Runtime on the CPU. Arguments as for `OpenVINOEngine`."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(folder / ONNX_FILE, options, ["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine`."""
        return self._session.run(None, {self._input: tensor})[0]


class PaddleEngine:
    """Paddle Inference with oneDNN on the CPU; also runs models that PaddleX 1.x exported.

    Args:
        folder: An exported model with `__model__` and `__params__`.
        threads: CPU threads; None takes one.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        from paddle import inference

        paths = folder / PROGRAM_FILE, folder / PARAMS_FILE
        config = inference.Config(*map(str, paths))
        read_tensors(paths[1], parameter_names(read_program(paths[0])))  # Paddle notices no missing end
        if has_operator(paths[0], DEQUANTIZE):
            config = inference.Config()
            program, params = as_paddle_18(*paths)
            config.set_model_buffer(program, len(program), params, len(params))
            config.switch_ir_optim(False)  # it puts the scales into the weights, which rounds otherwise
        if has_operator(paths[0], "round"):
            config.switch_ir_optim(False)  # oneDNN keeps pixels in an order in which rounding takes ten times as long
        config.disable_gpu()
        config.enable_new_ir(False)  # oneDNN works with the old one only
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(threads or 1)
        config.disable_glog_info()
        self._predictor = inference.create_predictor(config)
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        # PaddleX 1.x has two outputs, the classes and then the scores; a model of today has the scores alone.
        self._output = self._predictor.get_output_handle(self._predictor.get_output_names()[-1])

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine`."""
        self._input.copy_from_cpu(np.ascontiguousarray(tensor))
        self._predictor.run()
        return self._output.copy_to_cpu()


# Name on the command line -> class, the package that it needs, the sets of files that it reads; the fastest first.
ENGINES: dict[str, tuple[type, str, tuple[tuple[str, ...], ...]]] = {
    "openvino": (OpenVINOEngine, "openvino", ((ONNX_FILE,), PADDLE_FILES)),
    "onnxruntime": (ONNXRuntimeEngine, "onnxruntime", ((ONNX_FILE,),)),
    "paddle": (PaddleEngine, "paddle", (PADDLE_FILES,)),
}


def model_files(folder: Path, name: str) -> tuple[str, ...]:
    """The files of an exported model that an engine, a key of `ENGINES`, reads; none where it cannot read the model."""
    for files in ENGINES[name][2]:
        there = all((folder / file).is_file() for file in files)
        # Of what Paddle quantised, OpenVINO knows nothing.
        if there and not (name == "openvino" and files == PADDLE_FILES and has_operator(folder / PROGRAM_FILE, INT8)):
            return files
    return ()


def megabytes(folder: Path, name: str) -> float:
    """Size of what an engine, a key of `ENGINES`, reads of an exported model, in 10^6 bytes."""
    return sum((folder / file).stat().st_size for file in model_files(folder, name)) / 1e6


def load_engine(folder: Path, name: str = "auto", threads: int | None = None) -> Engine:
    """Loads an exported network.

    Args:
        folder: The folder of the exported model.
        name: A key of `ENGINES`, or "auto" for the first that is installed and has its files.
        threads: CPU threads; None leaves it to the engine.

    Raises:
        DeviceError: There is no such engine, it is not installed, or the number of threads is impossible.
        ModelError: A file is missing or damaged.
    """
    if name not in ("auto", *ENGINES):
        raise DeviceError(f"{name}: there is no such engine; choose auto, {', '.join(ENGINES)}")
    if threads is not None and threads < 1:
        raise DeviceError(f"threads {threads}: the number must be 1 or more")
    installed = [key for key, (_, package, _) in ENGINES.items() if importlib.util.find_spec(package)]
    if name == "auto":
        readers = [key for key in ENGINES if model_files(folder, key)]
        if not readers:
            raise ModelError(
                f"{folder}: neither {ONNX_FILE} nor both {PROGRAM_FILE} and {PARAMS_FILE} are there; "
                "give the folder of an exported model"
            )
        usable = [key for key in readers if key in installed]
        if not usable:
            raise DeviceError(
                f"{folder}: no engine that reads this model is installed; run: pip install {_pip_name(readers[0])}"
            )
        name = usable[0]
    if name not in installed:
        raise DeviceError(f"the engine {name} is not installed; run: pip install {_pip_name(name)}")
    if not model_files(folder, name):
        missing = next(file for file in ENGINES[name][2][0] if not (folder / file).is_file())
        raise ModelError(
            f"{folder}: {missing} is missing, which the engine {name} reads; "
            "copy the whole folder or export the model again with export.py"
        )
    try:
        return ENGINES[name][0](folder, threads)
    except ModelError:
        raise
    except Exception as error:  # each library has exceptions of its own for a damaged file
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder}: {name} cannot load the model ({reason}); export or copy it again") from error


def _pip_name(name: str) -> str:
    return "paddlepaddle" if name == "paddle" else name
