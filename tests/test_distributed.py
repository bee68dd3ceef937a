"""Several processes that train one network."""

import json
import os
import socket
import subprocess
import sys

import pytest
from conftest import ROOT
from runs import train_command

from human_segmentation.inference.predictor import Predictor
from human_segmentation.training.checkpoint import load_network
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.evaluation import evaluate

LEAVER = """
import paddle
from human_segmentation.cli import exit_code
from human_segmentation.training import distributed
distributed.start()
losses = paddle.ones([3])
distributed.mean_of([losses])
raise SystemExit(7 if distributed.rank() == 1 else exit_code(lambda: distributed.mean_of([losses])))
"""


SHARES = """
from human_segmentation.training import distributed
distributed.start()
print(*distributed.share(range(7)), distributed.gathered(distributed.rank()), sep=",")
"""


def two_processes(script):
    """Runs it in two processes that know each other; gives their return codes, outputs and errors."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ends = [f"127.0.0.1:{end.getsockname()[1]}" for end in (one, two)]
    shared = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "PADDLE_DISTRI_BACKEND": "gloo",
        "PADDLE_TRAINERS_NUM": "2",
        "PADDLE_TRAINER_ENDPOINTS": ",".join(ends),
    }
    processes = []
    for rank, end in enumerate(ends):
        environment = {**shared, "PADDLE_TRAINER_ID": str(rank), "PADDLE_CURRENT_ENDPOINT": end}
        command, pipe = [sys.executable, "-c", script], subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True))
    outputs, errors = zip(*(process.communicate(timeout=120) for process in processes), strict=True)
    return [process.returncode for process in processes], outputs, errors


def test_the_sentence_where_another_process_has_ended():
    codes, _, errors = two_processes(LEAVER)
    assert codes == [2, 7]
    sentence = "error: another process of this run has ended early; the other workerlog files say why"
    assert errors[0].splitlines()[-1] == sentence
    assert "Traceback" not in errors[0]


def test_each_takes_its_share():
    codes, outputs, _ = two_processes(SHARES)
    assert codes == [0, 0]
    assert [output.splitlines()[-1] for output in outputs] == ["0,2,4,6,[0, 1]", "1,3,5,[0, 1]"]


def test_two_processes_train_one_network(discs, samples, tmp_path):
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
    log = ["--log_dir", str(tmp_path / "log")]
    python, *script = train_command(discs, tmp_path / "run", "--learning_rate", "0.003")
    command = [python, *launch, *log, *script]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, timeout=300)
    history = json.loads((tmp_path / "run" / "epoch_6" / "progress.json").read_text())["history"]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    # the statistics of batch normalisation are the same in both processes: each measured its half of the photos
    network, config = load_network(tmp_path / "run" / "best_model")
    measured = evaluate(Predictor(NetworkEngine(network), config.preprocess), samples[:4])
    assert measured == pytest.approx(config.metrics, abs=1e-4)
    logs = [path.read_text() for path in sorted((tmp_path / "log").glob("workerlog.*"))]
    assert logs[0].count("epoch 6/6: loss") == 1
    assert "epoch 6/6: loss" not in logs[1]


def test_two_machines_do_what_two_processes_do(discs, tmp_path):
    """Here the machines are two launchers on one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        master = f"127.0.0.1:{free.getsockname()[1]}"
    launchers = {"one": [["--nproc_per_node", "2", "--backend", "gloo"]]}
    node = ["--nnodes", "2", "--master", master, "--nproc_per_node", "1"]
    launchers["two"] = [[*node, "--rank", "0"], [*node, "--rank", "1"]]
    losses = {}
    for name, flags in launchers.items():
        python, *script = train_command(discs, tmp_path / name, "--num_epochs", 2)
        processes = []
        for index, launcher in enumerate(flags):
            log = ["--log_dir", str(tmp_path / f"log_{name}_{index}")]
            command = [python, "-m", "paddle.distributed.launch", *log, *launcher, *script]
            processes.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}))
        assert [process.wait(timeout=300) for process in processes] == [0] * len(flags)
        history = json.loads((tmp_path / name / "epoch_2" / "progress.json").read_text())["history"]
        losses[name] = [row["loss"] for row in history]
    assert losses["one"] == pytest.approx(losses["two"], rel=1e-4)
