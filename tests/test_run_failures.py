"""Runs that end with one sentence: what they say, and what they leave."""

import contextlib
import os
import resource
import shutil
import subprocess

import numpy as np
import paddle
import pytest
from conftest import ROOT, files_of, names, write_image
from runs import run, train_command

from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import DataError, HumanSegError, ModelError, OutputError
from human_segmentation.inference.predictor import Predictor
from human_segmentation.models.layers import ConvBN
from human_segmentation.models.weights import read_params
from human_segmentation.models.zoo import build_network
from human_segmentation.training.checkpoint import find_checkpoint, load_network
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.report import write_report
from human_segmentation.training.run_log import RunLog


def fails(command, **options):
    """The one sentence of a command that must fail, and nothing beside it."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, **options)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stdout
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def out_of_range(folder):
    label = np.zeros((48, 48), np.uint8)
    label[10:, 10:], label[20:, 20:], label[40:] = 3, 20, 255
    write_image(folder / "9_mask.png", label)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "9.png").write_bytes(b"no photo"), "9.png: the file is damaged or no photo"),
        (lambda folder: (folder / "9_mask.png").write_bytes(b""), "9_mask.png: the file is empty"),
        (
            lambda folder: write_image(folder / "9_mask.png", np.zeros((40, 44), np.uint8)),
            "9_mask.png: the label has 44x40 pixels and its photo 48x48",
        ),
        (out_of_range, "9_mask.png: the label is out of range, it has the class 20"),
    ],
    ids=["photo", "label", "size", "classes"],
)
def test_a_sample_that_cannot_be_used(discs, tmp_path, spoil, sentence):
    """It is read in the worker process of a run."""
    data = shutil.copytree(discs, tmp_path / "my data")
    spoil(data)
    assert fails(train_command(data, tmp_path / "run")).startswith(f"error: {data / sentence}")
    assert not (tmp_path / "run").exists()


def test_a_background_that_cannot_be_used(discs, tmp_path):
    (tmp_path / "scene.png").write_bytes(b"no photo")
    (tmp_path / "scenes.txt").write_text("scene.png\n")
    message = fails(train_command(discs, tmp_path / "run", "--background_list", tmp_path / "scenes.txt"))
    assert message.startswith(f"error: {tmp_path / 'scene.png'}: the file is damaged")


@contextlib.contextmanager
def largest_file(size):
    """Limits the size of the files that this process writes, which stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:  # at once: a report of the tests may go to a file too
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_no_checkpoint(discs, tmp_path):
    """There is room for the weights, and none for the optimiser's state, which is twice as large."""
    folder = tmp_path / "run"
    subprocess.run(train_command(discs, folder, "--num_epochs", 1), cwd=ROOT, check=True)
    first = files_of(folder / "epoch_1")
    resumed = train_command(discs, folder, "--num_epochs", 2, "--resume_checkpoint", folder)
    size = len(first["raw.pdparams"]) + 100_000

    message = fails(resumed, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    assert message == (
        f"error: {folder / 'epoch_2'}: cannot be written (File too large); choose another place or make room\n"
    )
    assert names(folder) == ["best_model", "epoch_1", "report.html"]
    assert files_of(folder / "epoch_1") == first
    load_network(folder / "best_model")

    subprocess.run(resumed, cwd=ROOT, check=True)
    assert find_checkpoint(folder, "HumanSegMobile") == folder / "epoch_2"


def test_a_real_full_disk(discs, tmp_path):
    """One that has room for one checkpoint and the best model."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=45m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        message = fails(train_command(discs, disk / "run"))
        left = names(disk / "run")
        load_network(disk / "run" / "epoch_1")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert f"{disk / 'run' / 'epoch_2'}: cannot be written (No space left on device)" in message
    assert left == ["best_model", "epoch_1"]


def test_a_full_disk_leaves_the_old_report(trained, samples, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    network, config = load_network(trained[0] / "best_model")
    predictor = Predictor(NetworkEngine(network), config.preprocess, config.prior_channel)
    history = [dict.fromkeys(("loss", "learning_rate", "miou", "foreground_iou_per_photo", "boundary_iou"), 0.5)]
    with largest_file(1000), pytest.raises(OutputError, match=r"report\.html: cannot be written \(File too large\)"):
        write_report(path, history, predictor, samples[:1], [0.5])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "old")]


@pytest.mark.parametrize(("name", "folder"), [("use_vdl", "vdl_log"), ("tensorboard", "tensorboard")])
def test_a_full_disk_ends_the_event_file(tmp_path, name, folder):
    pytest.importorskip({"use_vdl": "visualdl", "tensorboard": "tensorboardX"}[name])
    log = RunLog(tmp_path, [name])
    log.scalars({"miou": 0.5}, 1)
    with largest_file(150), pytest.raises(OutputError, match=rf"{folder}: cannot be written \(File too large\)"):
        log.scalars({f"metric{i}": 0.5 for i in range(20)}, 2)


@pytest.mark.parametrize("name", ["use_vdl", "tensorboard"])
def test_event_files_where_no_folder_can_be(tmp_path, name):
    pytest.importorskip({"use_vdl": "visualdl", "tensorboard": "tensorboardX"}[name])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/\w+: cannot be written \(Not a directory\)"):
        RunLog(tmp_path / "file", [name])


def test_a_validation_photo_that_cannot_be_used(discs, tmp_path):
    """It is found before anything is trained, which would fail here."""
    data = shutil.copytree(discs, tmp_path / "data")
    (data / "bad.png").write_bytes(b"no photo")
    (data / "val.txt").write_text("0.png 0_mask.png\nbad.png 1_mask.png\n")
    command = train_command(data, tmp_path / "run", "--learning_rate", 1e30)
    assert fails(command).startswith(f"error: {data / 'bad.png'}: the file is damaged or no photo")
    assert not (tmp_path / "run").exists()


def test_missing_files_of_all_lists_are_named_at_once(discs, tmp_path):
    data = shutil.copytree(discs, tmp_path / "data")
    for name in ("5_mask.png", "7.png", "0.png"):
        (data / name).unlink()
    (data / "more.txt").write_text("gone.png\n")
    message = fails(
        train_command(data, tmp_path / "run", "--dataset", data / "more.txt", "--background_list", data / "no")
    )
    do = "correct the rows or the data folder"
    assert message == (
        f"error: {data / 'val.txt'}: 1 rows name files that are not in {data} (0.png); {do}; "
        f"{data / 'train.txt'}: 3 rows name files that are not in {data} (0.png; 5_mask.png; 7.png); {do}; "
        f"{data / 'more.txt'}: 1 rows name files that are not in {data} (gone.png); {do}; "
        f"{data / 'no'}: the list file cannot be read (No such file or directory); give the path of a text file\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made(discs):
    """That too is found before."""
    place = discs / "0.png" / "run"
    message = fails(train_command(discs, place, "--learning_rate", 1e30))
    assert message == f"error: {place}: cannot be written (Not a directory); choose another place or make room\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("best_model/notes.txt", "the folder holds other files, such as notes.txt; choose another one"),
        ("best_model/export/model.yml", "the folder holds other files, such as export/model.yml; choose another one"),
        ("best_model", "there is a file of this name; choose another name for the folder"),
    ],
)
def test_a_best_model_that_cannot_be_written(samples, tmp_path, name, sentence):
    """So is what would end a run after its first epoch."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError) as caught:
        run(samples, tmp_path, learning_rate=1e30)
    assert str(caught.value) == f"{tmp_path / 'best_model'}: {sentence}"
    assert files_of(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model_type", "UNet"], "argument --model_type: invalid choice: 'UNet' (choose from "),
        (["--model_type", "PortraitNet", "--image_shape", 100, 100], "--image_shape 100 100: this network takes mul"),
        (["--seed", -1], "--seed -1: the number must be from 0 to 9223372036854775807"),
        (["--seed", 2**64], "--seed 18446744073709551616: the number must be from 0 to 9223372036854775807"),
    ],
)
def test_flags_that_cannot_be(discs, tmp_path, options, sentence):
    assert fails(train_command(discs, tmp_path / "run", *options)).startswith(f"error: {sentence}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("keep", [0, 1000])
def test_damaged_imagenet_weights(discs, tmp_path, keep):
    whole, cut = tmp_path / "whole.npz", tmp_path / "cut.npz"
    np.savez(whole, **{"00.weight": np.zeros((32, 3, 3, 3), np.float32)})
    cut.write_bytes(whole.read_bytes()[:keep])
    options = ["--model_type", "PortraitNet", "--pretrain_weights", cut]
    assert fails(train_command(discs, tmp_path / "run", *options)).startswith(
        f"error: {cut}: these are no MobileNetV2 weights"
    )


def test_imagenet_weights_of_another_width(discs, tmp_path):
    """Of all layers of PortraitNet's encoder, of which the first one differs."""
    path = tmp_path / "weights.npz"
    layers = [layer for layer in build_network("PortraitNet").encoder.sublayers() if isinstance(layer, ConvBN)]
    weights = {f"{i:02d}.weight": layer.conv.weight.numpy() for i, layer in enumerate(layers)}
    np.savez(path, **weights, **{f"{i:02d}.bias": layer.bn.bias.numpy() for i, layer in enumerate(layers)})
    options = ["--model_type", "PortraitNet", "--width", 0.5, "--pretrain_weights", path]
    assert fails(train_command(discs, tmp_path / "run", *options)) == (
        f"error: {path}: the weight of layer 0 has the shape [32, 3, 3, 3] and the network [16, 3, 3, 3]; these "
        "weights are for --width 1\n"
    )


def test_weights_that_ran_away_in_the_last_step_are_not_saved(samples, tmp_path):
    """The first step has a rate of 0, and no loss follows the second."""
    with pytest.raises(HumanSegError, match=r"\.png: the network's scores of it are no numbers.*--learning_rate"):
        run(samples, tmp_path, batch_size=16, learning_rate=1e30)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "size", "rate", "epoch"),
    [("HumanSegMobile", 64, 1e5, 1), ("HumanSegMobile", 32, 1e3, 2), ("PortraitNet", 64, 1e3, 1)],
)
def test_weights_that_are_no_numbers_stop_the_run(samples, tmp_path, model, size, rate, epoch):
    """Paddle's ReLU makes 0 of what is no number, so that the loss stays one."""
    sentence = rf"^epoch {epoch}/4: the weights are no numbers any more after 8 steps; go on from a checkpoint"
    with pytest.raises(HumanSegError, match=sentence):
        run(samples, tmp_path, model=model, size=size, num_epochs=4, learning_rate=rate)
    assert names(tmp_path) == (["best_model", "epoch_1"] if epoch == 2 else [])


@pytest.mark.parametrize(("classes", "values"), [(2, "255 (or 1)"), (3, "1 to 2 (255 is ignored)")])
def test_labels_that_show_nobody(samples, tmp_path, classes, values):
    """Of three classes, 255 is what is ignored, and the discs' labels have 0 and 255 alone."""
    if classes == 2:
        samples = [Sample(sample.image, None) for sample in samples]
    with pytest.raises(DataError) as caught:
        run(samples, tmp_path, num_classes=classes)
    sentence = f"--val_list: no label shows a person; a person is {values} in labels of {classes} classes"
    assert str(caught.value) == sentence
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_stops_the_run(samples, tmp_path):
    with pytest.raises(HumanSegError, match=r"epoch 1/2: the loss is .* at step \d+.*--learning_rate"):
        run(samples, tmp_path, learning_rate=1e30)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_leaves_the_checkpoints(trained, samples, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    shutil.rmtree(folder / "epoch_6")
    before = files_of(folder)
    sentence = r"^epoch 6/6: the loss is (nan|inf) at step [23]; go on from a checkpoint"
    with pytest.raises(HumanSegError, match=sentence):
        run(samples, folder, num_epochs=6, resume_checkpoint=folder, learning_rate=1e30)
    assert files_of(folder) == before
    run(samples, folder, num_epochs=6, resume_checkpoint=folder)
    one, two = (read_params(path / "epoch_6" / "raw.pdparams") for path in (trained[0], folder))
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def portraitnets(samples, tmp_path_factory):
    """Runs of PortraitNet, by whether it has a prior channel."""
    folders = {prior: tmp_path_factory.mktemp("portraitnet") for prior in (False, True)}
    for prior, folder in folders.items():
        run(samples, folder, model="PortraitNet", size=32, num_epochs=1, prior_channel=prior)
    return folders


@pytest.mark.parametrize(
    ("prior", "options", "words"),
    [
        (False, ["HumanSegMobile"], "this is a checkpoint of PortraitNet, not of HumanSegMobile; give --model_type"),
        (False, ["PortraitNet", "--prior_channel"], "without a prior channel; leave out --prior_channel"),
        (True, ["PortraitNet"], "with a prior channel; give --prior_channel"),
        (False, ["PortraitNet", "--width", 0.5], "the parameter encoder.stem.conv.weight has the shape [32, 3, 3, 3]"),
    ],
)
def test_a_checkpoint_of_another_network(discs, portraitnets, tmp_path, prior, options, words):
    checkpoint = portraitnets[prior] / "epoch_1"
    command = train_command(discs, tmp_path / "run", "--resume_checkpoint", checkpoint, "--model_type", *options)
    message = fails(command)
    assert message.startswith(f"error: {checkpoint}")
    assert words in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("first", "second"), [("step", "cosine"), ("step", "poly"), ("cosine", "step")])
def test_a_checkpoint_of_another_schedule(samples, tmp_path, first, second):
    run(samples, tmp_path, num_epochs=1, batch_size=16, schedule=first)
    before = files_of(tmp_path)
    with pytest.raises(ModelError) as caught:
        run(samples, tmp_path, num_epochs=2, batch_size=16, schedule=second, resume_checkpoint=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'epoch_1' / 'model.pdopt'}: this is the state of another schedule; give the --schedule that the "
        "run began with"
    )
    assert files_of(tmp_path) == before


@pytest.mark.skipif(paddle.get_device().startswith("gpu"), reason="there is a GPU")
def test_mixed_precision_without_a_gpu(discs, tmp_path):
    assert "leave --amp out" in fails(train_command(discs, tmp_path / "run", "--amp"))
    assert not (tmp_path / "run").exists()
