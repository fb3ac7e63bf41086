"""What a model is made of, as a table."""

import math
from collections.abc import Iterator
from typing import Any, Protocol

from minicnn._core.console import html_table, legible, padded, width_of
from minicnn._core.shapes import Array, DType
from minicnn.layers import InputLayer
from minicnn.layers.graph import Graph
from minicnn.layers.symbolic import Call
from minicnn.models.memory import MemoryUse
from minicnn.optimizers import Optimizer

HEADER = ("layer", "output shape", "params", "multiply-adds", "activations")


class Network(Protocol):
    """What a model is asked for here."""

    @property
    def is_row(self) -> bool: ...  # noqa: D102
    @property
    def built(self) -> bool: ...  # noqa: D102
    @property
    def input_shape(self) -> Any: ...  # noqa: D102
    @property
    def output_shape(self) -> Any: ...  # noqa: D102
    def count_params(self) -> int: ...  # noqa: D102
    def arrays(self) -> dict[str, Array]: ...  # noqa: D102
    def learned(self) -> dict[str, Array]: ...  # noqa: D102
    def graph(self, input_shape: Any = None) -> Graph: ...  # noqa: D102

    name: str
    stack: list[Any]
    inner_calls: list[Call]
    dtype: DType


def table(model: Network) -> str:
    """A line for each of a model's layers, which are built, and their parts, and the totals."""
    rows, totals = _rows(model)
    rows = [tuple(map(legible, row)) for row in rows]
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    numbers = range(2, 5)
    lines = [
        "  ".join(
            cell.rjust(width) if i in numbers else padded(cell, width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:], rule, *totals])


def html(model: Network) -> str:
    """The same for a notebook."""
    rows, totals = _rows(model)
    return html_table(rows, f"Model {model.name!r}: {'; '.join(totals)}")


def brief(model: Network) -> str:
    """A model in one line.

    >>> brief(Sequential([Dense(3)], name="small"))
    "Sequential('small', 1 layer, not built)"
    """
    inner = [layer for layer in model.stack if not isinstance(layer, InputLayer)]
    parts = [legible(repr(model.name)), f"{len(inner)} layer{'s' * (len(inner) != 1)}"]
    if model.built:
        ways = (_shapes(shape) for shape in (model.input_shape, model.output_shape))
        parts += [" -> ".join(ways), f"{model.count_params():,} parameters"]
    else:
        parts.append("not built")
    return f"{type(model).__name__}({', '.join(parts)})"


def _shapes(shape: Any) -> str:
    several = shape if isinstance(shape, list) else [shape]
    return ", ".join("x".join(map(str, one)) for one in several)


def _rows(model: Network) -> tuple[list[tuple[str, ...]], tuple[str, str]]:
    """The cells, with the header, and two lines of totals.

    Multiply-adds and activations are those of one image going forward.
    """
    row = model.is_row
    rows: list[tuple[str, ...]] = [HEADER if row else (*HEADER, "connected to")]
    calls: dict[int, list[Call]] = {}
    for call in model.inner_calls:
        calls.setdefault(id(call.layer), []).append(call)
    memory = 0
    for layer in model.stack:
        uses = calls[id(layer)]
        shapes = [x.sizes for use in uses for x in use.outputs]
        size = sum(math.prod(shape) for shape in shapes) * model.dtype.itemsize
        memory += size
        adds = sum(layer.multiply_adds(use.shape) for use in uses if use.inputs)
        from_ = ", ".join(str(x.name) for use in uses for x in use.inputs)
        rows.append(_cells(layer, "", shapes[0], adds, size) + (() if row else (from_,)))
        rows += [cells + (() if row else ("",)) for cells in _within(layer, "  ")]
    params = sum(array.size for array in model.arrays().values())
    learned = sum(array.size for array in model.learned().values())
    work = sum(node.layer.multiply_adds(node.shape) for node in model.graph().nodes)
    return rows, (
        f"{params:,} parameters ({_kib(params * model.dtype.itemsize)}), {learned:,} of them "
        "trainable",
        f"{work:,} multiply-adds and {_kib(memory)} of activations an image",
    )


def _within(layer: Any, indent: str) -> Iterator[tuple[str, ...]]:
    """The lines of what a layer or a model is made of."""
    for part in layer.sublayers:
        shape = _output(part)
        adds = part.multiply_adds(part.input_shape)
        yield _cells(part, indent, shape, adds, math.prod(shape) * part.dtype.itemsize)
        yield from _within(part, f"{indent}  ")


def _output(layer: Any) -> Any:
    found = layer.output_shape
    if callable(found):
        found = found(layer.input_shape)
    return found[0] if isinstance(found, list) else found


def _cells(layer: Any, indent: str, shape: Any, adds: int, size: int) -> tuple[str, ...]:
    return (
        f"{indent}{layer.name} ({type(layer).__name__})",
        f"({', '.join(['N', *map(str, shape)])})",
        f"{sum(array.size for array in layer.arrays().values()):,}",
        f"{adds:,}",
        _kib(size),
    )


def memory_line(use: MemoryUse, batch_size: int, optimizer: Optimizer) -> str:
    """What training and predicting take, in a line.

    >>> from minicnn import Adam
    >>> memory_line(MemoryUse(120 << 20, 50 << 20), 64, Adam())
    'besides the data: about 120 MiB to train on batches of 64 with Adam, 50 MiB to predict'
    """
    training, predicting = (f"{size / 2**20:,.0f} MiB" for size in use)
    name = type(optimizer).__name__
    return (
        f"besides the data: about {training} to train on batches of {batch_size} with {name}, "
        f"{predicting} to predict"
    )


def _kib(size: int) -> str:
    return f"{size / 1024:,.1f} KiB"
