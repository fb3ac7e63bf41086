"""What a model is made of, as a table."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Protocol

from minicnn._core.arguments import boolean, whole_number
from minicnn._core.console import html_table, legible, say
from minicnn._core.shapes import Array, DType
from minicnn._core.suggestions import did_you_mean
from minicnn.data.arrays import check_batch_size
from minicnn.errors import ConfigError, shown
from minicnn.layers import InputLayer
from minicnn.layers.graph import Graph
from minicnn.layers.symbolic import Call
from minicnn.models.memory import MemoryUse, memory_use
from minicnn.models.summary_table import Row, lines_of
from minicnn.optimizers import Adam, Optimizer

COLUMNS = {
    "output shape": "output shape",
    "params": "params",
    "multiply-adds": "multiply-\nadds",
    "activations": "activa-\ntions",
    "trainable": "train-\nable",
}
"""What is said of a layer, and the same in two lines."""

WIDTH = 80
"""Columns that most terminals have, and into which a table fits where it can."""

UNKNOWN = "?"
"""What is said of a layer that is not built."""


class Network(Protocol):
    """What a model is asked for here."""

    @property
    def is_row(self) -> bool: ...  # noqa: D102
    @property
    def built(self) -> bool: ...  # noqa: D102
    @property
    def input_shapes(self) -> list[Any]: ...  # noqa: D102
    @property
    def output_shapes(self) -> list[Any]: ...  # noqa: D102
    def count_params(self) -> int: ...  # noqa: D102
    def arrays(self) -> dict[str, Array]: ...  # noqa: D102
    def learned(self) -> dict[str, Array]: ...  # noqa: D102
    def graph(self, input_shape: Any = None) -> Graph: ...  # noqa: D102

    name: str
    stack: list[Any]
    inner_calls: list[Call]
    dtype: DType


@dataclass(frozen=True)
class Options:
    """How a table is to look; see ``Model.summary``."""

    line_length: int | None = None
    expand_nested: bool = False
    show_trainable: bool = False
    layer_range: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.line_length is not None:
            whole_number("summary", "line_length", self.line_length, least=1)
        boolean("summary", "expand_nested", self.expand_nested)
        boolean("summary", "show_trainable", self.show_trainable)
        ends = self.layer_range
        if ends is not None and (
            not isinstance(ends, list | tuple)
            or len(ends) != 2
            or not all(isinstance(end, str) for end in ends)
        ):
            raise ConfigError(
                "summary: expected layer_range as two names of layers, the first and the last, "
                f"got {shown(ends)}."
            )

    @property
    def limit(self) -> int:
        """The columns that a line should not have more than."""
        return int(self.line_length or WIDTH)


def lines(model: Network, options: Options) -> list[str]:
    """A line or more for each of a model's layers and their parts, and the totals."""
    layers = _between(model.stack, options.layer_range)
    rows = list(_rows(model, layers, options))
    count = len(COLUMNS) - (not options.show_trainable)
    header = list(COLUMNS.items())[:count]
    limit = options.limit
    connected = model.built and not model.is_row
    found = lines_of(rows, header, connected, limit, fill=options.line_length is not None)
    return [*found, *(part for total in totals(model) for part in wrap(total, limit))]


def html(model: Network) -> str:
    """The same for a notebook, with all that is within."""
    return html_table(table(model), f"Model {model.name!r}: {'; '.join(totals(model))}")


def table(model: Network) -> list[list[str]]:
    """The header, and the cells of a row for each layer, with all that is within."""
    options = Options(expand_nested=True)
    connected = [] if model.is_row else ["connected to"]
    rows = [["layer", *list(COLUMNS)[:-1], *connected]]
    for row in _rows(model, model.stack, options):
        name = f"{row.indent}{row.name} ({row.kind})"
        rows.append([name, *row.cells, *[", ".join(row.inputs)][: len(connected)]])
    return rows


def brief(model: Network) -> str:
    """A model in one line.

    >>> brief(Sequential([Dense(3)], name="small"))
    "Sequential('small', 1 layer, not built)"
    """
    inner = [layer for layer in model.stack if not isinstance(layer, InputLayer)]
    parts = [legible(repr(model.name)), f"{len(inner)} layer{'s' * (len(inner) != 1)}"]
    if model.built:
        ends = (model.input_shapes, model.output_shapes)
        ways = (_shapes(shapes[0] if len(shapes) == 1 else shapes) for shapes in ends)
        parts += [" -> ".join(ways), f"{model.count_params():,} parameters"]
    else:
        parts.append("not built")
    return f"{type(model).__name__}({', '.join(parts)})"


def _shapes(shape: Any) -> str:
    several = shape if isinstance(shape, list) else [shape]
    return ", ".join("x".join(map(str, one)) for one in several)


def _between(layers: Sequence[Any], ends: Sequence[str] | None) -> Sequence[Any]:
    """The layers from the first to the last that names, or patterns of them, stand for."""
    if ends is None:
        return layers
    places = []
    for end in ends:
        try:
            places.append([i for i, layer in enumerate(layers) if re.match(end, layer.name)])
        except re.error:
            raise ConfigError(f"summary: layer_range {end!r} is no pattern of names.") from None
        if not places[-1]:
            names = [layer.name for layer in layers]
            raise ConfigError(
                f"summary: expected layer_range as names of layers, got {end!r}."
                f"{did_you_mean(end, names)}"
            )
    first, last = places
    if first[0] > last[-1]:
        first, last = last, first
    return layers[first[0] : last[-1] + 1]


def _rows(model: Network, layers: Sequence[Any], options: Options) -> Iterator[Row]:
    """What is said of layers: multiply-adds and activations are those of one image."""
    calls: dict[int, list[Call]] = {}
    for call in model.inner_calls:
        calls.setdefault(id(call.layer), []).append(call)
    for layer in layers:
        uses = calls.get(id(layer), []) if model.built else []
        shapes = [x.sizes for use in uses for x in use.outputs]
        size = sum(math.prod(shape) for shape in shapes) * model.dtype.itemsize
        adds = sum(layer.multiply_adds(use.shape) for use in uses if use.inputs)
        inputs = [] if model.is_row else [str(x.name) for use in uses for x in use.inputs]
        cells = _cells(layer, shapes[0], adds, size) if uses else [UNKNOWN] * 4
        yield _row(layer, cells, options, 0, inputs)
        if uses:
            yield from _within(layer, options, 1)


def _within(layer: Any, options: Options, depth: int) -> Iterator[Row]:
    """The lines of what a layer is made of, or a model if that is asked for."""
    if hasattr(layer, "inner_calls") and not options.expand_nested:
        return
    for part in layer.sublayers:
        shape = _output(part)
        adds = part.multiply_adds(part.input_shape)
        cells = _cells(part, shape, adds, math.prod(shape) * part.dtype.itemsize)
        yield _row(part, cells, options, depth)
        yield from _within(part, options, depth + 1)


def _row(
    layer: Any, cells: Sequence[str], options: Options, depth: int, inputs: Sequence[str] = ()
) -> Row:
    learns = "yes" if layer.trainable else "no"
    if cells[0] != UNKNOWN and not layer.arrays():
        learns = "-"
    extra = [learns] * options.show_trainable
    return Row(str(layer.name), type(layer).__name__, [*cells, *extra], inputs, depth)


def totals(model: Network) -> list[str]:
    """Parameters, and what an image takes."""
    if not model.built:
        return ["Not built: call build(input_shape), or let it start with Input(shape)."]
    memory = sum(
        math.prod(x.sizes) * model.dtype.itemsize
        for call in model.inner_calls
        for x in call.outputs
    )
    params = sum(array.size for array in model.arrays().values())
    learned = sum(array.size for array in model.learned().values())
    work = sum(node.layer.multiply_adds(node.shape) for node in model.graph().nodes)
    return [
        f"{params:,} parameters ({_bytes(params * model.dtype.itemsize)}), {learned:,} of them "
        "trainable",
        f"{work:,} multiply-adds and {_bytes(memory)} of activations an image",
    ]


def _output(layer: Any) -> Any:
    if hasattr(layer, "output_shapes"):  # a model
        return layer.output_shapes[0]
    return layer.output_shape(layer.input_shape)


def _cells(layer: Any, shape: Any, adds: int, size: int) -> list[str]:
    params = sum(array.size for array in layer.arrays().values())
    return [f"({', '.join(['N', *map(str, shape)])})", f"{params:,}", f"{adds:,}", _bytes(size)]


def show(lines: Sequence[str], print_fn: Any) -> None:
    """Hand each line to ``print_fn``, or print it."""
    if print_fn is not None and not callable(print_fn):
        raise ConfigError(f"summary: expected print_fn as a function, got {shown(print_fn)}.")
    for line in lines:
        (print_fn or say)(line)


def memory_lines(
    model: Any, optimizer: Optimizer | None, batch_size: Any, options: Options
) -> list[str]:
    """What training and predicting on batches take, with Adam where there is no optimizer."""
    model.require_built()
    check_batch_size(batch_size)
    optimizer = optimizer or Adam()
    use = memory_use(model, model.fused(), optimizer, int(batch_size))
    return wrap(memory_line(use, batch_size, optimizer), options.limit)


def memory_line(use: MemoryUse, batch_size: int, optimizer: Optimizer) -> str:
    """What training and predicting take, in a line.

    >>> memory_line(MemoryUse(120 << 20, 50 << 20), 64, Adam())
    'besides the data: about 120 MiB to train on batches of 64 with Adam, 50 MiB to predict'
    """
    training, predicting = (f"{size / 2**20:,.0f} MiB" for size in use)
    name = type(optimizer).__name__
    return (
        f"besides the data: about {training} to train on batches of {batch_size} with {name}, "
        f"{predicting} to predict"
    )


def _bytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 1024:,.1f} KiB"
