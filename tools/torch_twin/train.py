"""Trains HumanSegMobile or PortraitNet in PyTorch, on the data sets, transforms and metrics of this project.

PyTorch's bfloat16 kernels train these networks on a CPU about twice as fast as Paddle's. What it writes is a
trained model of this project, `SAVE_DIR/best_model`, checked against Paddle.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import torch
from losses import compute
from numpy.typing import NDArray
from params import TWINS, build_twin, from_paddle, to_paddle
from torch.utils.data import DataLoader
from tqdm import tqdm

from human_segmentation.cli import Parser, exit_code
from human_segmentation.cli.train import add_data_arguments, build_objective, build_preprocess, build_training_set
from human_segmentation.datasets.list_file import read_list
from human_segmentation.errors import DataError, HumanSegError, ModelError
from human_segmentation.files import whole_file
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import build_network
from human_segmentation.training import options
from human_segmentation.training.checkpoint import load_network, save_model
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.evaluation import evaluate
from human_segmentation.training.initial import start_from
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


def train(args: argparse.Namespace) -> int:
    """Trains to the end; a run that was stopped goes on from its last whole epoch with `--resume`."""
    if args.model_type not in TWINS:
        raise ModelError(f"--model_type {args.model_type}: there is no twin of it; take train.py")
    if args.threads < 1:
        raise DataError(f"--threads {args.threads}: the number must be 1 or more")
    torch.set_num_threads(args.threads)
    paddle.seed(args.seed)  # of the first weights, which are Paddle's
    objective, preprocess = build_objective(args), build_preprocess(args)
    training_set = build_training_set(args, objective.needs_plain)
    numbers = {name: getattr(args, name) for name in ("num_epochs", "batch_size", "learning_rate", "ema")}
    options.check(options.TrainOptions(args.model_type, args.save_dir, **numbers), training_set)
    val_samples = read_list(args.val_list, args.data_dir)
    twin, average = (build_twin(args.model_type, prior_channel=args.prior_channel) for _ in range(2))
    network = build_network(args.model_type, prior_channel=args.prior_channel)
    if args.pretrain_weights is not None:
        start_from(args.pretrain_weights, network, preprocess, training_set)
    for copy in (twin, average):
        from_paddle(copy, {name: value.numpy() for name, value in network.state_dict().items()})
    decayed = [p for p in twin.parameters() if p.ndim > 1]
    others = [p for p in twin.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}], fused=True
    )
    state = {"epoch": 0, "step": 0, "best": -1.0}
    if args.resume:
        if not (args.save_dir / STATE_FILE).is_file():
            raise ModelError(
                f"{args.save_dir / STATE_FILE}: there is no such file to resume from; give --save_dir of a run"
            )
        saved = torch.load(args.save_dir / STATE_FILE, weights_only=True)
        twin.load_state_dict(saved["twin"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    steps = args.num_epochs * (len(training_set) // args.batch_size)
    predictor = Predictor(TwinEngine(average), preprocess, args.prior_channel)
    for epoch in range(state["epoch"], args.num_epochs):
        training_set.set_epoch(epoch)
        loader = DataLoader(training_set, args.batch_size, drop_last=True, num_workers=1)
        twin.train()
        start, losses = time.perf_counter(), []
        for samples in tqdm(loader, desc=f"epoch {epoch + 1}/{args.num_epochs}", disable=None):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(state["step"], steps, args.learning_rate)
            loss = compute(objective, twin, *batch(samples, preprocess))
            losses.append(float(loss))
            if not math.isfinite(losses[-1]):
                raise HumanSegError(f"the loss is {losses[-1]} in epoch {epoch + 1}; resume with a lower rate")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state["step"] += 1
            follow(average, twin, min(args.ema, (1 + state["step"]) / (10 + state["step"])))
        rate = len(losses) * args.batch_size / (time.perf_counter() - start)
        metrics = evaluate(predictor, val_samples)
        state["epoch"] = epoch + 1
        print(
            f"epoch {epoch + 1}/{args.num_epochs}: loss {np.mean(losses):.4f}, mIoU {metrics['miou']:.4f}, person IoU "
            f"{metrics['foreground_iou_per_photo']:.4f}, boundary IoU {metrics['boundary_iou']:.4f}, "
            f"{rate:.1f} photos/s",
            flush=True,
        )
        if metrics["miou"] > state["best"]:
            state["best"] = metrics["miou"]
            config = ModelConfig(
                args.model_type,
                TRAINED,
                preprocess,
                prior_channel=args.prior_channel,
                epochs=epoch + 1,
                metrics=metrics,
            )
            save_model(args.save_dir / "best_model", to_paddle(average), config)
            check(args.save_dir / "best_model", TwinEngine(average), preprocess, args.prior_channel)
        with whole_file(args.save_dir / STATE_FILE) as partial:
            parts = {"twin": twin, "average": average, "optimizer": optimizer}
            torch.save({name: part.state_dict() for name, part in parts.items()} | {"state": state}, partial)
    return 0


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


def check(folder: Path, engine: TwinEngine, preprocess: Preprocess, prior_channel: bool) -> None:
    """Runs the model that was written in Paddle and compares the scores.

    Raises:
        HumanSegError: They differ by more than 1e-4.
    """
    shape = (1, 3 + prior_channel, preprocess.height, preprocess.width)
    tensor = np.random.default_rng(0).standard_normal(shape, np.float32)
    difference = np.abs(NetworkEngine(load_network(folder)[0])(tensor) - engine(tensor)).max()
    if difference > TOLERANCE:
        raise HumanSegError(f"{folder}: Paddle's scores differ from PyTorch's by {difference:.2g}")


def main() -> int:
    """The command."""
    parser = Parser(description="Train HumanSegMobile or PortraitNet in PyTorch.")
    add_data_arguments(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the last whole epoch of --save_dir")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    args = parser.parse_args()
    return exit_code(lambda: train(args))


if __name__ == "__main__":
    sys.exit(main())
