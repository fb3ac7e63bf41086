"""What a layer's output is made of: the slopes of one number, and of all that use one number.

Both are had from the layer's own passes in double precision, whatever the layer: the slopes of an
output from its backward pass with a gradient of 1 there, those of an input from its forward pass
with a 1 there.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn.layers import (
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    SeparableConv2D,
)

Position = tuple[int, ...]

LINEAR = (Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D, Dense, AvgPool, BatchNorm)
"""Layers that are known to be weighted sums without their activation; others are tried."""

MOST_AT_ONCE = 1 << 22
"""The numbers of the inputs that go through a layer at once."""

MOST_PASSES = 4096
"""The outputs that are gone back from one by one; slopes to more are central differences."""


class Terms(NamedTuple):
    """Numbers of a network, and what each is multiplied by."""

    reads: list[int]
    """Which of the arrays that are read each number is from."""
    positions: list[Position]
    x: Array
    weights: Array

    @property
    def products(self) -> Array:
        """x * weight."""
        return self.x * self.weights


def in_double(layer: Any) -> Any:
    """A copy of a layer whose arrays are in double precision."""
    double = copy.copy(layer)
    for kind in ("params", "state"):
        arrays = getattr(layer, kind)
        setattr(double, kind, {name: array.astype(np.float64) for name, array in arrays.items()})
    return double


def given(layer: Any, xs: Sequence[Array]) -> Any:
    """The inputs as the layer takes them."""
    return tuple(xs) if layer.merges else xs[0]


def slopes(layer: Any, xs: Sequence[Array], position: Position) -> tuple[Array, ...]:
    """The derivatives of y[position] by every number of the inputs, without the batch axis."""
    y, cache = layer.forward(given(layer, xs))
    dy = np.zeros(y.shape)
    dy[(0, *position)] = 1
    dx, _ = layer.backward(dy, cache)
    return tuple(one[0] for one in (dx if layer.merges else (dx,)))


def at_zero(layer: Any, xs: Sequence[Array], position: Position) -> float:
    """y[position] when all inputs are 0."""
    with np.errstate(all="ignore"):
        y = layer.forward(given(layer, [np.zeros_like(x) for x in xs]))[0]
    return float(y[(0, *position)])


def users(
    layer: Any, xs: Sequence[Array], read: int, position: Position
) -> tuple[list[Position], Array]:
    """(the outputs that use a number of an input, the derivative of each by that number)."""
    found = _column_if_affine(layer, xs, read, position)
    if found is None:
        return _column_by_passes(layer, xs, read, position)
    places = np.argwhere(found)
    return list(map(tuple, places.tolist())), found[tuple(places.T)]


def _outputs(layer: Any, xs: Sequence[Array], read: int, rows: Array) -> Array:
    """The outputs for each row in the place of one input, the others as they are."""
    every = [rows if i == read else np.repeat(x, len(rows), axis=0) for i, x in enumerate(xs)]
    with np.errstate(all="ignore"):
        return np.asarray(layer.forward(given(layer, every))[0])


def _column_if_affine(
    layer: Any, xs: Sequence[Array], read: int, position: Position
) -> Array | None:
    """The derivatives of y by one number, if y is a weighted sum of that input, plus constants."""
    x = xs[read]
    one = np.zeros_like(x)
    one[(0, *position)] = 1
    constant, with_one = _outputs(layer, xs, read, np.concatenate([np.zeros_like(x), one]))
    if not any(computes_as(layer, cls) for cls in LINEAR):
        far = 1e3 * np.random.default_rng(0).standard_normal(x.shape)
        rows = np.concatenate([x, x + far, far, x - far, -far])
        y, both, of_far, less, of_less = _outputs(layer, xs, read, rows)
        scale = sum(map(np.abs, (y, both, of_far, less, of_less, constant)))
        if not np.isfinite(scale).all():
            return None
        for moved, alone in ((both, of_far), (less, of_less)):
            if not (np.abs((moved - y) - (alone - constant)) <= 1e-10 * scale).all():
                return None
    column = with_one - constant
    # What two numbers that are equal but for rounding leave is no slope.
    return np.where(np.abs(column) <= 1e-13 * np.abs(constant), 0, column)


def _column_by_passes(
    layer: Any, xs: Sequence[Array], read: int, position: Position
) -> tuple[list[Position], Array]:
    """The same for any layer: a backward pass from each output that moves with the number."""
    x = xs[read]
    step = 1e-4 * max(1.0, abs(float(x[(0, *position)])))
    rows = np.concatenate([x, x])
    rows[(0, *position)] += step
    rows[(1, *position)] -= step
    above, below = _outputs(layer, xs, read, rows)
    places = np.argwhere(above != below)
    found = list(map(tuple, places.tolist()))
    if len(found) > MOST_PASSES:
        return found, ((above - below) / (2 * step))[tuple(places.T)]
    weights = np.empty(len(found))
    at_once = max(1, min(256, MOST_AT_ONCE // max(1, math.prod(x.shape) + above.size)))
    for start in range(0, len(found), at_once):
        some = found[start : start + at_once]
        y, cache = layer.forward(given(layer, [np.repeat(one, len(some), axis=0) for one in xs]))
        dy = np.zeros(y.shape)
        for i, place in enumerate(some):
            dy[(i, *place)] = 1
        dx, _ = layer.backward(dy, cache)
        dx = dx[read] if layer.merges else dx
        weights[start : start + len(some)] = dx[(slice(None), *position)]
    return found, weights
