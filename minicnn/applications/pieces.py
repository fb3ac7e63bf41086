"""What our networks are made of: checked arguments, normalized convolutions, both ends."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.settings import channels_last
from minicnn._core.shapes import Shape
from minicnn._core.signatures import checked
from minicnn.data.axis_order import check_order
from minicnn.errors import ConfigError, shown
from minicnn.layers import BatchNorm, Conv2D, Dense, Input, Layer, ReLU, Rescaling
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.model import Model
from minicnn.models.sequential import Sequential

P = ParamSpec("P")
M = TypeVar("M", bound=Model)


def network(make: Callable[P, M]) -> Callable[P, M]:
    """A network that checks its arguments and names itself in errors."""
    signature, who = inspect.signature(make), make.__name__

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> M:
        given = signature.bind(*args, **kwargs).arguments
        shape, augment = given["input_shape"], given.get("augment", ())
        sizes = shape if isinstance(shape, tuple | list) else ()
        if len(sizes) != 3 or not all(isinstance(n, int | np.integer) for n in sizes):
            raise ConfigError(
                f"{who}: expected input_shape as (height, width, channels), such as (64, 64, 3), "
                f"got {shown(shape)}."
            )
        check_order(who, (1, *sizes))
        if whole_number(who, "classes", given["classes"]) == 1:
            raise ConfigError(
                f"{who}: expected 2 or more classes, got 1. Yes and no are two classes, too."
            )
        if not isinstance(augment, tuple | list):
            raise ConfigError(f"{who}: expected augment as a list of layers, got {shown(augment)}.")
        with channels_last():
            return make(*args, **kwargs)

    return checked(made)


def through(layers: Sequence[Layer], x: SymbolicTensor) -> SymbolicTensor:
    """What layers, one after another, make of a tensor."""
    for layer in layers:
        x = layer(x)
    return x


MOMENTUM = 0.9
"""The moving statistics must follow within the few hundred steps that small data sets take."""


def conv(filters: int, kernel_size: int, strides: int = 1, padding: str = "same") -> Conv2D:
    """A convolution before a BatchNorm, which has a shift: it needs no bias."""
    return Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
    )


def normed(filters: int, kernel_size: int, strides: int = 1, padding: str = "same") -> list[Layer]:
    """A convolution with normalization behind it."""
    return [conv(filters, kernel_size, strides, padding), BatchNorm(momentum=MOMENTUM)]


def prenormed(filters: int, kernel_size: int) -> list[Layer]:
    """A convolution with normalization and ReLU before it, as DenseNet has them."""
    return [BatchNorm(momentum=MOMENTUM), ReLU(), conv(filters, kernel_size)]


def classifier(
    input_shape: Shape,
    layers: Sequence[Layer],
    classes: int,
    seed: int | None,
    augment: Sequence[Layer],
) -> Sequential:
    """Layers between what prepares bytes and a softmax over the classes."""
    head: list[Any] = [Input(input_shape), *augment, Rescaling(1 / 255)]
    return Sequential([*head, *layers, Dense(classes, activation="softmax")], seed=seed)
