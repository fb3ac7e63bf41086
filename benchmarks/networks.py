"""The six networks that are compared, as data, with first weights and images for them.

Every framework makes its models from these lists in its own terms (frameworks.py). All
numbers follow from one seed, so every process has the same ones. ``small``, ``resnet20`` and
``mobilenet`` are those of ``minicnn.applications``, but that images come in 0..1, without a
``Rescaling``, and that they end before the softmax; a test keeps them the same.
"""

import math
from typing import NamedTuple

import numpy as np

BATCH = 64
SEED = 0
MOMENTUM, EPSILON = 0.9, 1e-3
"""Of every BatchNorm: how much of a moving statistic is kept, and what is added to a variance."""


class Conv(NamedTuple):
    filters: int
    kernel: int
    padding: str = "same"
    strides: int = 1
    bias: bool = True


class Depthwise(NamedTuple):
    kernel: int
    strides: int = 1


class BatchNorm(NamedTuple):
    pass


class MaxPool(NamedTuple):
    size: int
    padding: str = "valid"


class AvgPool(NamedTuple):
    size: int


class GlobalAvgPool(NamedTuple):
    pass


class Dense(NamedTuple):
    units: int


class ReLU(NamedTuple):
    most: float | None = None


class Dropout(NamedTuple):
    rate: float


class Flatten(NamedTuple):
    pass


class Residual(NamedTuple):
    body: tuple[NamedTuple, ...]
    shortcut: tuple[NamedTuple, ...] = ()


class Network(NamedTuple):
    shape: tuple[int, int, int]
    classes: int
    steps: int
    """How many batches make a round: half a second's work or so for most frameworks. Fewer
    would charge Keras too much for beginning and ending ``fit``."""
    layers: tuple[NamedTuple, ...]

    def without_dropout(self):
        kept = tuple(layer for layer in self.layers if not isinstance(layer, Dropout))
        return self._replace(layers=kept)

    def of_size(self, side):
        """The same network for square images of another size."""
        return self._replace(shape=(side, side, self.shape[2]))


def normed(filters, kernel, strides=1):
    return Conv(filters, kernel, strides=strides, bias=False), BatchNorm()


def small():
    for filters, kernel, strides in ((16, 5, 2), (32, 3, 1), (64, 3, 1), (128, 3, 1)):
        yield from (*normed(filters, kernel, strides), ReLU(), MaxPool(2, "same"))
    yield from (Flatten(), Dropout(0.3), Dense(6))


def resnet20():
    yield from (*normed(16, 3, 2), ReLU())
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            shortcut = normed(filters, 1, strides) if strides > 1 else ()
            pair = (*normed(filters, 3, strides), ReLU(), *normed(filters, 3))
            yield from (Residual(pair, shortcut), ReLU())
    yield from (GlobalAvgPool(), Dense(6))


def mobilenet():
    yield from (*normed(16, 3, 2), ReLU(6))
    before = 16
    for filters, strides in ((24, 2), (24, 1), (32, 2), (32, 1), (64, 2), (64, 1), (96, 1)):
        block = (*normed(4 * before, 1), ReLU(6), Depthwise(3, strides), BatchNorm(), ReLU(6))
        block += normed(filters, 1)
        yield from (Residual(block),) if (before, 1) == (filters, strides) else block
        before = filters
    yield from (GlobalAvgPool(), Dropout(0.2), Dense(6))


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
        steps=5,
        layers=(
            *(Conv(32, 3), ReLU(), Conv(32, 3), ReLU(), MaxPool(2)),
            *(Conv(64, 3), ReLU(), Conv(64, 3), ReLU(), MaxPool(2)),
            *(Flatten(), Dense(128), ReLU(), Dense(6)),
        ),
    ),
    "small": Network((64, 64, 3), classes=6, steps=10, layers=tuple(small())),
    "resnet20": Network((64, 64, 3), classes=6, steps=8, layers=tuple(resnet20())),
    "mobilenet": Network((64, 64, 3), classes=6, steps=8, layers=tuple(mobilenet())),
}


class Part(NamedTuple):
    """A layer in its place."""

    layer: NamedTuple
    shape: tuple[int, int, int]
    """Of one input to it, channels last."""
    arrays: list[np.ndarray]
    """Its first weights, in the order and the layouts of Keras."""
    body: list["Part"] = ()
    shortcut: list["Part"] = ()
    """Of a ``Residual``."""


def parts(network):
    """Each layer with its shape and its first weights.

    Nothing is 0 or 1 that a framework begins with at 0 or 1, so that the comparison of the losses
    would see a bias or a moving mean that is lost or in the wrong place.
    """
    return _parts(network.layers, network.shape, np.random.default_rng(SEED))[0]


def _parts(layers, shape, rng):
    """(parts, the shape of what comes out)."""
    made = []
    for layer in layers:
        if isinstance(layer, Residual):
            body, after = _parts(layer.body, shape, rng)
            shortcut, _ = _parts(layer.shortcut, shape, rng)
            made.append(Part(layer, shape, [], body, shortcut))
        else:
            made.append(Part(layer, shape, _weights(layer, shape[2], rng)))
            after = _after(layer, shape)
        shape = after
    return made, shape


def _after(layer, shape):
    h, w, c = shape
    match layer:
        case Conv(filters, kernel, "valid", strides):
            return (h - kernel) // strides + 1, (w - kernel) // strides + 1, filters
        case Conv(filters, _, "same", strides):
            return -(-h // strides), -(-w // strides), filters
        case Depthwise(_, strides):
            return -(-h // strides), -(-w // strides), c
        case MaxPool(size, "same"):
            return -(-h // size), -(-w // size), c
        case MaxPool(size) | AvgPool(size):
            return h // size, w // size, c
        case Flatten():
            return 1, 1, h * w * c
        case GlobalAvgPool():
            return 1, 1, c
        case Dense(units):
            return 1, 1, units
        case _:
            return shape


def _weights(layer, c, rng):
    match layer:
        case Conv(filters, kernel, _, _, bias):
            shape, bias = (kernel, kernel, c, filters), bias
        case Depthwise(kernel):
            shape, bias = (kernel, kernel, c, 1), False
        case Dense(units):
            shape, bias = (c, units), True
        case BatchNorm():
            gamma, beta, mean = (0.1 * rng.standard_normal((3, c))).astype(np.float32)
            return [1 + gamma, beta, mean, rng.uniform(0.5, 1.5, c).astype(np.float32)]
        case _:
            return []
    inputs = kernel * kernel if isinstance(layer, Depthwise) else math.prod(shape[:-1])
    arrays = [(rng.standard_normal(shape) * math.sqrt(2 / inputs)).astype(np.float32)]
    if bias:
        arrays.append((rng.standard_normal(shape[-1]) * 0.1).astype(np.float32))
    return arrays


def same_padding(size, kernel, strides):
    """(before, after): the zeros around a row of pixels; the odd one comes behind."""
    total = max((-(-size // strides) - 1) * strides + kernel - size, 0)
    return total // 2, total - total // 2


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
