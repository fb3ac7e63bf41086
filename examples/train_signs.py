"""Read signed digits from the course's SIGNS files, or others of the same layout.

    python examples/train_signs.py --data datasets
    python examples/train_signs.py --train train_signdigits.h5 --test test_signdigits.h5
    python examples/train_signs.py --model course --epochs 100

In training each picture is moved, turned and zoomed a little, as hands are never quite in place.
"""

import argparse
from pathlib import Path

import numpy as np

from minicnn import Adam, RandomRotation, RandomTranslation, RandomZoom
from minicnn.applications import NETWORKS, RATES
from minicnn.data import load_hdf5
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_history


def find(folder, file):
    for path in (folder / file, Path(file)):
        if path.exists():
            return load_hdf5(path)
    raise SystemExit(
        f"{folder / file} is missing. The SIGNS files come with the course's assignment: copy them "
        "into that folder, or name others with --data, --train and --test (datasets/README.md)."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--train", default="train_signs.h5", help="a file in --data, or a path")
    parser.add_argument("--test", default="test_signs.h5", help="a file in --data, or a path")
    parser.add_argument(
        "--model", choices=NETWORKS, default="small", metavar="NAME", help=", ".join(NETWORKS)
    )
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    train, test = find(options.data, options.train), find(options.data, options.test)

    options.out.mkdir(parents=True, exist_ok=True)
    accuracies = []
    for seed in options.seeds:
        augment = [RandomTranslation(0.06, 0.06), RandomRotation(0.03), RandomZoom(0.1)]
        model = NETWORKS[options.model](train.x.shape[1:], train.classes, seed, augment)
        rate = CosineDecay(RATES.get(options.model, 1e-3), options.epochs * -(-len(train) // 64))
        model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            train, batch_size=64, epochs=options.epochs, verbose=2, validation_data=test
        )
        accuracies.append(history.history["val_accuracy"][-1])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.3f}")
        model.class_names = train.class_names
        model.save(options.out / f"signs-{options.model}-{seed}.keras")
        plot_history(history, options.out / f"signs-{options.model}-{seed}.png")
    print(f"mean test accuracy over seeds {options.seeds}: {np.mean(accuracies):.3f}")


if __name__ == "__main__":
    main()
