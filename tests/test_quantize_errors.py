"""What cannot be quantised gets one sentence and exit code 2 before anything is done."""

import pytest
from conftest import ROOT, files_of

from human_segmentation.cli import run_command
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess

TRAINED = ROOT / "pretrain_weights" / "humanseg_mobile_params"
EXPORTED = ROOT / "pretrain_weights" / "humanseg_mobile_inference"


@pytest.fixture
def refusal(discs, tmp_path, capsys):
    """Runs the command on one photo, with other flags in place of or beside its own, and gives what it says."""

    def run(**changes):
        flags = {"model_dir": TRAINED, "data_dir": discs, "quant_list": discs / "val.txt", "save_dir": tmp_path / "out"}
        flags |= {"batch_nums": 1} | changes
        before = files_of(tmp_path)
        assert run_command("quant", [str(x) for name, value in flags.items() for x in (f"--{name}", value)]) == 2
        assert files_of(tmp_path) == before
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("error: ")

    return run


def write_model(folder, model, status):
    """The `model.yml` of a model, which tells what it is."""
    folder.mkdir()
    ModelConfig("HumanSegMobile", status, Preprocess()).write(folder)
    path = folder / "model.yml"
    path.write_text(path.read_text().replace("HumanSegMobile", model))
    return folder


@pytest.mark.parametrize("numbers", [(-2, -3), (0, 1), (1, 0)])
def test_numbers_below_one(refusal, numbers):
    assert refusal(batch_nums=numbers[0], batch_size=numbers[1]) == (
        f"--batch_nums {numbers[0]} --batch_size {numbers[1]}: both numbers must be 1 or more"
    )


@pytest.mark.parametrize("drop", ["nan", "inf", "-5"])
def test_impossible_drops(refusal, drop):
    sentence = f"--max_drop {float(drop)}: the number must be 0 or more; 0.5 is usual"
    assert refusal(max_drop=float(drop)) == sentence


def test_a_list_that_is_too_short(refusal, discs):
    assert refusal(batch_nums=3, batch_size=2) == (
        f"{discs / 'val.txt'}: the list has 4 photos and --batch_nums 3 times --batch_size 2 asks for 6; give a longer "
        "list or smaller numbers"
    )


@pytest.mark.parametrize("model", ["HumanSegMobile", "HRNet"])  # the second is what PaddleX 1.x calls it
def test_a_model_in_int8(refusal, tmp_path, model):
    folder = write_model(tmp_path / "int8", model, "Quant")
    assert refusal(model_dir=folder) == (
        f"{folder}: this model is in INT8 already; give the trained one that it was made of"
    )


def test_the_usual_model_is_the_one_that_training_makes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output").mkdir()
    write_model(tmp_path / "output" / "best_model", "HumanSegMobile", "Quant")
    assert run_command("quant", ["--quant_list", "photos.txt"]) == 2
    assert capsys.readouterr().err == (
        "error: output/best_model: this model is in INT8 already; give the trained one that it was made of\n"
    )


def test_an_exported_model(refusal):
    assert refusal(model_dir=EXPORTED).startswith(f"{EXPORTED}: this is an exported model; give a trained one")


@pytest.mark.parametrize("flag", ["quant_list", "val_list"])
def test_photos_without_labels_to_measure_on(refusal, tmp_path, flag):
    (tmp_path / "photos.txt").write_text("0.png\n1.png\n")
    assert refusal(**{flag: tmp_path / "photos.txt"}) == (
        f"{tmp_path / 'photos.txt'}: no row has a label, and without labels nobody sees what INT8 costs; give a list "
        "of photos and labels with --val_list"
    )


@pytest.mark.parametrize("name", ["model", "other/../model", "link"])
def test_the_model_itself_as_the_target(refusal, tmp_path, name):
    """PaddleX's exported models have files of the same names as the result."""
    folder = write_model(tmp_path / "model", "HRNet", "Infer")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(folder)
    target = tmp_path / name
    assert refusal(model_dir=folder, save_dir=target) == (
        f"{target}: the result would take the place of what it is made from; choose another folder"
    )


@pytest.mark.parametrize("name", ["export", "deep/export"])
def test_a_target_inside_the_model(refusal, tmp_path, name):
    """The folder of the model could never be written again."""
    folder = write_model(tmp_path / "model", "HRNet", "Infer")
    assert refusal(model_dir=folder, save_dir=folder / name) == (
        f"{folder / name}: the result would lie inside what it is made from; choose another folder"
    )
