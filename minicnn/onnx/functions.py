"""Writing the layers behind functions of tensors in ONNX."""

from typing import Any

import numpy as np

from minicnn.layers import Clip, Elementwise, Power, Reduce, Slice
from minicnn.onnx.graph import Flow, Graph

NODES = {
    "absolute": "Abs",
    "cos": "Cos",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "sqrt": "Sqrt",
}
"""The functions that ONNX has as one node."""
LAST = np.iinfo(np.int64).max
"""Where a slice ends that goes to the end; the negative of it, less one, if it goes backwards."""


def elementwise(graph: Graph, layer: Elementwise, x: Flow) -> Flow:
    """f(x)."""
    if layer.function == "square":
        return graph.on(x, "Mul", x.name)
    if layer.function == "log1p":
        return graph.on(graph.on(x, "Add", graph.array("one", 1.0)), "Log")
    return graph.on(x, NODES[layer.function])


def power(graph: Graph, layer: Power, x: Flow) -> Flow:
    """x ** exponent."""
    return graph.on(x, "Pow", graph.array("exponent", float(layer.exponent)))


def clip(graph: Graph, layer: Clip, x: Flow) -> Flow:
    """x within its bounds."""
    bounds = (("min", layer.x_min), ("max", layer.x_max))
    return graph.on(x, "Clip", *("" if b is None else graph.array(n, float(b)) for n, b in bounds))


def reduce(graph: Graph, layer: Reduce, x: Flow) -> Flow:
    """The mean, sum, max or min over axes."""
    x = graph.in_order(x)
    shape = layer.output_shape(x.shape)
    rank = len(x.shape) + 1
    given = layer.axis if isinstance(layer.axis, tuple | list) else (layer.axis,)
    axes = sorted(int(a) % rank for a in given)
    op, kept = f"Reduce{layer.function.capitalize()}", int(layer.keepdims)
    if layer.function == "sum":  # the others take their axes as an input in a later release
        name = graph.node(op, [x.name, graph.array("axes", axes, "int64")], keepdims=kept)
    else:
        name = graph.node(op, [x.name], axes=axes, keepdims=kept)
    return Flow(name, shape, tuple(range(len(shape) + 1)))


def cut(graph: Graph, layer: Slice, x: Flow) -> Flow:
    """x[key]: what is sliced, then without the axes of which one place is taken, then new ones."""
    x = graph.in_order(x)
    shape, rank = layer.output_shape(x.shape), len(x.shape) + 1
    used = sum(part is not None and part != "..." for part in layer.key)
    whole = [(None, None, None)] * (rank - used)
    parts: list[Any] = []
    for part in layer.key:
        parts += whole if part == "..." else [part]
    found, axis = list[tuple[int, int, int, int]](), 0
    for part in parts:
        if isinstance(part, int):
            found.append((part, part + 1 if part != -1 else LAST, 1, axis))
        elif part is not None and part != (None, None, None):
            start, stop, step = part
            step = 1 if step is None else step
            first, last = (0, LAST) if step > 0 else (LAST, -LAST)
            found.append((first if start is None else start, last if stop is None else stop,
                          step, axis))  # fmt: skip
        axis += part is not None
    name = x.name
    if found:
        arrays = zip(("starts", "ends", "axes", "steps"), _columns(found), strict=True)
        name = graph.node("Slice", [name, *(graph.array(n, v, "int64") for n, v in arrays)])
    if any(part is None or isinstance(part, int) for part in layer.key):  # axes come or go
        return graph.shaped(Flow(name, x.shape, x.axes), shape)
    return Flow(name, shape, x.axes)


def _columns(found: list[tuple[int, int, int, int]]) -> list[list[int]]:
    starts, ends, steps, axes = (list(column) for column in zip(*found, strict=True))
    return [starts, ends, axes, steps]
