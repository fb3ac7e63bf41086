"""The values of an ONNX graph, as the layers that make them.

A ``Value`` is an array of minicnn's, (N, H, W, C) if it is of images, and says how ONNX sees it:
with its axes in another order, and perhaps in another shape. So a Flatten between images and a Gemm
costs nothing: the Gemm's rows are reordered.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import ModelFileError
from minicnn.layers import (
    Add,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    Permute,
    Rescaling,
    Reshape,
)
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.onnx.graph import NCHW, Axes, row_order, same_order

LARGEST = 1 << 28
"""The most numbers that a layer may make of one image."""
MOST_LAYERS = 2000


@dataclass(frozen=True, eq=False)
class Step:
    """A layer with its arrays."""

    layer: Layer
    arrays: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Value:
    """What a step makes of other values, or an input."""

    shape: Shape
    """Without the batch axis."""
    axes: Axes
    """Which axis of minicnn's array each axis of ONNX's is."""
    parents: "tuple[Value, ...]" = ()
    step: Step | None = None
    length: int = 0
    """The most steps from an input."""
    view: Shape | None = None
    """The shape in which ONNX sees the numbers, where that is another."""
    name: str = ""
    """Of an input: what the file calls it."""

    @property
    def dims(self) -> Shape:
        """The sizes that ONNX sees, without the batch."""
        if self.view is not None:
            return self.view
        return tuple(self.shape[axis - 1] for axis in self.axes[1:])

    @property
    def parent(self) -> "Value | None":
        """What the step takes, if that is one value."""
        return self.parents[0] if len(self.parents) == 1 else None

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
    return Value(shape, axes, (x,), Step(layer, arrays or {}), x.length + 1, x.view)


def instead(x: Value, layer: Layer, arrays: Mapping[str, Array] | None = None) -> Value:
    """The output of a layer, which keeps the shape, in the place of the last layer of x."""
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


def way_between(a: Value, b: Value) -> tuple[Value, list[Step], list[Step]] | None:
    """Where the ways to a and b part, and the steps from there to each; None if they never meet."""
    to_a: list[Step] = []
    to_b: list[Step] = []
    while a.step is not b.step or (a.step is None and a.name != b.name):
        longer, way = (a, to_a) if a.length >= b.length else (b, to_b)
        if longer.step is None or longer.parent is None:
            return None
        way.append(longer.step)
        if longer is a:
            a = longer.parent
        else:
            b = longer.parent
    return a, to_a[::-1], to_b[::-1]


def alike(a: Value, b: Value) -> tuple[Value, Value]:
    """a and b with their axes in the same order; raises ``ModelFileError`` for other shapes."""
    if a.dims != b.dims:
        raise ModelFileError(f"expected two arrays of the same shape, got {a.dims} and {b.dims}.")
    if (a.view, a.shape, a.axes) == (b.view, b.shape, b.axes):
        return a, b
    a, b = settled(a), settled(b)
    return a, ordered(b, a.axes)


def merged(layer: Layer, values: Sequence[Value]) -> Value:
    """What a merging layer makes of values; raises ``ModelFileError`` for other ranks."""
    xs = [settled(x) for x in values]
    if len({len(x.shape) for x in xs}) > 1:
        raise ModelFileError("expected arrays of as many axes, got others.")
    xs = [xs[0], *(ordered(x, xs[0].axes) for x in xs[1:])]
    shapes: Any = tuple(x.shape for x in xs)
    shape = layer.output_shape(shapes)
    check_size(shape)
    return Value(shape, xs[0].axes, tuple(xs), Step(layer, {}), 1 + max(x.length for x in xs))


def added(a: Value, b: Value) -> Value:
    """a + b."""
    if a.dims == b.dims and a.step is not None and a.step is b.step and a.axes == b.axes:
        return scaled(a, 2.0, 0.0)
    return merged(Add(), [a, b])


Weights = dict[int, tuple[Layer, Mapping[str, Array]]]
"""Each layer, by its identity, with the arrays that the file has for it."""


def made(
    ends: Sequence[Value], inputs: Mapping[str, SymbolicTensor], weights: Weights
) -> list[SymbolicTensor]:
    """The tensors that values are; ``weights`` takes the arrays of the layers in between.

    Raises ``ModelFileError`` for too many layers.
    """
    tensors: dict[int, SymbolicTensor] = {}
    ahead = list(ends)
    while ahead:
        x = ahead[-1]
        missing = [y for y in x.parents if y.step is not None and id(y.step) not in tensors]
        if x.step is None or id(x.step) in tensors:
            ahead.pop()
        elif missing:
            ahead += missing
        else:
            if len(weights) >= MOST_LAYERS:
                raise ModelFileError(f"expected at most {MOST_LAYERS:,} layers, got more.")
            ahead.pop()
            layer = x.step.layer
            takes = [_tensor(y, inputs, tensors) for y in x.parents]
            weights[id(layer)] = layer, x.step.arrays
            tensors[id(x.step)] = layer(takes if layer.merges else takes[0])
    return [_tensor(x, inputs, tensors) for x in ends]


def _tensor(
    x: Value, inputs: Mapping[str, SymbolicTensor], tensors: Mapping[int, SymbolicTensor]
) -> SymbolicTensor:
    return inputs[x.name] if x.step is None else tensors[id(x.step)]
