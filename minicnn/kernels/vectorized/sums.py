"""Sums over many numbers, right to single precision and as quick as BLAS reads them.

Adding a million numbers one after the other in single precision loses three of its seven digits:
once the sum is large, most of what is added is rounded away. NumPy's ``sum`` does so along every
axis but the last. Here few are added in single precision, and the sums of these in double.
"""

import numpy as np

from minicnn._core.shapes import FEW, Array, DType, Shape

TERMS = 64
"""Numbers that are added in single precision."""

WIDE = 128
"""Numbers side by side, so that BLAS is quick also where there are three channels."""


class Sum:
    """Arrays added up: a few in their precision, and the sums of these in double.

    >>> total = Sum((2,), np.dtype("float32"))
    >>> for _ in range(1000):
    ...     total.add(np.full(2, 0.1, np.float32))
    >>> total.result().round(3).tolist()
    [100.0, 100.0]
    """

    def __init__(self, shape: Shape, dtype: DType) -> None:
        self.few = np.zeros(shape, dtype)
        self.count = 0
        self.before: Array | None = None

    def add(self, part: Array) -> None:
        """Add one more."""
        if self.count == FEW:
            wide = self.few.astype(np.float64)
            self.before = wide if self.before is None else self.before + wide
            self.few[...] = self.count = 0
        self.few += part
        self.count += 1

    def result(self) -> Array:
        """What has been added up."""
        if self.before is None:
            return self.few
        return (self.before + self.few).astype(self.few.dtype)


def pixel_sums(x: Array) -> Array:
    """The sums along the middle axis of (n, pixels, c): (n, c), in double precision.

    Some neighbouring pixels count as one of many channels until the end.

    >>> pixel_sums(np.full((1, 1000, 2), 0.1, np.float32)).round(4).tolist()
    [[100.0, 100.0]]
    """
    n, pixels, c = x.shape
    total, done = np.zeros((n, c)), 0
    for together in (max(1, WIDE // max(c, 1)), 1):
        pieces = (pixels - done) // (TERMS * together)
        if pieces:
            end = done + pieces * TERMS * together
            wide = x[:, done:end].reshape(n, pieces, TERMS, together * c)
            sums = (np.ones(TERMS, x.dtype) @ wide).sum(axis=1, dtype=np.float64)
            total += sums.reshape(n, together, c).sum(axis=1)
            done = end
    if done < pixels:
        total += np.ones(pixels - done, x.dtype) @ x[:, done:]
    return total


def channel_sums(x: Array) -> Array:
    """See ``Kernels.channel_sums``."""
    return np.asarray(pixel_sums(x.reshape(1, -1, x.shape[-1]))[0], x.dtype)


def image_sums(x: Array) -> Array:
    """See ``Kernels.image_sums``."""
    n, h, w, c = x.shape
    return pixel_sums(x.reshape(n, h * w, c)).astype(x.dtype, copy=False)
