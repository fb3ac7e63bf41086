"""Writing the layers that merge several inputs in ONNX."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from minicnn._core.shapes import axis_of
from minicnn.layers import (
    Add,
    Average,
    Concatenate,
    CustomScaleLayer,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)
from minicnn.onnx.graph import Flow, Graph

OPERATORS = {
    Add: "Add",
    Subtract: "Sub",
    Multiply: "Mul",
    Average: "Mean",
    Maximum: "Max",
    Minimum: "Min",
}
"""The operator that does what a layer does; Add, Sub and Mul with two inputs at a time."""


def _alike(graph: Graph, xs: Sequence[Flow]) -> list[Flow]:
    """The tensors with their axes in one order, and as many of them."""
    rank = max(len(x.shape) for x in xs)
    if all(len(x.shape) == rank for x in xs):
        return [graph.moved(x, xs[0].axes) for x in xs]
    alike = []
    for x in map(graph.in_order, xs):
        missing = rank - len(x.shape)
        shape = (1,) * missing + x.shape
        alike.append(graph.shaped(x, shape) if missing else x)
    return alike


def _elementwise(graph: Graph, layer: Any, xs: Sequence[Flow]) -> Flow:
    first, *others = _alike(graph, xs)
    shape = layer.output_shape(tuple(x.shape for x in xs))
    op = OPERATORS[type(layer)]
    if op in ("Add", "Sub", "Mul"):
        for other in others:
            first = graph.on(first, op, other.name)
    else:
        first = graph.on(first, op, *(other.name for other in others))
    return first._replace(shape=shape)


def _scaled(graph: Graph, layer: CustomScaleLayer, xs: Sequence[Flow]) -> Flow:
    first, other = _alike(graph, xs)
    other = graph.on(other, "Mul", graph.array("scale", float(layer.scale)))
    return graph.on(first, "Add", other.name)


def _concatenated(graph: Graph, layer: Concatenate, xs: Sequence[Flow]) -> Flow:
    first, *others = _alike(graph, xs)
    axis = first.axes.index(axis_of(layer.who, layer.axis, first.shape))
    y = graph.on(first, "Concat", *(other.name for other in others), axis=axis)
    return y._replace(shape=layer.output_shape(tuple(x.shape for x in xs)))


def _dot(graph: Graph, layer: Dot, xs: Sequence[Flow]) -> Flow:
    """MatMul of a matrix of each: (N, others of a, K) by (N, K, others of b)."""
    shapes = tuple(x.shape for x in xs)
    matrices, counts = [], []
    for x, axis, rows in zip(xs, layer.places(shapes), (True, False), strict=True):
        if layer.normalize:
            x = graph.on(x, "LpNormalization", axis=x.axes.index(axis), p=2)
        others = [i for i in range(1, len(x.axes)) if i != axis]
        x = graph.moved(x, (0, *others, axis) if rows else (0, axis, *others))
        counts.append(math.prod(x.shape[i - 1] for i in others))
        length = x.shape[axis - 1]
        sizes = (0, counts[-1], length) if rows else (0, length, counts[-1])
        matrices.append(x.name if len(others) == 1 else graph.reshaped(x.name, sizes))
    y, shape = graph.node("MatMul", matrices), layer.output_shape(shapes)
    y = y if shape == tuple(counts) else graph.reshaped(y, (0, *shape))
    return Flow(y, shape, tuple(range(len(shape) + 1)))


MERGERS: dict[type, Callable[[Graph, Any, Sequence[Flow]], Flow]] = {
    **dict.fromkeys(OPERATORS, _elementwise),
    Concatenate: _concatenated,
    CustomScaleLayer: _scaled,
    Dot: _dot,
}
