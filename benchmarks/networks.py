"""The three networks that are compared, as data, with first weights and images for them.

Every framework makes its models from these lists in its own terms (frameworks.py). All
numbers follow from one seed, so every process has the same ones.
"""

import math
from typing import NamedTuple

import numpy as np

BATCH = 64
SEED = 0


class Conv(NamedTuple):
    filters: int
    kernel: int
    padding: str = "same"


class MaxPool(NamedTuple):
    size: int


class AvgPool(NamedTuple):
    size: int


class Dense(NamedTuple):
    units: int


class ReLU(NamedTuple):
    pass


class Flatten(NamedTuple):
    pass


class Network(NamedTuple):
    shape: tuple[int, int, int]
    classes: int
    steps: int
    """How many batches make a round: half a second's work or so for most frameworks. Fewer
    would charge Keras too much for beginning and ending ``fit``."""
    layers: tuple[NamedTuple, ...]


NETWORKS = {
    "signs": Network(
        (64, 64, 3),
        classes=6,
        steps=60,
        layers=(
            *(Conv(8, 4), ReLU(), MaxPool(8)),
            *(Conv(16, 2), ReLU(), MaxPool(4)),
            *(Flatten(), Dense(6)),
        ),
    ),
    "lenet": Network(
        (28, 28, 1),
        classes=10,
        steps=200,
        layers=(
            *(Conv(6, 5), ReLU(), AvgPool(2)),
            *(Conv(16, 5, "valid"), ReLU(), AvgPool(2)),
            *(Flatten(), Dense(120), ReLU(), Dense(84), ReLU(), Dense(10)),
        ),
    ),
    "vgg": Network(
        (64, 64, 3),
        classes=6,
        steps=8,
        layers=(
            *(Conv(32, 3), ReLU(), Conv(32, 3), ReLU(), MaxPool(2)),
            *(Conv(64, 3), ReLU(), Conv(64, 3), ReLU(), MaxPool(2)),
            *(Flatten(), Dense(128), ReLU(), Dense(6)),
        ),
    ),
}


def with_shapes(network):
    """Each layer with the shape of one input to it, channels last."""
    h, w, c = network.shape
    for layer in network.layers:
        yield layer, (h, w, c)
        match layer:
            case Conv(filters, kernel, padding):
                less = kernel - 1 if padding == "valid" else 0
                h, w, c = h - less, w - less, filters
            case MaxPool(size) | AvgPool(size):
                h, w = h // size, w // size
            case Flatten():
                h, w, c = 1, 1, h * w * c
            case Dense(units):
                c = units


def weights(network):
    """The first weights, in the order and the layouts of Keras.

    The biases are not zeros, so that the comparison of the losses would see one that is
    lost or in the wrong place.
    """
    rng = np.random.default_rng(SEED)
    arrays = []
    for layer, (_, _, c) in with_shapes(network):
        match layer:
            case Conv(filters, kernel, _):
                shape = (kernel, kernel, c, filters)
            case Dense(units):
                shape = (c, units)
            case _:
                continue
        scale = math.sqrt(2 / math.prod(shape[:-1]))
        arrays.append((rng.standard_normal(shape) * scale).astype(np.float32))
        arrays.append((rng.standard_normal(shape[-1]) * 0.1).astype(np.float32))
    return arrays


def pictures(network, count):
    """(x, y): images from 0 to 1 in which a few large squares, under noise, tell the class.

    They are made in place, so that making them does not set the peak of a process' memory.
    """
    rng = np.random.default_rng(SEED)
    h, w, c = network.shape
    squares = rng.random((network.classes, 4, 4, c), dtype=np.float32)
    squares = squares.repeat(h // 4, axis=1).repeat(w // 4, axis=2)
    y = rng.integers(0, network.classes, count)
    x = rng.random((count, h, w, c), dtype=np.float32)
    for picture, label in zip(x, y, strict=True):
        picture += squares[label]
        picture /= 2
    return x, y
