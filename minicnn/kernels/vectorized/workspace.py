"""Large arrays whose memory is used again, within a step and from step to step.

The first touch of fresh memory costs more than the arithmetic on it: the system hands out
each page only then, and filled with zeros. So ``Buffers`` keep the memory of the arrays that are
taken with ``empty``. As soon as nobody has an array any more, nor a view of it, the next one may
lie there: the number of references to its buffer tells. A network outside training then needs no
more than two of its outputs at a time, and what was written last is still in the processor's cache.

Smaller arrays, which come and go within a step, are left to the allocator. That of Linux (glibc)
gives freed memory back to the system when the array was larger than a threshold, 128 KiB at
first, and raises the threshold to the largest such array it has seen freed. ``Buffers`` therefore
takes and frees one of just under 32 MiB, the highest threshold, without touching it.

What is kept lies in large pages where Linux has them (2 MiB instead of 4 KiB): a pass over tens of
megabytes then waits less for the processor to find where its pages are.
"""

import math
import mmap
import threading
from contextlib import suppress
from sys import getrefcount
from types import TracebackType
from typing import Self

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn.kernels.base import Workspace

LARGEST_KEPT = 31 << 20
"""Bytes; an array of that size, freed, makes glibc keep the memory of all smaller ones."""

HUGE_PAGE = 2 << 20

UNUSED = next(map(getrefcount, [np.empty(0)]))
"""References to an array that only a list has, as ``map`` counts them."""

_current = threading.local()


class Buffers(Workspace):
    """The memory of the arrays that a run takes with ``empty``."""

    def __init__(self) -> None:
        np.empty(LARGEST_KEPT, np.uint8)
        self.arrays: list[Array] = []
        self.scratch = np.empty(0, np.uint8)
        """What calls compute in, as large as the largest of them asked for."""

    @property
    def nbytes(self) -> int:
        """The bytes of all that it holds."""
        return super().nbytes + self.scratch.nbytes

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
        """Close it: what was taken stays as it is."""
        _current.buffers = self.before

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """An array of arbitrary content, in the smallest unused buffer that is large enough.

        Where none is, the largest of the unused makes way for a new one.
        """
        size = math.prod(shape) * dtype.itemsize
        place, held = -1, -1
        for i, count in enumerate(map(getrefcount, self.arrays)):
            if count == UNUSED:
                found = self.arrays[i].nbytes
                if size <= found < held or (held < size and held < found):
                    place, held = i, found
        if place < 0:
            self.arrays.append(fresh(size))
        elif held < size:
            self.arrays[place] = fresh(size)
        array: Array = self.arrays[place][:size].view(dtype).reshape(shape)
        return array


def fresh(size: int) -> Array:
    """So many bytes that nobody has, in large pages if they fill some."""
    if size >= HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        # No large pages, or no memory, which NumPy says better.
        with suppress(OSError, OverflowError):
            memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            memory.madvise(mmap.MADV_HUGEPAGE)
            return np.frombuffer(memory, np.uint8)
    return np.empty(size, np.uint8)


def scratch(size: int) -> Array:
    """So many bytes for the time of a call: the next one is given the same."""
    buffers: Buffers | None = getattr(_current, "buffers", None)
    if buffers is None:
        return np.empty(size, np.uint8)
    if buffers.scratch.nbytes < size:
        buffers.scratch = fresh(size)
    return buffers.scratch[:size]


def empty(shape: Shape, dtype: DType) -> Array:
    """``np.empty``; where ``Buffers`` are open, in memory that is used again."""
    buffers: Buffers | None = getattr(_current, "buffers", None)
    return np.empty(shape, dtype) if buffers is None else buffers.empty(shape, np.dtype(dtype))
