"""What is wrong with a model of PaddleX 1.x gets one sentence and exit code 2, and leaves nothing behind."""

import pickle
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, names

import human_segmentation as hs
from human_segmentation.cli import run_command
from human_segmentation.errors import ModelError
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.legacy import read_trained
from human_segmentation.models.portraitnet import PortraitNet
from human_segmentation.models.weights import read_params

TRAINED = ROOT / "pretrain_weights" / "humanseg_mobile_params"
EXPORTED = ROOT / "pretrain_weights" / "humanseg_mobile_inference"


@pytest.fixture
def copied(legacy, tmp_path):
    """Copies a model, to be broken."""

    def copy(folder):
        for file in (legacy / folder).iterdir():
            (tmp_path / "model").mkdir(exist_ok=True)
            shutil.copyfile(file, tmp_path / "model" / file.name)
        return tmp_path / "model"

    return copy


@pytest.fixture
def sentence(tmp_path, capsys):
    """Runs a command that fails, and gives what it says."""

    def run(command, *args):
        before = {path: path.is_dir() for path in tmp_path.rglob("*")}
        assert run_command(command, [str(arg) for arg in args]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert {path: path.is_dir() for path in tmp_path.rglob("*")} == before
        return line.removeprefix("error: ")

    return run


def test_the_model_itself_is_not_replaced(copied, sentence):
    model = copied("mobile_inference")
    before = {file.name: file.read_bytes() for file in model.iterdir()}
    words = f"{model}: the result would take the place of what it is made from; choose another folder"
    assert sentence("import", model, model) == words
    assert sentence("export", "--model_dir", model, "--save_dir", model / ".." / "model").endswith(
        words[len(str(model)) :]
    )
    assert {file.name: file.read_bytes() for file in model.iterdir()} == before


def test_a_program_that_computes_something_else_is_not_imported(copied, sentence, tmp_path):
    model = copied("mobile_inference")
    path = model / "__model__"
    program = path.read_bytes()
    changed = program.replace(b"\x1a\x04relu", b"\x1a\x04tanh", 1)  # the type of an operator
    assert changed != program
    path.write_bytes(changed)
    line = sentence("import", model, tmp_path / "imported")
    assert "differs from what its __model__ computes" in line


def cut(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


class Evil:
    """Makes a folder when it is unpickled as pickle does."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


def test_malicious_pickle(copied, sentence, tmp_path):
    folder = copied("mobile_params")
    trap = tmp_path / "trap"
    (folder / "model.pdparams").write_bytes(pickle.dumps({"conv-1_weights": Evil(trap)}, protocol=2))
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}/model.pdparams: the parameters cannot be read (it asks for ")
    assert not trap.exists()
    pickle.loads((folder / "model.pdparams").read_bytes())
    assert trap.exists()  # so the trap was one


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_truncated_pickle(copied, sentence, tmp_path, share):
    folder = copied("mobile_params")
    cut(folder / "model.pdparams", share)
    assert "model.pdparams: the parameters cannot be read" in sentence("import", folder, tmp_path / "out")


@pytest.mark.parametrize("folder", ["mobile_inference", "mobile_quant"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99999])
def test_truncated_parameters(copied, sentence, tmp_path, folder, share):
    folder = copied(folder)
    cut(folder / "__params__", share)
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}/__params__: the file is damaged or belongs to another model, as the parameter ")
    with pytest.raises(ModelError, match="__params__: the file is damaged"):
        hs.load_model(folder)


def test_more_than_the_parameters(copied, sentence, tmp_path):
    folder = copied("mobile_inference")
    with (folder / "__params__").open("ab") as file:
        file.write(b"\0" * 7)
    assert "__params__: 7 bytes follow the last parameter" in sentence("import", folder, tmp_path / "out")


@pytest.mark.parametrize("share", [0, 0.5])
def test_truncated_program(copied, sentence, tmp_path, share):
    folder = copied("mobile_quant")
    cut(folder / "__model__", share)
    assert f"{folder}/__model__: the program is damaged" in sentence("import", folder, tmp_path / "out")


def test_quantised_parameters_without_their_program(copied, sentence, tmp_path):
    folder = copied("mobile_quant")
    (folder / "__model__").unlink()
    assert "__params__: " in sentence("import", folder, tmp_path / "out")


def test_program_without_parameters(copied, sentence, tmp_path):
    folder = copied("mobile_inference")
    (folder / "__params__").unlink()
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}/conv-1_weights: the parameters cannot be read (No such file")
    (folder / "__model__").unlink()
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}: the parameters are missing; give a folder with model.pdparams, __params__ or")


@pytest.mark.parametrize("file", ["__model__", "__params__"])
def test_incomplete_where_it_is_to_run(copied, file):
    folder = copied("mobile_inference")
    (folder / file).unlink()
    with pytest.raises(ModelError, match=rf"{file} is missing, which Paddle runs; .*export\.legacy {folder} output"):
        hs.load_model(folder)


def test_parameters_of_another_shape(copied, sentence, tmp_path):
    folder = copied("mobile_params")
    config = folder / "model.yml"
    config.write_text(config.read_text().replace("num_classes: 2", "num_classes: 3"))
    assert sentence("import", folder, tmp_path / "out") == (
        f"{folder}: the parameter conv_1.weight has the shape [2, 240, 1, 1] and the network [3, 240, 1, 1]; "
        "give weights of the same model type, width, number of classes and prior channel"
    )


def test_parameters_of_another_network(copied, sentence, tmp_path):
    folder = copied("mobile_params")
    config = folder / "model.yml"
    config.write_text(config.read_text().replace("Model: HRNet", "Model: DeepLabv3p"))
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}: the parameter xception_65.entry_flow.conv1.conv.weight is missing")


def test_parameter_that_is_missing(copied, sentence, tmp_path):
    folder = copied("mobile_params")
    params = read_params(folder / "model.pdparams")
    del params["st3_1_layer_2_3_bn_scale"]
    (folder / "model.pdparams").write_bytes(pickle.dumps(params, protocol=2))
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}: the parameter st3_1.layer_2_3.bn.weight is missing")


def test_unknown_model(copied, sentence, tmp_path):
    folder = copied("mobile_inference")
    config = folder / "model.yml"
    config.write_text(config.read_text().replace("Model: HRNet", "Model: YOLOv3"))
    expected = (
        f"{config}: the model YOLOv3 is unknown; give a model of one of "
        "HumanSegMobile, HumanSegServer, PortraitNet, or of PaddleX 1.x HRNet with width 18_small_v1 or DeepLabv3p "
        "with backbone Xception65 and the other options as usual"
    )
    assert sentence("import", folder, tmp_path / "out") == expected
    flags = ["--model_dir", folder, "--image_path", ROOT / "data/human_image.jpg", "--background_color", "#00b140"]
    assert sentence("replace", *flags, "--save_dir", tmp_path / "out") == expected


@pytest.mark.parametrize("folder", [TRAINED, EXPORTED])
def test_a_model_that_needs_no_import(sentence, tmp_path, folder):
    said = sentence("import", folder, tmp_path / "out")
    assert said == f"{folder}: this is no model of PaddleX 1.x and needs no import; use it as it is"


def test_never_in_place(copied, sentence):
    folder = copied("mobile_params")
    assert sentence("import", folder, folder).endswith("choose another folder")
    assert names(folder) == ["model.pdparams", "model.yml"]


def test_target_that_cannot_be_written(legacy, sentence, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in sentence("import", legacy / "mobile_params", tmp_path / "file" / "out")


def test_trained_where_an_exported_one_is_needed(legacy, sentence, tmp_path):
    folder = legacy / "mobile_params"
    flags = ["--model_dir", folder, "--image_path", ROOT / "data/human_image.jpg", "--background_color", "#00b140"]
    assert sentence("replace", *flags, "--save_dir", tmp_path / "out") == (
        f"{folder}: this is a trained model and an exported one is needed; "
        f"run: python export.py --model_dir {folder} --save_dir output/export"
    )


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_engine_that_needs_an_import(legacy, engine):
    folder = legacy / "mobile_inference"
    with pytest.raises(ModelError, match=rf"{engine} cannot run .*human_segmentation\.export\.legacy {folder}"):
        hs.load_model(folder, engine=engine)


def test_a_network_that_cannot_be_imported(copied, sentence, tmp_path, capsys):
    folder = copied("mobile_inference")
    config = folder / "model.yml"
    config.write_text(config.read_text().replace("width: 18_small_v1", "width: 18"))
    said = sentence("import", folder, tmp_path / "out")
    assert said.startswith(f"{folder}: the model HRNet with width 18 is unknown; give a model of one of ")
    assert "PaddleX 1.x HRNet with width 18_small_v1 or DeepLabv3p with backbone Xception65" in said
    hs.load_model(folder)  # Paddle runs it
    assert "import" not in capsys.readouterr().out
    with pytest.raises(ModelError, match=r"openvino cannot run .* as it is; give the whole folder, without --engine"):
        hs.load_model(folder, engine="openvino")
    (folder / "__params__").unlink()
    with pytest.raises(ModelError, match=r"__params__ is missing, .* runs; give the whole folder, without --engine"):
        hs.load_model(folder)


def test_exported_where_a_trained_one_is_needed(sentence, tmp_path, discs):
    assert sentence("export", "--model_dir", EXPORTED, "--save_dir", tmp_path / "out") == (
        f"{EXPORTED}: this is an exported model; give a trained one, which train.py makes, such as "
        f"{EXPORTED.with_name('humanseg_mobile_params')}"
    )
    lists = ["--data_dir", discs, "--train_list", discs / "train.txt", "--val_list", discs / "val.txt"]
    said = sentence("train", *lists, "--pretrain_weights", EXPORTED, "--save_dir", tmp_path / "run")
    assert said.startswith(f"{EXPORTED}: this is an exported model; give a trained one, which train.py makes")


def test_a_network_that_paddlex_had_not(legacy):
    found = read_trained(legacy / "mobile_params", PortraitNet())
    assert not set(found) & set(PortraitNet().state_dict())  # which load_params then says


def test_unknown_quantisation(copied, sentence, tmp_path):
    folder = copied("mobile_quant")
    program = (folder / "__model__").read_bytes()
    old, new = b"fake_quantize_range_abs_max", b"fake_quantize_dequantize_xy"
    assert len(old) == len(new)
    (folder / "__model__").write_bytes(program.replace(old, new))
    said = sentence("import", folder, tmp_path / "out")
    assert "fake_quantize_dequantize_xy is a quantisation that is unknown here" in said


def test_tensor_of_an_impossible_shape(legacy, tmp_path):
    data = bytearray((legacy / "mobile_inference" / "__params__").read_bytes())
    assert data[20:27] == b"\x08\x05\x10\x02\x10\xf0\x01"  # float32 [2, 240, ...
    for sides in (b"\x10\x02\x10\xff\x7f", b"\x10\xff\x7f\x10\x02"):
        data[22:27] = sides
        (tmp_path / "__params__").write_bytes(data)
        with pytest.raises(ModelError, match=r"the parameter conv-\d\w+ cannot be read at byte \d+ of 6048464"):
            read_trained(tmp_path, HumanSegMobile())
