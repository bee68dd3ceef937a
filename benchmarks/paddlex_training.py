"""Trains HumanSegMobile with the real PaddleX 1.3.11; run by training_speed.py under Python 3.7.

python paddlex_training.py FOLDER BATCH EPOCHS: FOLDER has list.txt.
"""

import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import paddlex
from paddlex.seg import transforms


def main(folder, batch, epochs):
    steps = [transforms.Resize([192, 192]), transforms.RandomHorizontalFlip(), transforms.Normalize()]
    data = paddlex.datasets.SegDataset(
        data_dir=folder, file_list=folder + "/list.txt", transforms=transforms.Compose(steps), shuffle=True
    )
    model = paddlex.seg.HRNet(num_classes=2, width="18_small_v1")
    model.train(
        num_epochs=epochs,
        train_dataset=data,
        train_batch_size=batch,
        save_interval_epochs=1000,
        learning_rate=0.001,
        pretrain_weights=None,
        save_dir=folder + "/paddlex",
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
