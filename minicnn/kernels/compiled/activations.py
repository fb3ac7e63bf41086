"""Sums and ReLUs by the C page ``activations.c``."""

import math

from minicnn._core.shapes import Array
from minicnn.kernels.base import ALONE, Rectifier, Then
from minicnn.kernels.compiled.library import Function, plain, threads_now
from minicnn.kernels.vectorized import workspace

_rectify = Function("rectify", "aaiiiffa")
_rectify_backward = Function("rectify_backward", "aaiiiffa")

ONE_THREAD = 128 << 10
"""Bytes of an array that is not worth a second thread."""


def kind_of(then: Then) -> int:
    """The number that stands for it in C."""
    if then.slope:
        return 3
    return 2 if then.most < math.inf else int(then.relu)


def _threads(array: Array) -> int:
    return 1 if array.nbytes <= ONE_THREAD else threads_now()


def rectify(
    x: Array, then: Then = ALONE, other: Array | None = None, out: Array | None = None
) -> Array:
    """See ``Rectifier``."""
    x = plain(x)
    other = None if other is None else plain(other, x.dtype)
    if out is None or not out.flags.c_contiguous:
        out = workspace.empty(x.shape, x.dtype)
    kind = kind_of(then)
    _rectify(x.dtype, x, other, x.size, _threads(x), kind, then.slope, then.most, out)
    return out


def rectify_backward(dy: Array, y: Array, then: Then) -> Array:
    """See ``Rectifier``."""
    dy = plain(dy, y.dtype)
    _rectify_backward(y.dtype, dy, y, y.size, _threads(y), kind_of(then), then.slope, then.most, y)
    return y


RECTIFIER = Rectifier(rectify, rectify_backward)
