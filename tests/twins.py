"""Runs of the program that trains the PyTorch twins."""

import subprocess
import sys

from conftest import ROOT


def train_command(data, save_dir, *options):
    command = [sys.executable, "tools/torch_twin/train.py", "--data_dir", data, "--train_list", data / "train.txt"]
    command += ["--val_list", data / "val.txt", "--image_shape", "32", "32", "--batch_size", "4", "--save_dir"]
    command += [save_dir, "--learning_rate", "0.01", "--num_epochs", "10", "--threads", "1"]
    command += ["--dataset", f"{data / 'train.txt'}=2", *options]
    return list(map(str, command))


def train(*args):
    done = subprocess.run(train_command(*args), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()
