"""InceptionV3: blocks that look at an image through several windows at once.

Each block runs branches side by side, of 1x1, 3x3, 5x5 and 7x7 convolutions and of a pooling, and
puts their channels together. Large windows are made of small ones: 5x5 of two 3x3, 7x7 of 1x7 and
7x1. A 1x1 convolution before them keeps them cheap. Szegedy et al. (2016),
https://arxiv.org/abs/1512.00567.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.layers import Activation, AvgPool, BatchNorm, Concatenate, Conv2D, MaxPool
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

Branch = Sequence[tuple[int, int, int]]
"""Convolutions one after another: filters, height and width of the window."""


@application(
    299,
    75,
    f"{PUBLISHED}/inception_v3/inception_v3_{KERNELS}",
    "9a0d58056eeedaa3f26cb7ebd46da564",
    "bcbd6486424b2319ff4ef7d526e38f63",
    name="inception_v3",
)
def InceptionV3(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """InceptionV3, as Keras has it: 23,851,784 parameters.

    >>> InceptionV3(False, None, input_shape=(75, 75, 3)).output_shape
    (1, 1, 2048)
    """
    conv = _numbered()
    x = conv(x, 32, 3, 3, strides=2, padding="valid")
    x = conv(x, 32, 3, 3, padding="valid")
    x = conv(x, 64, 3, 3)
    x = MaxPool(3, strides=2)(x)
    x = conv(x, 80, 1, 1, padding="valid")
    x = conv(x, 192, 3, 3, padding="valid")
    x = MaxPool(3, strides=2)(x)
    for i, pooled in enumerate((32, 64, 64)):
        branches = [[(64, 1, 1)], [(48, 1, 1), (64, 5, 5)], [(64, 1, 1), (96, 3, 3), (96, 3, 3)]]
        x = _mixed(conv, x, branches, pooled, f"mixed{i}")
    x = _halved(conv, x, [[(384, 3, 3)], [(64, 1, 1), (96, 3, 3), (96, 3, 3)]], "mixed3")
    for i, c in enumerate((128, 160, 160, 192), 4):
        row = [(c, 1, 1), (c, 1, 7), (192, 7, 1)]
        double = [(c, 1, 1), (c, 7, 1), (c, 1, 7), (c, 7, 1), (192, 1, 7)]
        x = _mixed(conv, x, [[(192, 1, 1)], row, double], 192, f"mixed{i}")
    seven = [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)]
    x = _halved(conv, x, [[(192, 1, 1), (320, 3, 3)], seven], "mixed8")
    for i in (0, 1):
        x = _widest(conv, x, i)
    return request.head(x, named=False)


Conv = Callable[..., SymbolicTensor]


def _numbered() -> Conv:
    """A convolution, a normalization without a scale and a ReLU, numbered as they are made."""
    numbers = count()

    def conv(
        x: SymbolicTensor,
        filters: int,
        height: int,
        width: int,
        strides: int = 1,
        padding: str = "same",
    ) -> SymbolicTensor:
        n = f"_{i}" if (i := next(numbers)) else ""
        window = (height, width)
        x = Conv2D(filters, window, strides, padding, use_bias=False, name=f"conv2d{n}")(x)
        x = BatchNorm(scale=False, name=f"batch_normalization{n}")(x)
        return Activation("relu", name=f"activation{n}")(x)

    return conv


def _run(conv: Conv, x: SymbolicTensor, branch: Branch) -> SymbolicTensor:
    for filters, height, width in branch:
        x = conv(x, filters, height, width)
    return x


def _mixed(
    conv: Conv, x: SymbolicTensor, branches: Sequence[Branch], pooled: int, name: str
) -> SymbolicTensor:
    """Branches side by side, the last one of them a pooling and a 1x1 convolution."""
    found = [_run(conv, x, branch) for branch in branches]
    pool = conv(AvgPool(3, strides=1, padding="same")(x), pooled, 1, 1)
    return Concatenate(name=name)([*found, pool])


def _halved(conv: Conv, x: SymbolicTensor, branches: Sequence[Branch], name: str) -> SymbolicTensor:
    """Branches whose last convolution takes every other pixel, and a pooling that does."""
    found = [
        conv(_run(conv, x, branch[:-1]), *branch[-1], strides=2, padding="valid")
        for branch in branches
    ]
    return Concatenate(name=name)([*found, MaxPool(3, strides=2)(x)])


def _widest(conv: Conv, x: SymbolicTensor, i: int) -> SymbolicTensor:
    """The last two blocks, where branches end in a 1x3 and a 3x1 convolution side by side."""
    found = [conv(x, 320, 1, 1)]
    for branch, name in (
        ([(384, 1, 1)], f"mixed9_{i}"),
        ([(448, 1, 1), (384, 3, 3)], None),
    ):
        y = _run(conv, x, branch)
        found.append(Concatenate(name=name)([conv(y, 384, 1, 3), conv(y, 384, 3, 1)]))
    pool = conv(AvgPool(3, strides=1, padding="same")(x), 192, 1, 1)
    return Concatenate(name=f"mixed{9 + i}")([*found, pool])


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as InceptionV3 takes them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")
