"""Count the fingers of drawn hands: a whole training script, with data drawn from a seed.

python examples/train_fingers.py
"""

import argparse
from pathlib import Path

from minicnn import (
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Sequential,
)
from minicnn.data import load_hdf5
from minicnn.data.synthetic import write_fingers
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_history


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    if not (options.data / "train_fingers.h5").exists():
        write_fingers(options.data)
    train = load_hdf5(options.data / "train_fingers.h5")
    test = load_hdf5(options.data / "test_fingers.h5")

    model = Sequential(
        [
            Input((64, 64, 3)), Rescaling(1 / 255),
            Conv2D(16, 5, strides=2, padding="same"), BatchNorm(momentum=0.9), ReLU(), MaxPool(),
            Conv2D(32, 3, padding="same"), BatchNorm(momentum=0.9), ReLU(), MaxPool(),
            Conv2D(64, 3, padding="same"), BatchNorm(momentum=0.9), ReLU(), MaxPool(),
            Flatten(), Dropout(0.3), Dense(train.classes, activation="softmax"),
        ],
        seed=options.seed,
    )  # fmt: skip
    model.summary()
    rate = CosineDecay(4e-3, decay_steps=17 * options.epochs)  # 17 batches make an epoch
    model.compile(Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train, batch_size=64, epochs=options.epochs, validation_data=test)

    loss, accuracy = model.evaluate(test)
    print(f"Test accuracy {accuracy:.3f}, loss {loss:.3f}")
    model.save(options.out / "fingers.keras")
    plot_history(history, options.out / "fingers.png")


if __name__ == "__main__":
    main()
