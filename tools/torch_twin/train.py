"""Trains HumanSegMobile or PortraitNet in PyTorch, on the data sets, transforms and metrics of this project.

PyTorch's kernels train these networks on a CPU about twice as fast as Paddle's. What it writes is a
trained model of this project, `SAVE_DIR/best_model`, which was compared with Paddle before.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import torch
from distill import Teacher
from losses import compute
from numpy.typing import NDArray
from params import STRIDE, TWINS, build_twin, from_paddle, to_paddle
from torch.utils.data import DataLoader
from tqdm import tqdm

from human_segmentation.cli import Parser, exit_code
from human_segmentation.cli.common import checked_size
from human_segmentation.cli.train import add_data_arguments, build_data, build_objective, build_preprocess
from human_segmentation.datasets.dataset import TrainingSet
from human_segmentation.errors import DataError, HumanSegError, ModelError
from human_segmentation.files import whole_file
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.weights import load_params
from human_segmentation.models.zoo import build_network
from human_segmentation.training import options
from human_segmentation.training.checkpoint import BEST, check_run_folder, save_model
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.evaluation import evaluate
from human_segmentation.training.initial import start_from
from human_segmentation.training.loading import Guarded, check_batch, stack
from human_segmentation.training.objectives import Objective
from human_segmentation.training.optimizer import WARMUP_SHARE, WEIGHT_DECAY

STATE_FILE = "last.pt"
TOLERANCE = 1e-4


class TwinEngine:
    """Runs a twin in float32, for evaluation while it trains."""

    def __init__(self, twin: torch.nn.Module) -> None:
        self.twin = twin.eval()

    @torch.no_grad()
    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps a float32 [N, C, H, W] to the softmax scores float32 [N, classes, H, W]."""
        return self.twin(torch.from_numpy(tensor)).softmax(1).numpy()


def learning_rate(step: int, steps: int, highest: float) -> float:
    """A linear warm-up, then half a cosine down to 0."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    return highest * min(step / warmup, 0.5 + 0.5 * math.cos(math.pi * step / steps))


class Run:
    """The state of a run.

    Args:
        weights: The parameters in Paddle that it starts from.
        args: The arguments.
    """

    def __init__(self, weights: dict[str, NDArray[np.float32]], args: argparse.Namespace) -> None:
        self.path = args.save_dir / STATE_FILE
        self.twin, self.average = (build_twin(args.model_type, prior_channel=args.prior_channel) for _ in range(2))
        for twin in (self.twin, self.average):
            from_paddle(twin, weights)
        self._parts: dict[str, torch.nn.Module | torch.optim.Optimizer] = {"twin": self.twin, "average": self.average}
        self.teacher = None if args.teacher is None else Teacher(args.teacher, self.twin)
        if self.teacher is not None:
            self._parts["teacher"] = self.teacher
        params = [p for part in (self.twin, self.teacher) if part is not None for p in part.parameters()]
        decayed = [p for p in params if p.ndim > 1]
        others = [p for p in params if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.state = {"epoch": 0, "step": 0, "best": -1.0}
        self._parts["optimizer"] = self.optimizer

    def resume(self) -> None:
        """Goes back to the last whole epoch.

        Raises:
            ModelError: There was none, the file is damaged, or the run had another network, or a teacher where this one
                has none, or none.
        """
        if not self.path.is_file():
            raise ModelError(f"{self.path}: there is no such file to resume from; give --save_dir of a run")
        try:
            saved = torch.load(self.path, weights_only=True)
            for name, part in self._parts.items():
                part.load_state_dict(saved[name])
            self.state = saved["state"]
        # What is damaged or does not fit raises almost anything, in texts of many lines.
        except Exception as error:
            raise ModelError(
                f"{self.path}: this is no whole state of a run with these flags; give --model_type, --prior_channel "
                "and --teacher as it began with, or leave --resume out"
            ) from error

    def save(self) -> None:
        """Writes what `resume` reads."""
        with whole_file(self.path) as partial:
            torch.save({name: part.state_dict() for name, part in self._parts.items()} | {"state": self.state}, partial)


def train(args: argparse.Namespace) -> int:
    """Trains to the end; a run that was stopped goes on from its last whole epoch with `--resume`."""
    if args.model_type not in TWINS:
        raise ModelError(f"--model_type {args.model_type}: there is no twin of it; take train.py")
    if args.threads < 1:
        raise DataError(f"--threads {args.threads}: the number must be 1 or more")
    torch.set_num_threads(args.threads)
    if not 0 <= args.teacher_share <= 1:
        raise DataError(f"--teacher_share {args.teacher_share}: the share must be from 0 to 1")
    objective, preprocess = build_objective(args), build_preprocess(args)
    checked_size((preprocess.width, preprocess.height), "--image_shape", STRIDE)
    training_set, val_samples = build_data(args, objective.needs_plain)
    numbers = {name: getattr(args, name) for name in ("num_epochs", "batch_size", "learning_rate", "ema")}
    options.check(options.TrainOptions(args.model_type, args.save_dir, **numbers), training_set)
    check_run_folder(args.save_dir)
    paddle.seed(args.seed)  # of the first weights, which are Paddle's
    torch.manual_seed(args.seed)  # of the layers between student and teacher
    network = build_network(args.model_type, prior_channel=args.prior_channel)
    if args.pretrain_weights is not None:
        start_from(args.pretrain_weights, network, preprocess, training_set)
    run = Run({name: value.numpy() for name, value in network.state_dict().items()}, args)
    if args.resume:
        run.resume()
        if run.state["epoch"] >= args.num_epochs:
            raise options.nothing_left(args.num_epochs, run.state["epoch"])
    engine = TwinEngine(run.average)
    predictor = Predictor(engine, preprocess, args.prior_channel)
    for epoch in range(run.state["epoch"], args.num_epochs):
        training_set.set_epoch(epoch)
        loss, rate = train_epoch(run, objective, training_set, preprocess, args)
        metrics = evaluate(predictor, val_samples)
        run.state["epoch"] = epoch + 1
        print(
            f"epoch {epoch + 1}/{args.num_epochs}: loss {loss:.4f}, mIoU {metrics['miou']:.4f}, person IoU per photo "
            f"{metrics['foreground_iou_per_photo']:.4f}, boundary IoU {metrics['boundary_iou']:.4f}, "
            f"{rate:.1f} photos/s",
            flush=True,
        )
        if metrics["miou"] > run.state["best"]:
            run.state["best"] = metrics["miou"]
            prior = args.prior_channel
            config = ModelConfig(
                args.model_type, TRAINED, preprocess, prior_channel=prior, epochs=epoch + 1, metrics=metrics
            )
            params = to_paddle(run.average)
            load_params(network, params, args.save_dir / BEST)
            check(NetworkEngine(network), engine, preprocess, prior)
            save_model(args.save_dir / BEST, params, config)
        run.save()
    return 0


def train_epoch(
    run: Run, objective: Objective, training_set: TrainingSet, preprocess: Preprocess, args: argparse.Namespace
) -> tuple[float, float]:
    """Trains on every photo once; returns the mean loss and photos per second."""
    steps = args.num_epochs * (len(training_set) // args.batch_size)
    loader = DataLoader(Guarded(training_set), args.batch_size, drop_last=True, num_workers=1, collate_fn=stacked)
    title = f"epoch {run.state['epoch'] + 1}/{args.num_epochs}"
    run.twin.train()
    start, losses = time.perf_counter(), []
    for samples in tqdm(loader, desc=title, disable=None):
        check_batch(samples)
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(run.state["step"], steps, args.learning_rate)
        images, plain, alphas, valid = batch(samples, preprocess)
        if run.teacher is not None:
            alphas = torch.lerp(alphas, run.teacher.score(samples[2].numpy()), args.teacher_share)
        loss = compute(objective, run.twin, images, plain, alphas, valid)
        if run.teacher is not None:
            loss = loss + (0.5 + 0.5 * math.cos(math.pi * run.state["step"] / steps)) * run.teacher.feature_loss()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise HumanSegError(f"{title}: the loss is {losses[-1]}; resume with a lower rate")
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        run.state["step"] += 1
        follow(run.average, run.twin, min(args.ema, (1 + run.state["step"]) / (10 + run.state["step"])))
    return float(np.mean(losses)), len(losses) * args.batch_size / (time.perf_counter() - start)


def stacked(samples: list) -> list[torch.Tensor]:
    """What `stack` gives, as tensors, which a worker process passes on without a copy."""
    return [torch.from_numpy(field) for field in stack(samples)]


def batch(samples: list[torch.Tensor], preprocess: Preprocess) -> tuple[torch.Tensor | None, ...]:
    """Photos, plain photos or None, alphas and where they count, from what `TrainingSet` gives, stacked."""
    shares, valid, *rest = samples
    photos = [torch.from_numpy(preprocess.normalize(x.numpy())) for x in rest if x.ndim == 4]
    priors = [x.unsqueeze(1) / 255 for x in rest if x.ndim == 3]
    images, *plain = (torch.cat([photo, *priors], dim=1) for photo in photos)
    return images, plain[0] if plain else None, shares[:, 1] / 255, valid / 255


@torch.no_grad()
def follow(average: torch.nn.Module, twin: torch.nn.Module, decay: float) -> None:
    """Moves an exponential moving average of weights and statistics one step."""
    for mean, value in zip(average.state_dict().values(), twin.state_dict().values(), strict=True):
        if value.is_floating_point():
            mean.lerp_(value, 1 - decay)


def check(network: NetworkEngine, twin: TwinEngine, preprocess: Preprocess, prior_channel: bool) -> None:
    """Compares the scores of Paddle's network and of the twin, which have the same parameters.

    Raises:
        HumanSegError: They differ by more than 1e-4.
    """
    shape = (1, 3 + prior_channel, preprocess.height, preprocess.width)
    tensor = np.random.default_rng(0).standard_normal(shape, np.float32)
    difference = np.abs(network(tensor) - twin(tensor)).max()
    if not difference <= TOLERANCE:
        raise HumanSegError(
            f"Paddle's scores differ from PyTorch's by {difference:.2g}, more than {TOLERANCE}; nothing was saved, "
            "take train.py"
        )


def main() -> int:
    """The command."""
    parser = Parser(description="Train HumanSegMobile or PortraitNet in PyTorch.")
    add_data_arguments(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the last whole epoch of --save_dir")
    parser.add_argument("--teacher", type=Path, help="a trained PortraitNet that HumanSegMobile learns from")
    parser.add_argument(
        "--teacher_share", type=float, default=0.5, help="its share in the labels, 0 to 1 (default %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    args = parser.parse_args()
    return exit_code(lambda: train(args))


if __name__ == "__main__":
    sys.exit(main())
