"""A program that runs a script as ``minicnn run`` does, with small data sets in Keras' place."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).parents[1] / "scripts"
ALL = sorted(path.name for path in SCRIPTS.iterdir() if path.suffix in (".py", ".ipynb"))

SHAPES = {
    "mnist": ((28, 28), 10, 1),
    "fashion_mnist": ((28, 28), 10, 1),
    "cifar10": ((32, 32, 3), 10, 2),
    "cifar100": ((32, 32, 3), 100, 2),
}
"""Of each data set: an image, how many classes, and the dimensions of the labels."""


def small(name, samples=80, tests=40):
    """A function like ``load_data``: each class is brighter than the one before it, with noise."""
    shape, classes, dimensions = SHAPES[name]

    def load_data(*_, **__):
        rng = np.random.default_rng(0)
        y = np.arange(samples + tests) % classes
        noise = rng.integers(0, 40, (len(y), *shape))
        images = noise + (y * 200 // classes).reshape(-1, *[1] * len(shape))
        x, y = images.astype(np.uint8), y.astype(np.uint8)
        y = y.reshape(-1, 1) if dimensions == 2 else y
        return (x[:samples], y[:samples]), (x[samples:], y[samples:])

    return load_data


def draw(folder, train=20, validation=8, size=40, ending="jpg"):
    """Pictures in data/train/cats, data/train/dogs and data/validation: cats are brighter."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("validation", validation)):
        for kind, light in (("cats", 120), ("dogs", 0)):
            place = Path(folder, "data", part, kind)
            place.mkdir(parents=True)
            for i in range(count):
                pixels = light + rng.integers(0, 120, (size, size, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{kind}.{i}.{ending}")


def run(script, folder, *arguments, check=0):
    """Run a script in a process of its own; returns what it prints, and what it says besides."""
    command = [sys.executable, __file__, str(script), *map(str, arguments)]
    environment = os.environ | {"MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == check, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout, done.stderr


def main():
    """Run ``minicnn run`` in this process."""
    import minicnn.datasets
    from minicnn._cli.main import main

    for name in SHAPES:
        getattr(minicnn.datasets, name).load_data = small(name)
    return main(["run", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
