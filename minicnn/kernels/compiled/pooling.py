"""Pooling by the C page ``pooling.c``."""

import math
from functools import lru_cache

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape, sum_dtype
from minicnn.kernels.compiled.library import Function, plain, threads_now
from minicnn.kernels.vectorized import workspace

_pool = Function("pool", "aiiaaa")
_pool_backward = Function("pool_backward", "aiiaaaaa")

WORTH_THREADS = 1 << 16
"""Numbers of an array from which on several threads share it."""

MOST_THREADS = 256


@lru_cache(maxsize=1024)
def _place(x: Shape, size: Pair, strides: Pair, pads: Pads) -> tuple[Array, Shape, int]:
    """The numbers for C, the shape of y, and the threads at most for such work."""
    (top, _), (left, _) = pads
    oh, ow = (
        (n + sum(p) - k) // s + 1 for n, p, k, s in zip(x[1:3], pads, size, strides, strict=True)
    )
    threads = 1 if math.prod(x) < WORTH_THREADS else MOST_THREADS
    numbers = np.array([*x, *size, *strides, top, left, oh, ow], np.int64)
    return numbers, (x[0], oh, ow, x[3]), threads


def max_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``KernelSet``."""
    return _pooled(x, size, strides, pads, mean=False)


def max_pool_backward(
    dy: Array, x: Array, y: Array, size: Pair, strides: Pair, pads: Pads
) -> Array:
    """See ``KernelSet``."""
    dtype = x.dtype
    wide = _wide(dtype, size, strides)
    x, y = plain(x, wide), plain(y, wide)
    return _spread(dy, x.shape, size, strides, pads, wide, x, y).astype(dtype, copy=False)


def avg_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``KernelSet``."""
    wide = sum_dtype(x.dtype, max(size))
    return _pooled(x.astype(wide, copy=False), size, strides, pads, True).astype(
        x.dtype, copy=False
    )


def avg_pool_backward(dy: Array, x_shape: Shape, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``KernelSet``."""
    wide = _wide(dy.dtype, size, strides)
    return _spread(dy, x_shape, size, strides, pads, wide).astype(dy.dtype, copy=False)


def _wide(dtype: DType, size: Pair, strides: Pair) -> DType:
    """The precision in which the parts of all windows that meet at a pixel are added up."""
    return sum_dtype(dtype, -(-size[0] // strides[0]) * -(-size[1] // strides[1]))


def _pooled(x: Array, size: Pair, strides: Pair, pads: Pads, mean: bool) -> Array:
    place, shape, most = _place(x.shape, size, strides, pads)
    threads = min(most, threads_now())
    x = plain(x)
    y = workspace.empty(shape, x.dtype)
    _pool(x.dtype, place, threads, mean, x, y, _scratch(x.shape, threads, x.dtype))
    return y


def _spread(
    dy: Array,
    shape: Shape,
    size: Pair,
    strides: Pair,
    pads: Pads,
    dtype: DType,
    x: Array | None = None,
    y: Array | None = None,
) -> Array:
    """dx: evenly, or with x and y to the winners."""
    place, _, most = _place(shape, size, strides, pads)
    threads = min(most, threads_now())
    dy = plain(dy, dtype)
    dx = workspace.empty(shape, dtype)
    scratch = _scratch(shape, threads, dtype)
    _pool_backward(dtype, place, threads, x is None, dy, x, y, dx, scratch)
    return dx


def _scratch(shape: Shape, threads: int, dtype: DType) -> Array:
    """A row of an image for each thread."""
    return np.empty((threads, shape[2] * shape[3]), dtype)
