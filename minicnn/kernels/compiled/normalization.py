"""Batch normalization by the C page ``normalization.c``."""

import math

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels.base import ALONE, Channels, Normalization, NormalizationGrads, Then
from minicnn.kernels.compiled.library import Function, threads_now
from minicnn.kernels.vectorized import workspace

_moments = Function("channel_moments", "aiiiiaaa")
_normalize = Function("normalize", "aaiiiiaaaifa")
_normalize_backward = Function("normalize_backward", "aaaiiiiaaaaifiaaaaaa")

PART = 128 << 10
"""Bytes of an array that one thread is given."""

MOST_PARTS = 64
"""Sums are made of so many parts, whatever the number of threads."""


def _parts(x: Array, most: int) -> tuple[int, int, int, int]:
    """(rows, channels, parts, threads)."""
    c = x.shape[-1]
    parts = min(max(x.nbytes // PART, 1), most)
    return x.size // max(c, 1), c, parts, min(threads_now(), parts)


def _kind(then: Then) -> int:
    return 2 if then.most < math.inf else int(then.relu)


def moments(x: Array) -> tuple[Array, Array]:
    """See ``Normalization``."""
    x = np.ascontiguousarray(x)
    rows, c, parts, threads = _parts(x, MOST_PARTS)
    mean, variance = np.empty(c, x.dtype), np.empty(c, x.dtype)
    sums = np.empty((parts, 2, c))
    _moments(x.dtype, x, rows, c, parts, threads, sums, mean, variance)
    return mean, variance


def normalize(
    x: Array,
    channels: Channels,
    then: Then = ALONE,
    other: Array | None = None,
) -> Array:
    """See ``Normalization``."""
    x = np.ascontiguousarray(x)
    other = None if other is None else np.ascontiguousarray(other, x.dtype)
    rows, c, parts, threads = _parts(x, x.nbytes)
    y = workspace.empty(x.shape, x.dtype)
    _normalize(
        x.dtype, x, other, rows, c, parts, threads, channels.mean, channels.scale, channels.shift,
        _kind(then), then.most, y,
    )  # fmt: skip
    return y


def normalize_backward(
    dy: Array,
    x: Array,
    channels: Channels,
    then: Then = ALONE,
    y: Array | None = None,
    batch: bool = True,
    need_dx: bool = True,
    over_x: bool = False,
) -> NormalizationGrads:
    """See ``Normalization``."""
    x = np.ascontiguousarray(x)
    dtype = x.dtype
    dy = np.ascontiguousarray(dy, dtype)
    rows, c, parts, threads = _parts(x, MOST_PARTS)
    dx = (x if over_x else workspace.empty(x.shape, dtype)) if need_dx else None
    four = np.empty((4, c), dtype)
    _normalize_backward(
        dtype, dy, x, y, rows, c, parts, threads, channels.mean,
        channels.inverse_deviation, channels.scale, channels.shift, _kind(then), then.most, batch,
        np.empty((parts, 2, c)), four, dx, y, four[2], four[3],
    )  # fmt: skip
    return NormalizationGrads(dx, four[3], four[2])


NORMALIZATION = Normalization(moments, normalize, normalize_backward)
