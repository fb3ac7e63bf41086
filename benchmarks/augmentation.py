"""What augmentation costs: each layer by itself, and in a training step of the signs network.

    python benchmarks/augmentation.py

By itself a layer changes the share that one process has of a batch of 64 images of 64x64x3 bytes,
on one thread. The networks take turns; of each the quickest of some rounds counts.
"""

import argparse
import time

import numpy as np
from frameworks import cores
from networks import BATCH, NETWORKS, pictures

import minicnn
from minicnn import (
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Sequential,
)
from minicnn.applications import course
from minicnn.kernels import DEFAULT, KERNELS

ROUNDS = 12
STEPS = 40
LAYERS = {
    "nothing": [],
    "RandomFlip": [RandomFlip("horizontal")],
    "RandomTranslation": [RandomTranslation(0.1, 0.1)],
    "RandomRotation": [RandomRotation(0.1)],
    "RandomZoom": [RandomZoom(0.2)],
    "RandomContrast": [RandomContrast(0.3)],
    "RandomBrightness": [RandomBrightness(0.2)],
    "flip, rotation, brightness": [RandomFlip(), RandomRotation(0.05), RandomBrightness(0.2)],
}


def main():
    """Print a row for each layer: its time alone, a step with it, and both beside one without."""
    minicnn.set_threads(cores())
    x, y = pictures(NETWORKS["signs"], BATCH * STEPS)
    x = (x * 255).astype(np.uint8)
    models = {name: model(x, layers) for name, layers in LAYERS.items()}
    alone, step = ({name: [] for name in LAYERS} for _ in range(2))
    for _ in range(ROUNDS):
        for name, layers in LAYERS.items():
            alone[name] += [milliseconds(change, layers, x[: BATCH // cores()]) for _ in range(5)]
            step[name].append(milliseconds(models[name].fit, x, y, BATCH, verbose=0) / STEPS)
    without = min(step["nothing"])
    print("| ms | alone | of a step without | a step | more than without |\n|---|---|---|---|---|")
    for name in LAYERS:
        own, whole = min(alone[name]), min(step[name])
        ratios = own / without, whole / without - 1
        print(f"| {name} | {own:.2f} | {ratios[0]:.0%} | {whole:.2f} | {ratios[1]:.0%} |")


def model(x, layers):
    """The signs network with these layers before it."""
    shape = x.shape[1:]
    made = Sequential([course(shape, 6).stack[0], *layers, *course(shape, 6).stack[1:]], seed=0)
    made.compile("adam", "sparse_categorical_crossentropy")
    return made


def change(layers, x):
    """What a training does with these layers alone."""
    rng = np.random.default_rng(0)
    for layer in layers:
        x, _ = layer.forward(x, training=True, rng=rng)


def milliseconds(work, *arguments, **options):
    """How long that takes, with memory kept as a training keeps it."""
    KERNELS[DEFAULT].workspace()
    started = time.perf_counter()
    work(*arguments, **options)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    about = __doc__.partition("\n")[0]
    argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS).parse_args()
    main()
