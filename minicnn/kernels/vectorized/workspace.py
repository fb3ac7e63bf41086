"""Large arrays that are used again from step to step.

The first touch of fresh memory costs more than the arithmetic on it: the system hands out
each page only then, and filled with zeros. Every training step asks for arrays of the same sizes
in the same order, so the k-th array that a step takes with ``empty`` lies where that of the step
before did.

Smaller arrays, which come and go within a step, are left to the allocator. That of Linux (glibc)
gives freed memory back to the system when the array was larger than a threshold, 128 KiB at
first, and raises the threshold to the largest such array it has seen freed. ``Buffers`` therefore
takes and frees one of just under 32 MiB, the highest threshold, without touching it.
"""

import math
import threading
from types import TracebackType
from typing import Self

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn.kernels.base import Workspace

LARGEST_KEPT = 31 << 20
"""Bytes; an array of that size, freed, makes glibc keep the memory of all smaller ones."""

_current = threading.local()


class Buffers(Workspace):
    """The arrays that the steps of a run take with ``empty``, one after another."""

    def __init__(self) -> None:
        np.empty(LARGEST_KEPT, np.uint8)
        self.arrays: list[Array] = []
        self.used = 0
        self.scratch = np.empty(0, np.uint8)
        """What calls compute in, as large as the largest of them asked for."""

    @property
    def nbytes(self) -> int:
        """The bytes of all that it holds."""
        return super().nbytes + self.scratch.nbytes

    def begin(self) -> Self:
        """Start a step."""
        self.used = 0
        return self

    def __enter__(self) -> Self:
        """Open it."""
        self.before = getattr(_current, "buffers", None)
        _current.buffers = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it: what was taken stays as it is until the next step."""
        _current.buffers = self.before

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """The next array of the step, its content arbitrary."""
        size = math.prod(shape) * dtype.itemsize
        if self.used == len(self.arrays):
            self.arrays.append(np.empty(size, np.uint8))
        elif self.arrays[self.used].nbytes < size:
            self.arrays[self.used] = np.empty(size, np.uint8)
        buffer = self.arrays[self.used]
        self.used += 1
        array: Array = buffer[:size].view(dtype).reshape(shape)
        return array


def scratch(size: int) -> Array:
    """So many bytes for the time of a call: the next one is given the same."""
    buffers: Buffers | None = getattr(_current, "buffers", None)
    if buffers is None:
        return np.empty(size, np.uint8)
    if buffers.scratch.nbytes < size:
        buffers.scratch = np.empty(size, np.uint8)
    return buffers.scratch[:size]


def empty(shape: Shape, dtype: DType) -> Array:
    """``np.empty``; where ``Buffers`` are open, in memory that is used again."""
    buffers: Buffers | None = getattr(_current, "buffers", None)
    return np.empty(shape, dtype) if buffers is None else buffers.empty(shape, np.dtype(dtype))
