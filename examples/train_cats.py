"""Tell cats from other pictures, on the course's 209 images.

    python examples/train_cats.py --data datasets

A network soon memorizes so few pictures: in training each is mirrored, or not, at random.
"""

import argparse
from pathlib import Path

import numpy as np

from minicnn import Adam, BatchNorm, Conv2D, Dense, Dropout, GlobalAvgPool, Input
from minicnn import MaxPool, RandomFlip, ReLU, Rescaling, Sequential
from minicnn.data import load_hdf5
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_history


def network(seed):
    flip, scale = RandomFlip("horizontal"), Rescaling(1 / 127.5, -1)
    model = Sequential([Input((64, 64, 3)), flip, scale], seed=seed)
    for filters, size, strides in ((16, 5, 2), (32, 3, 1), (64, 3, 1), (128, 3, 1)):
        model.add(Conv2D(filters, size, strides=strides, padding="same", use_bias=False))
        model.add(BatchNorm(momentum=0.9))
        model.add(ReLU())
        model.add(MaxPool(2))
    for layer in (GlobalAvgPool(), Dropout(0.3), Dense(1, activation="sigmoid")):
        model.add(layer)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()

    files = [options.data / f"{part}_catvnoncat.h5" for part in ("train", "test")]
    for file in files:
        if not file.exists():
            raise SystemExit(
                f"{file} is missing. It comes with the course's assignment: copy it into that "
                "folder, or name another with --data (datasets/README.md)."
            )
    train, test = map(load_hdf5, files)
    steps = options.epochs * -(-len(train) // 32)

    options.out.mkdir(parents=True, exist_ok=True)
    accuracies = []
    for seed in options.seeds:
        model = network(seed)
        rate = CosineDecay(1e-3, steps)
        model.compile(Adam(rate), loss="binary_crossentropy", metrics=["accuracy"])
        history = model.fit(train, epochs=options.epochs, validation_data=test, verbose=2)
        accuracies.append(history.history["val_accuracy"][-1])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.3f}")
        model.class_names = train.class_names
        model.save(options.out / f"cats-{seed}.keras")
        plot_history(history, options.out / f"cats-{seed}.png")
    print(f"mean test accuracy over seeds {options.seeds}: {np.mean(accuracies):.3f}")


if __name__ == "__main__":
    main()
