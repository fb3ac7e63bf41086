"""How long each picture of ``minicnn.plots`` takes, of 1,000 images of 64x64x3.

    python benchmarks/pictures.py [--classes 40] [--slowest 2]

A picture is drawn and written as a PNG; of three times the quickest counts. What it shows is
computed too, such as the predictions for the worst mistakes. With ``--slowest`` the exit status is
1 where one takes longer than so many seconds.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from minicnn import RandomFlip, RandomRotation, evaluation, plots
from minicnn.applications import small
from minicnn.data import Dataset
from minicnn.lr_finder import RateSweep

IMAGES = 1000
ROUNDS = 3


def pictures(classes):
    """What draws each picture, given its path, by its name."""
    rng = np.random.default_rng(0)
    names = [f"class {i}" for i in range(classes)]
    x = rng.integers(0, 256, (IMAGES, 64, 64, 3)).astype(np.uint8)
    y = rng.integers(0, classes, IMAGES)
    data = Dataset(x, y, names)
    model = small((64, 64, 3), classes, seed=0)
    scores = rng.random((IMAGES, classes)) + 2 * np.eye(classes)[y] * rng.random((IMAGES, 1))
    scores /= scores.sum(axis=1, keepdims=True)
    epochs = np.exp(-np.linspace(0, 3, IMAGES))
    run = {"loss": epochs.tolist(), "val_loss": (epochs + 0.1).tolist()}
    rates = np.geomspace(1e-6, 1, IMAGES)
    one = x[0]
    return {
        "plot_history": lambda path: plots.plot_history(run, path),
        "plot_history, 8 runs": lambda path: plots.plot_history([run] * 8, path, smoothing=0.9),
        "plot_confusion": lambda path: plots.plot_confusion(y, scores, names, path),
        "plot_roc": lambda path: plots.plot_roc(y, scores, names, path),
        "plot_precision_recall": lambda path: plots.plot_precision_recall(y, scores, names, path),
        "plot_calibration": lambda path: plots.plot_calibration(y, scores, path),
        "plot_mistakes": lambda path: plots.plot_mistakes(
            evaluation.worst_mistakes(model, data), path
        ),
        "plot_images": lambda path: plots.plot_images(data, path=path),
        "plot_augmentation": lambda path: plots.plot_augmentation(
            [RandomFlip(), RandomRotation(0.1)], x, path
        ),
        "plot_filters": lambda path: plots.plot_filters(model.get_layer("conv2d_1"), path),
        "plot_feature_maps": lambda path: plots.plot_feature_maps(model, one, "conv2d_1", path),
        "plot_grad_cam": lambda path: plots.plot_grad_cam(model, one, path=path),
        "plot_saliency": lambda path: plots.plot_saliency(model, one, path=path),
        "plot_occlusion": lambda path: plots.plot_occlusion(model, one, path=path),
        "plot_explanation, window": lambda path: plots.plot_explanation(
            model.explain(one, "conv2d_1", (5, 5, 1)), path
        ),
        "plot_explanation, bars": lambda path: plots.plot_explanation(
            model.explain(one, "dense", 1), path
        ),
        "plot_model": lambda path: plots.plot_model(model, path, show_shapes=True),
        "plot_network": lambda path: plots.plot_network(model, path),
        "plot_learning_rates": lambda path: plots.plot_learning_rates(
            RateSweep(rates, 1 + (np.log10(rates) + 2) ** 2, 1e-2), path
        ),
    }


def seconds(draw, path):
    """The quickest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        draw(path)
        times.append(time.perf_counter() - start)
    return min(times)


def main(arguments=None):
    """Print a row for each picture; 1 where one is slower than is allowed."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--slowest", type=float, default=float("inf"))
    options = parser.parse_args(arguments)
    print("| picture | seconds |\n|---|---|")
    slow = []
    with TemporaryDirectory() as folder:
        for name, draw in pictures(options.classes).items():
            taken = seconds(draw, Path(folder, "picture.png"))
            print(f"| {name} | {taken:.2f} |", flush=True)
            if taken > options.slowest:
                slow.append(name)
    if slow:
        print(f"slower than {options.slowest:g} s: {', '.join(slow)}", file=sys.stderr)
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
