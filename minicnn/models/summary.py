"""What a model is made of, as a table."""

import re
from collections.abc import Mapping, Sequence
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
from minicnn.models.summary_data import LayerFacts, Summary, facts, totals
from minicnn.models.summary_table import Column, Row, lines_of
from minicnn.optimizers import Adam, Optimizer

COLUMNS = (
    Column("output shape", "output\nshape", right=False),
    Column("kernel", "kernel"),
    Column("receptive field", "field"),
    Column("params", "params"),
    Column("multiply-adds", "multi-\nply-\nadds"),
    Column("activations", "activa-\ntions"),
)
"""What is said of a layer; the kernel and the field where there are any."""

TRAINABLE = Column("trainable", "train-\nable", right=False)

WIDTH = 80
"""Columns that most terminals have, and into which a table fits where it can."""

EXACT = 7
"""Characters of a number of parameters that is not shortened."""

MARKS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))

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


def summary(
    model: Network, options: Options, optimizer: Optimizer | None, batch_size: Any
) -> Summary:
    """A line or more for each of a model's layers and their parts, and the totals."""
    layers = _between(model.stack, options.layer_range)
    found = list(facts(model, layers, options.expand_nested))
    sums = totals(model)
    columns = _columns(found, options.show_trainable)
    rows = [_row(layer, columns) for layer in found]
    limit, fill = options.limit, options.line_length is not None
    table = lines_of(rows, columns, model.built and not model.is_row, limit, fill)
    lines = [f"Model {model.name!r}", *table]
    lines += [part for total in _totals(sums) for part in wrap(total, limit)]
    if batch_size is not None:
        use, line = _memory(model, optimizer, batch_size)
        lines += wrap(line, limit)
        sums |= {"training_bytes": use.training, "predicting_bytes": use.predicting}
    return Summary(model.name, lines, found, sums, html(model))


def html(model: Network) -> str:
    """The table for a notebook, with all that is within."""
    return html_table(table(model), f"Model {model.name!r}: {'; '.join(total_lines(model))}")


def table(model: Network) -> list[list[str]]:
    """The header, and the cells of a row for each layer, with all that is within."""
    found = list(facts(model, model.stack, expand_nested=True))
    connected = [] if model.is_row else ["connected to"]
    columns = _columns(found, show_trainable=False)
    rows = [["layer", *(column.title for column in columns), *connected]]
    for row in (_row(layer, columns) for layer in found):
        name = f"{row.indent}{row.name} ({row.kind})"
        rows.append([name, *row.cells, *[", ".join(row.inputs)][: len(connected)]])
    return rows


def total_lines(model: Network) -> list[str]:
    """Parameters, and what an image takes."""
    return _totals(totals(model))


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


def _columns(found: Sequence[LayerFacts], show_trainable: bool) -> list[Column]:
    """Those of which there is something to say."""
    some = {"kernel": any(f.kernel for f in found), "receptive field": any(f.field for f in found)}
    return [
        *(column for column in COLUMNS if some.get(column.title, True)),
        *[TRAINABLE] * show_trainable,
    ]


def _row(layer: LayerFacts, columns: Sequence[Column]) -> Row:
    """The texts of a layer, and short ones where there is little space."""
    known = layer.output_shape is not None
    numbers = layer.params, layer.multiply_adds, layer.activation_bytes
    params, adds, size = (UNKNOWN,) * 3
    brief = [UNKNOWN] * 3
    if known:
        params, adds, size = f"{numbers[0]:,}", f"{numbers[1]:,}", _bytes(numbers[2] or 0)
        exact = params if len(params) <= EXACT else _short(numbers[0] or 0)
        brief = [exact, _short(numbers[1] or 0), size.replace(".0 ", " ")]
    shape = f"({', '.join(['N', *map(str, layer.output_shape or ())])})" if known else UNKNOWN
    learns = "-" if layer.trainable is None else "yes" if layer.trainable else "no"
    flat = "x".join(map(str, layer.output_shape or ())) if known else UNKNOWN
    both = {
        "output shape": (shape, flat),
        "kernel": (layer.kernel,) * 2,
        "receptive field": (layer.field,) * 2,
        "params": (params, brief[0]),
        "multiply-adds": (adds, brief[1]),
        "activations": (size, brief[2]),
        "trainable": (learns,) * 2,
    }
    cells, short = zip(*(both[column.title] for column in columns), strict=True)
    return Row(layer.name, layer.class_name, cells, short, layer.connected_to, layer.depth)


def _short(number: int) -> str:
    """A number in three figures from ten thousand on.

    >>> _short(9_999), _short(16_384), _short(2_359_296), _short(4_089_184_256)
    ('9,999', '16.4k', '2.36M', '4.09G')
    """
    if number < 10_000:
        return f"{number:,}"
    size, mark = next(one for one in MARKS if number >= one[0])
    return f"{number / size:.3g}{mark}"


def _totals(found: Mapping[str, int]) -> list[str]:
    if not found:
        return ["Not built: call build(input_shape), or let it start with Input(shape)."]
    params = found["parameters"]
    return [
        f"{params:,} parameters ({_bytes(found['parameter_bytes'])}), {found['trainable']:,} of "
        "them trainable",
        f"{found['multiply_adds']:,} multiply-adds and {_bytes(found['activation_bytes'])} of "
        "activations an image",
    ]


def show(lines: Sequence[str], print_fn: Any) -> None:
    """Hand each line to ``print_fn``, or print it."""
    if print_fn is not None and not callable(print_fn):
        raise ConfigError(f"summary: expected print_fn as a function, got {shown(print_fn)}.")
    for line in lines:
        (print_fn or say)(line)


def _memory(model: Any, optimizer: Optimizer | None, batch_size: Any) -> tuple[MemoryUse, str]:
    """What training and predicting on batches take, with Adam where there is no optimizer."""
    model.require_built()
    check_batch_size(batch_size)
    optimizer = optimizer or Adam()
    use = memory_use(model, model.fused(), optimizer, int(batch_size))
    return use, memory_line(use, batch_size, optimizer)


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
