"""The values of an ONNX graph, as the layers that make them.

A ``Value`` is an array of minicnn's, (N, H, W, C) if it is of images, and says how ONNX sees it:
with its axes in another order, and perhaps in another shape. So a Flatten between images and a Gemm
costs nothing: the Gemm's rows are reordered.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import ModelFileError
from minicnn.layers import (
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    Permute,
    Rescaling,
    Reshape,
    Residual,
)
from minicnn.onnx.graph import NCHW, Axes, row_order, same_order

LARGEST = 1 << 28
"""The most numbers that a layer may make of one image."""
MOST_LAYERS = 2000
DEEPEST = 16
"""How far residual blocks may be nested."""


@dataclass(frozen=True, eq=False)
class Step:
    """A layer with its arrays, or two branches whose ends are added."""

    layer: Layer | None
    arrays: Mapping[str, Array]
    ways: "tuple[list[Step], list[Step]] | None" = None
    depth: int = 0
    layers: int = 1
    """The number of steps inside."""


@dataclass(frozen=True, eq=False)
class Value:
    """The output of a row of steps."""

    shape: Shape
    """Without the batch axis."""
    axes: Axes
    """Which axis of minicnn's array each axis of ONNX's is."""
    parent: "Value | None" = None
    step: Step | None = None
    length: int = 0
    view: Shape | None = None
    """The shape in which ONNX sees the numbers, where that is another."""

    @property
    def dims(self) -> Shape:
        """The sizes that ONNX sees, without the batch."""
        if self.view is not None:
            return self.view
        return tuple(self.shape[axis - 1] for axis in self.axes[1:])

    @property
    def last(self) -> Layer | None:
        """The layer that made it."""
        return self.step.layer if self.step else None


def identity(shape: Shape) -> Axes:
    """The axes of an array that ONNX sees as minicnn does."""
    return tuple(range(len(shape) + 1))


def check_size(shape: Shape) -> None:
    """Raise ``ModelFileError`` for an image with too many numbers."""
    if math.prod(shape) > LARGEST:
        raise ModelFileError(f"expected at most {LARGEST:,} numbers an image, got more.")


def after(
    x: Value, layer: Layer, arrays: Mapping[str, Array] | None = None, axes: Axes | None = None
) -> Value:
    """The output of a layer for x; raises as the layer does for shapes that do not fit."""
    shape = layer.output_shape(x.shape)
    check_size(shape)
    axes = x.axes if axes is None else axes
    return Value(shape, axes, x, Step(layer, arrays or {}), x.length + 1, x.view)


def instead(x: Value, layer: Layer, arrays: Mapping[str, Array] | None = None) -> Value:
    """The output of a layer, which keeps the shape, in the place of the last layer of x."""
    assert x.parent is not None
    return replace(x, step=Step(layer, arrays or {}))


def ordered(x: Value, axes: Axes) -> Value:
    """x with its axes in such an order that ONNX's are ``axes``."""
    if x.axes == axes:
        return x
    return after(x, Permute([x.axes[axes.index(i)] for i in range(1, len(axes))]), axes=axes)


def settled(x: Value) -> Value:
    """x in the shape in which ONNX sees it."""
    if x.view is None:
        return x
    view, x = x.view, replace(x, view=None)
    last = x.last
    if isinstance(last, GlobalAvgPool | GlobalMaxPool) and last.keepdims and len(view) == 1:
        pooled = instead(x, type(last)())
        return replace(pooled, shape=view, axes=(0, 1))
    if not same_order(x.axes, x.shape):
        x = ordered(x, identity(x.shape))
    flat = Flatten() if len(view) == 1 else Reshape(view)
    return after(x, flat, axes=identity(view))


def images(x: Value) -> Value:
    """x as images, with the channels last."""
    x = settled(x)
    if len(x.shape) != 3:
        raise ModelFileError(
            f"expected images (N, C, H, W), got an array of {len(x.shape) + 1} axes."
        )
    return ordered(x, NCHW)


def scaled(x: Value, scale: float | Array, offset: float | Array) -> Value:
    """x * scale + offset, as one layer with a Rescaling before it; arrays are of channels."""
    last = x.last
    if type(last) is Rescaling and x.parent is not None:
        offset = np.multiply(last.offset, scale) + offset
        scale = np.multiply(last.scale, scale)
        x = replace(x.parent, axes=x.axes, view=x.view)
    if np.all(np.equal(scale, 1)) and not np.any(offset):
        return x
    return after(x, Rescaling(scale, offset))  # type: ignore[arg-type]


def dense(x: Value, kernel: Array, bias: Array | None = None) -> Value:
    """x @ kernel + bias along ONNX's last axis."""
    arrays = {"kernel": kernel} | ({} if bias is None else {"bias": bias})
    if x.dims[-1] != len(kernel):
        raise ModelFileError(f"expected {x.dims[-1]} rows of numbers, got {len(kernel)}.")
    layer = Dense(kernel.shape[1], use_bias=bias is not None)
    if x.view is not None and len(x.view) == 1 and not same_order(x.axes, x.shape):
        arrays["kernel"] = np.empty_like(kernel)
        arrays["kernel"][row_order(x.axes, x.shape)] = kernel
        x = after(replace(x, view=None), Flatten(), axes=(0, 1))
    x = settled(x)
    if x.axes[-1] != len(x.shape):
        x = ordered(x, identity(x.shape))
    return after(x, layer, arrays)


def way_between(a: Value, b: Value) -> tuple[Value, list[Step], list[Step]]:
    """Where the branches to a and b part, and the steps from there to each."""
    to_a: list[Step] = []
    to_b: list[Step] = []
    while a.step is not b.step:
        if a.length >= b.length:
            assert a.step is not None
            assert a.parent is not None
            to_a.append(a.step)
            a = a.parent
        else:
            assert b.step is not None
            assert b.parent is not None
            to_b.append(b.step)
            b = b.parent
    return a, to_a[::-1], to_b[::-1]


def alike(a: Value, b: Value) -> tuple[Value, Value]:
    """a and b with their axes in the same order; raises ``ModelFileError`` for other shapes."""
    if a.dims != b.dims:
        raise ModelFileError(f"expected two arrays of the same shape, got {a.dims} and {b.dims}.")
    if (a.view, a.shape, a.axes) == (b.view, b.shape, b.axes):
        return a, b
    a, b = settled(a), settled(b)
    return a, ordered(b, a.axes)


def added(a: Value, b: Value) -> Value:
    """a + b, as a residual block over the steps since their branches parted."""
    a, b = alike(a, b)
    start, *ways = way_between(a, b)
    longer, shorter = sorted(ways, key=len, reverse=True)
    if not longer:
        return scaled(a, 2.0, 0.0)
    inside = [*longer, *shorter]
    depth = 1 + max(step.depth for step in inside)
    layers = 1 + sum(step.layers for step in inside)
    if depth > DEEPEST or layers > MOST_LAYERS:
        raise ModelFileError(
            f"expected residual blocks nested at most {DEEPEST} deep, of {MOST_LAYERS} layers."
        )
    step = Step(None, {}, (longer, shorter), depth, layers)
    return Value(a.shape, a.axes, start, step, start.length + 1, a.view)


Weights = dict[int, tuple[Layer, Mapping[str, Array]]]
"""Each layer, by its identity, with the arrays that the file has for it."""


def made(x: Value, weights: Weights) -> list[Layer]:
    """The layers that make x; ``weights`` takes their arrays.

    Raises ``ModelFileError`` where one would have to stand in two places: branches may be nested,
    but must not cross.
    """
    steps: list[Step] = []
    while x.step is not None:
        assert x.parent is not None
        steps.append(x.step)
        x = x.parent
    return _layers(steps[::-1], weights)


def _layers(steps: list[Step], weights: Weights) -> list[Layer]:
    layers: list[Layer] = []
    for step in steps:
        if step.layer is not None:
            if id(step.layer) in weights:
                raise ModelFileError(
                    "expected branches that part and meet one within another, as in residual "
                    "blocks, got some that cross."
                )
            weights[id(step.layer)] = step.layer, step.arrays
            layers.append(step.layer)
        elif step.ways is not None:
            main, around = (_layers(way, weights) for way in step.ways)
            layers.append(Residual(main, around or None))
    return layers
