"""Small training runs: on light discs before dark noise, in this process and as a command."""

import sys

import cv2
import numpy as np

from human_segmentation.datasets.dataset import TrainingSet, WeightedSamples
from human_segmentation.training.options import TrainOptions
from human_segmentation.training.trainer import train


def make_discs(folder, classes=2):
    """16 samples of 48x48 pixels with masks, and the lists train.txt and val.txt, which has four of them.

    Of three classes, the second is the inner part of a disc, which has less blue, and the label has their numbers.
    """
    rng = np.random.default_rng(0)
    rows = []
    for i in range(16):
        image = rng.integers(0, 100, (48, 48, 3), dtype=np.uint8)
        mask = np.zeros((48, 48), np.uint8)
        center, radius = tuple(map(int, rng.integers(16, 32, 2))), int(rng.integers(8, 14))
        cv2.circle(mask, center, radius, 255, -1)
        image[mask > 0] += 120
        if classes == 3:
            mask[mask > 0] = 1
            cv2.circle(mask, center, radius * 2 // 3, 2, -1)
            image[mask == 2, 0] -= 120
        cv2.imwrite(str(folder / f"{i}.png"), image)
        cv2.imwrite(str(folder / f"{i}_mask.png"), mask)
        rows.append(f"{i}.png {i}_mask.png\n")
    (folder / "train.txt").write_text("".join(rows))
    (folder / "val.txt").write_text("".join(rows[:4]))


def run(samples, folder, model="HumanSegMobile", size=32, **options):
    options = {"num_epochs": 2, "batch_size": 4, "learning_rate": 0.003} | options
    flags = {"plain": model == "PortraitNet", "prior": options.get("prior_channel", False)}
    flags["num_classes"] = options.pop("num_classes", 2)
    training_set = TrainingSet([WeightedSamples(samples, 2)], (size, size), seed=3, **flags)
    return train(TrainOptions(model, folder, **options), training_set, samples[:4])


def train_command(data, save_dir, *options):
    """The arguments of a run on the lists in the folder `data`."""
    flags = {"--data_dir": data, "--train_list": data / "train.txt", "--val_list": data / "val.txt"}
    arguments = [str(x) for pair in flags.items() for x in pair]
    shape = ["--image_shape", "32", "32", "--batch_size", "4", "--num_epochs", "6"]
    return [sys.executable, "train.py", *arguments, *shape, "--save_dir", str(save_dir), *map(str, options)]
