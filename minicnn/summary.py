"""What a model is made of, as a table."""

import math
from collections.abc import Sequence

from minicnn.layers import Layer
from minicnn.layers.base import walk
from minicnn.memory_use import MemoryUse
from minicnn.optimizers import Optimizer

HEADER = ("layer", "output shape", "params", "multiply-adds", "activations")


def table(layers: Sequence[Layer]) -> str:
    """A line for each of ``layers``, which are built, and their parts, and the totals.

    Multiply-adds and activations are those of one image going forward.
    """
    rows, params, learned, work, memory = [HEADER], 0, 0, 0, 0
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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    itemsize = layers[0].dtype.itemsize
    totals = (
        f"{params:,} parameters ({_kib(params * itemsize)}), {learned:,} of them trainable\n"
        f"{work:,} multiply-adds and {_kib(memory)} of activations an image"
    )
    return "\n".join([lines[0], rule, *lines[1:], rule, totals])


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
