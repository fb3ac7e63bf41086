"""Read signed digits from the course's SIGNS files, or others of the same layout.

python examples/train_signs.py --data datasets
python examples/train_signs.py --train train_signdigits.h5 --test test_signdigits.h5
"""

import argparse
from pathlib import Path

import numpy as np

from minicnn import Adam
from minicnn.applications import NETWORKS
from minicnn.data import load_hdf5
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_history

EPOCHS = {"course": 100, "small": 25}
RATES = {"course": 4e-3, "small": 1e-3}


def find(folder, file):
    for path in (folder / file, Path(file)):
        if path.exists():
            return path
    raise SystemExit(
        f"{folder / file} is missing. The SIGNS files come with the course's assignment: copy them "
        "into that folder, or name others with --data, --train and --test (datasets/README.md)."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--train", default="train_signs.h5", help="a file in --data, or a path")
    parser.add_argument("--test", default="test_signs.h5", help="a file in --data, or a path")
    parser.add_argument("--model", choices=NETWORKS, default="course")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()

    train = load_hdf5(find(options.data, options.train))
    test = load_hdf5(find(options.data, options.test))
    epochs = options.epochs or EPOCHS[options.model]
    steps = epochs * -(-len(train) // 32)

    accuracies = []
    for seed in options.seeds:
        model = NETWORKS[options.model](train.x.shape[1:], train.classes, seed)
        model.compile(
            Adam(CosineDecay(RATES[options.model], steps)),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = model.fit(train, epochs=epochs, validation_data=test, verbose=2)
        accuracies.append(history.history["val_accuracy"][-1])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.3f}")
        plot_history(history, options.out / f"signs-{options.model}-{seed}.png")
        model.save(options.out / f"signs-{options.model}-{seed}.keras")
    print(f"mean test accuracy over seeds {options.seeds}: {np.mean(accuracies):.3f}")


if __name__ == "__main__":
    main()
