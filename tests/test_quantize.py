import re
import subprocess
import sys

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT, names
from paddle import nn

import human_segmentation as hs
from human_segmentation.datasets.list_file import Sample, read_list
from human_segmentation.errors import ModelError
from human_segmentation.export.artifact import export_model
from human_segmentation.export.quantize import quantize_model
from human_segmentation.export.quantize_onnx import OnnxQuantizer
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.models.layers import ConvBN
from human_segmentation.training.checkpoint import load_network
from human_segmentation.training.recipes import RECIPES
from human_segmentation.video.video_source import VideoSource

onnx = pytest.importorskip("onnx")
TRAINED = ROOT / "pretrain_weights" / "humanseg_mobile_params"
SIZE = 192


@pytest.fixture(scope="module")
def model():
    """The network that ships."""
    return load_network(TRAINED)


@pytest.fixture(scope="module")
def photos(tmp_path_factory, model):
    """A list of frames of the sample clip, labelled by the float model, so that its mIoU is 100.

    Only of their upper two thirds: the scores of the helmet below are around a half, and fall to either side.
    """
    folder = tmp_path_factory.mktemp("photos")
    export_model(*model, folder / "float")
    predictor = hs.load_model(folder / "float")
    rows = []
    with VideoSource(ROOT / "data" / "video_test.mp4") as source:
        for index, frame in enumerate(source):
            if index % 15 == 10:
                upper = np.ascontiguousarray(frame.image[: frame.image.shape[0] * 2 // 3])
                cv2.imwrite(str(folder / f"{index}.png"), upper)
                cv2.imwrite(str(folder / f"{index}_mask.png"), np.uint8(255) * (predictor.alpha(upper) > 0.5))
                rows.append(f"{index}.png {index}_mask.png\n")
    (folder / "list.txt").write_text("".join(rows))
    return folder


@pytest.fixture(scope="module")
def quantized(model, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantized") / "out"
    samples = read_list(photos / "list.txt", photos)
    return folder, quantize_model(*model, samples[:4], samples, folder)


def test_int8_keeps_the_mask_on_every_engine(quantized):
    folder, report = quantized
    assert {(row.precision, row.engine) for row in report.measurements} == {
        (precision, engine) for precision in ("fp32", "INT8") for engine in ENGINES
    }
    for row in report.measurements:
        assert row.miou > (0.999 if row.precision == "fp32" else 0.995), row
        assert row.megabytes < (6.5 if row.precision == "fp32" else 2.05), row
    assert not report.kept
    assert {path.name for path in folder.iterdir()} == {"__model__", "__params__", "model.onnx", "model.yml"}
    written = ModelConfig.read(folder)
    assert (written.status, written.metrics) == ("Quant", {})


def test_what_is_written_is_int8(quantized):
    folder, _ = quantized
    graph = onnx.load(str(folder / "model.onnx")).graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 73
    for node in convolutions:
        weight = producers[node.input[1]]
        assert weight.op_type == "DequantizeLinear"
        values, scales = (initializers[name] for name in weight.input[:2])
        assert values.data_type == onnx.TensorProto.INT8
        assert scales.dims == [values.dims[0]]  # one for each output channel
        assert producers[node.input[0]].op_type == "DequantizeLinear"
    # Scores keep the steps of a float.
    softmax = producers[graph.output[0].name]
    assert (softmax.op_type, producers[softmax.input[0]].op_type) == ("Softmax", "Resize")
    assert b"quantize_linear" in (folder / "__model__").read_bytes()
    assert b"dequantize_linear" in (folder / "__model__").read_bytes()


@pytest.mark.parametrize(("folder", "bits"), [("humanseg_mobile_quant", 7), ("portraitnet_quant", 8)])
def test_bits_of_the_weights_that_ship(folder, bits):
    """Seven, where the sum of two products would overflow its 16 bits without VNNI."""
    assert largest_weights(ROOT / "pretrain_weights" / folder / "model.onnx")[False] == 2 ** (bits - 1) - (bits == 8)


def test_a_channel_that_is_filtered_by_itself_keeps_eight_bits(tmp_path):
    paddle.seed(0)
    network = nn.Sequential(ConvBN(3, 8, 3), nn.Conv2D(8, 8, 3, groups=8), nn.Conv2D(8, 2, 1))
    config = ModelConfig("HumanSegMobile", "Normal", RECIPES["HumanSegMobile"].preprocess.resized(32, 32))
    export_model(network, config, tmp_path / "float")
    noise = np.random.default_rng(0).standard_normal((1, 3, 32, 32), np.float32)
    OnnxQuantizer(tmp_path / "float" / "model.onnx", [noise]).quantize(tmp_path / "int8.onnx")
    assert largest_weights(tmp_path / "int8.onnx") == {False: 64, True: 127}


@pytest.mark.parametrize(("name", "largest"), [("HumanSegMobile", 64), ("HumanSegServer", 64), ("PortraitNet", 127)])
def test_bits_of_the_weights_are_those_of_the_model(photos, tmp_path, name, largest):
    paddle.seed(0)
    network = nn.Sequential(ConvBN(3, 8, 3), nn.Conv2D(8, 2, 1))
    config = ModelConfig(name, "Normal", RECIPES[name].preprocess.resized(32, 32))
    samples = read_list(photos / "list.txt", photos)[:1]
    report = quantize_model(network, config, samples, samples, tmp_path / "out", max_drop=100)
    assert not report.kept
    assert largest_weights(tmp_path / "out" / "model.onnx") == {False: largest}


def largest_weights(path):
    """The largest size of a weight in INT8: of layers that add channels, and of those that filter each by itself."""
    graph = onnx.load(str(path)).graph
    initializers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    largest = {}
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            weight = initializers[producers[node.input[1]].input[0]].astype(int)
            alone = any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
            largest[alone] = max(largest.get(alone, 0), int(abs(weight).max()))
    return largest


@pytest.mark.parametrize("engine", ENGINES)
def test_scores_are_near_those_of_the_float_model(engine, quantized, photos):
    frame = cv2.imread(str(photos / "25.png"))
    expected = hs.load_model(photos / "float").alpha(frame)
    found = hs.load_model(quantized[0], engine=engine).alpha(frame)
    assert 0 < np.abs(found - expected).mean() < 0.01


def ruin(layer, behind):
    """Makes one channel a thousand times as large as the others, and the weights that read it as much smaller."""
    channel = int(np.argmax(abs(layer.bn.weight.numpy())))
    for parameter in (layer.bn.weight, layer.bn.bias):
        values = parameter.numpy()
        values[channel] *= 1000
        parameter.set_value(values)
    weight = behind.weight.numpy()
    weight[:, channel] /= 1000
    behind.weight.set_value(weight)


def test_layers_that_int8_ruins_stay_in_float(photos, tmp_path):
    """What the first of the two writes and what the second reads is ruined: both must stay."""
    paddle.seed(1)
    network = nn.Sequential(ConvBN(3, 32, 7), ConvBN(32, 32, 5), ConvBN(32, 32, 5), nn.Conv2D(32, 2, 1))
    ruin(network[1], network[2].conv)
    config = ModelConfig("HumanSegMobile", "Normal", RECIPES["HumanSegMobile"].preprocess.resized(64, 64))
    export_model(network, config, tmp_path / "float")
    predictor = hs.load_model(tmp_path / "float")
    samples = []
    for sample in read_list(photos / "list.txt", photos):
        label = tmp_path / sample.image.name
        cv2.imwrite(str(label), np.uint8(255) * (predictor.alpha(cv2.imread(str(sample.image))) > 0.5))
        samples.append(Sample(sample.image, label))
    report = quantize_model(network, config, samples[:4], samples, tmp_path / "out", max_drop=3.0)
    assert report.kept == ["1.conv.weight", "2.conv.weight"]
    floats = {row.engine: row.miou for row in report.measurements if row.precision == "fp32"}
    assert min(floats.values()) > 0.999
    assert all(row.miou > floats[row.engine] - 0.03 for row in report.measurements)


def test_a_bound_that_cannot_be_met_names_layers_and_leaves_nothing(tmp_path):
    """Photos of two aspects have two sizes in the network; its last layers are ruined as in the test above."""
    paddle.seed(0)
    network = nn.Sequential(ConvBN(3, 8, 3), ConvBN(8, 8, 3), nn.Conv2D(8, 2, 1))
    ruin(network[1], network[2])
    config = ModelConfig("PortraitNet", "Normal", RECIPES["PortraitNet"].preprocess.resized(64, 64))
    noise = np.random.default_rng(0)
    samples = []
    for width in (24, 48):  # 32 and 64 in the network
        image, label = tmp_path / f"{width}.png", tmp_path / f"{width}_mask.png"
        cv2.imwrite(str(image), noise.integers(0, 256, (48, width, 3), dtype=np.uint8))
        cv2.imwrite(str(label), np.uint8(255) * noise.integers(0, 2, (48, width), dtype=np.uint8))
        samples.append(Sample(image, label))
    before = names(tmp_path)
    with pytest.raises(ModelError, match="more than --max_drop -100; the layers that hurt most are ") as caught:
        quantize_model(network, config, samples, samples, tmp_path / "out", max_drop=-100)
    layers = re.findall(r"\w+(?:\.conv)?\.weight", str(caught.value))
    assert set(layers[:2]) == {"1.conv.weight", "2.weight"}
    assert layers[2:] == ["0.conv.weight"]
    assert names(tmp_path) == before


def command(*args):
    call = [sys.executable, "quant_offline.py", *map(str, args)]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)


def test_command_of_the_tutorial(photos, tmp_path):
    flags = ["--model_dir", TRAINED, "--data_dir", photos, "--quant_list", photos / "list.txt"]
    flags += ["--save_dir", tmp_path / "out", "--image_shape", SIZE, SIZE]
    done = command(*flags, "--batch_nums", 3, "--batch_size", 2)
    assert done.returncode == 0, done.stderr[-1000:]
    table = {tuple(line.split()[:2]): float(line.split()[2]) for line in done.stdout.splitlines() if "INT8" in line}
    assert set(table) == {("INT8", engine) for engine in ENGINES}
    assert min(table.values()) > 99.5
    assert ModelConfig.read(tmp_path / "out").preprocess.width == SIZE
