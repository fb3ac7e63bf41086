"""Large arrays that are used again from step to step.

The first touch of fresh memory costs more than the arithmetic on it: the system hands out
each page only then, and filled with zeros. Every training step asks for arrays of the same sizes
in the same order, so the k-th array that a step takes with ``empty`` lies where that of the step
before did.

Smaller arrays, which come and go within a step, are left to the allocator. That of Linux (glibc)
gives freed memory back to the system when the array was larger than a threshold, 128 KiB at
first, and raises the threshold to the largest such array it has seen freed. A ``Room`` therefore
takes and frees one of just under 32 MiB, the highest threshold, without touching it.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minicnn.shapes import Array, DType, Shape

LARGEST_KEPT = 31 << 20
"""Bytes; an array of that size, freed, makes glibc keep the memory of all smaller ones."""

_current = threading.local()


class Room:
    """The memory of a run: the arrays that its steps take, one after another."""

    def __init__(self) -> None:
        np.empty(LARGEST_KEPT, np.uint8)
        self.buffers: list[Array] = []

    @contextmanager
    def step(self) -> Iterator[None]:
        """Within, in this thread, ``empty`` writes over what the step before was given."""
        before = getattr(_current, "taken", None)
        _current.taken = [0, self.buffers]
        try:
            yield
        finally:
            _current.taken = before


def empty(shape: Shape, dtype: DType) -> Array:
    """``np.empty``; within a ``Room.step``, in memory that is used again."""
    taken = getattr(_current, "taken", None)
    if taken is None:
        return np.empty(shape, dtype)
    used, buffers = taken
    size = math.prod(shape) * dtype.itemsize
    if used == len(buffers):
        buffers.append(np.empty(size, np.uint8))
    elif buffers[used].nbytes < size:
        buffers[used] = np.empty(size, np.uint8)
    taken[0] += 1
    array: Array = buffers[used][:size].view(dtype).reshape(shape)
    return array
