"""What a model is made of, as a table."""

import math
from collections.abc import Sequence

from minicnn._core.console import html_table, legible, padded, width_of
from minicnn.layers import Input, Layer
from minicnn.layers.building import walk
from minicnn.models.memory import MemoryUse
from minicnn.optimizers import Optimizer

HEADER = ("layer", "output shape", "params", "multiply-adds", "activations")


def table(layers: Sequence[Layer]) -> str:
    """A line for each of ``layers``, which are built, and their parts, and the totals."""
    rows, totals = _rows(layers)
    rows = [(legible(name), *others) for name, *others in rows]
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            padded(cell, width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, *totals])


def html(name: str, layers: Sequence[Layer]) -> str:
    """The same for a notebook."""
    rows, totals = _rows(layers)
    return html_table(rows, f"Model {name!r}: {'; '.join(totals)}")


def brief(kind: str, name: str, layers: Sequence[Layer], built: bool) -> str:
    """A model in one line.

    >>> from minicnn.layers import Dense
    >>> brief("Sequential", "small", [Dense(3)], built=False)
    "Sequential('small', 1 layer, not built)"
    """
    inner = [layer for layer in layers if not isinstance(layer, Input)]
    parts = [legible(repr(name)), f"{len(inner)} layer{'s' * (len(inner) != 1)}"]
    if built:
        shape, last = layers[0].input_shape, layers[-1]
        assert shape is not None
        assert last.input_shape is not None
        ways = ("x".join(map(str, s)) for s in (shape, last.output_shape(last.input_shape)))
        params = sum(layer.count_params() for layer in layers)
        parts += [" -> ".join(ways), f"{params:,} parameters"]
    else:
        parts.append("not built")
    return f"{kind}({', '.join(parts)})"


def _rows(layers: Sequence[Layer]) -> tuple[list[tuple[str, ...]], tuple[str, str]]:
    """The cells, with the header, and two lines of totals.

    Multiply-adds and activations are those of one image going forward.
    """
    rows: list[tuple[str, ...]] = [HEADER]
    params = learned = work = memory = 0
    for layer in walk(layers):
        assert layer.input_shape is not None
        shape = layer.output_shape(layer.input_shape)
        count = sum(array.size for array in layer.arrays().values())
        adds = layer.multiply_adds(layer.input_shape)
        size = math.prod(shape) * layer.dtype.itemsize
        rows.append(
            (
                f"{'' if layer in layers else '  '}{layer.name} ({type(layer).__name__})",
                f"({', '.join(['N', *map(str, shape)])})",
                f"{count:,}",
                f"{adds:,}",
                _kib(size),
            )
        )
        memory += size
        if layer not in layers:
            continue  # it is counted in the layer that it is part of
        params, work = params + count, work + adds
        learned += sum(array.size for array in layer.learned().values())
    itemsize = layers[0].dtype.itemsize
    return rows, (
        f"{params:,} parameters ({_kib(params * itemsize)}), {learned:,} of them trainable",
        f"{work:,} multiply-adds and {_kib(memory)} of activations an image",
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
