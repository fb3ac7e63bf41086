"""Large arrays that are used again from step to step.

The first touch of fresh memory costs more than the arithmetic on it: the system hands out
each page only then, and filled with zeros. Every training step asks for arrays of the same sizes
in the same order, so within ``reused`` the k-th array of a step lies where that of the step
before did.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minicnn.shapes import Array, DType, Shape


class Step:
    """The arrays of one step. ``begin`` gives all of them back, to be written over."""

    def __init__(self) -> None:
        self.buffers: list[Array] = []
        self.used = 0

    def begin(self) -> None:
        """Start a step: what was given out before may be written over from now on."""
        self.used = 0

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """An array whose content is arbitrary."""
        size = math.prod(shape) * dtype.itemsize
        if self.used == len(self.buffers):
            self.buffers.append(np.empty(size, np.uint8))
        elif self.buffers[self.used].nbytes < size:
            self.buffers[self.used] = np.empty(size, np.uint8)
        buffer = self.buffers[self.used][:size]
        self.used += 1
        return buffer.view(dtype).reshape(shape)


_current = threading.local()


@contextmanager
def reused() -> Iterator[Step]:
    """Within, ``empty`` in this thread gives memory that lasts until the step's next ``begin``."""
    before = getattr(_current, "step", None)
    _current.step = Step()
    try:
        yield _current.step
    finally:
        _current.step = before


def empty(shape: Shape, dtype: DType) -> Array:
    """``np.empty``, from the memory of the step under way where there is one."""
    step: Step | None = getattr(_current, "step", None)
    return np.empty(shape, dtype) if step is None else step.empty(shape, np.dtype(dtype))
