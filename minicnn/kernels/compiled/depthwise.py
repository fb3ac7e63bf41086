"""Depthwise convolution by the C page ``depthwise.c``."""

import math
from functools import lru_cache

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape
from minicnn.kernels.compiled.library import Function, plain, threads_now
from minicnn.kernels.compiled.normalization import moments_found, moments_wanted, slot_of
from minicnn.kernels.vectorized import workspace

_depthwise = Function("depthwise", "aiaaaaaaa")
_depthwise_backward = Function("depthwise_backward", "aiaaaaaaaaa")

WORTH_THREADS = 1 << 19
"""Multiplications from which on several threads share them."""

BAND_BYTES = 64 << 10
"""Of the rows that are gone through at a time."""

A_PART = 128
"""Pixels of dy, at least, of which the gradients are added up apart from the others."""

MOST_PARTS, MOST_THREADS = 32, 256
WIDEST = 16
"""Numbers in the widest vector, by which the sums of a tap may be longer."""


@lru_cache(maxsize=1024)
def _place(
    x: Shape, kernel: Shape, strides: Pair, pads: Pads, dilation: Pair, itemsize: int
) -> tuple[Array, Pair, int, int, int]:
    """The numbers for C, the size of y, and the bands, parts and threads at most for such work."""
    down, across = (
        (n + sum(p) - (k - 1) * d - 1) // s + 1
        for n, p, k, d, s in zip(x[1:3], pads, kernel, dilation, strides, strict=False)
    )
    pixels = x[0] * down * across
    parts = max(1, min(MOST_PARTS, pixels // A_PART))
    threads = 1 if pixels * math.prod(kernel) < WORTH_THREADS else MOST_THREADS
    numbers = [*x, *kernel[:2], *strides, *dilation, pads[0][0], pads[1][0], down, across]
    bands = max(1, x[0] * max(down * across, x[1] * x[2]) * x[3] * itemsize // BAND_BYTES)
    numbers += [parts, kernel[2] + WIDEST, bands]
    return np.array(numbers, np.int64), (down, across), bands, parts, threads


def depthwise(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
) -> Array:
    """See ``KernelSet``."""
    dtype = np.result_type(x, kernel)
    kernel, x = _flat(kernel, dtype), _repeated(x, kernel.shape[3], dtype)
    size = dtype.itemsize
    place, out, bands, _, most = _place(x.shape, kernel.shape, strides, pads, dilation, size)
    threads = min(most, threads_now())
    y = workspace.empty((len(x), *out, kernel.shape[2]), dtype)
    if bias is not None:
        bias = plain(bias, dtype)
    c, memory = kernel.shape[2], _memory(kernel, threads)
    found = moments_wanted(c, dtype)
    slots = None if found is None else np.empty((bands, slot_of(c)))
    _depthwise(dtype, place, threads, x, kernel, bias, y, memory, slots, found)
    moments_found(y, found)
    return y


def depthwise_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool = True,
    dilation: Pair = (1, 1),
) -> tuple[Array | None, Array, Array]:
    """See ``KernelSet``."""
    dtype, times = np.result_type(dy, x, kernel), kernel.shape[3]
    flat, wide_x = _flat(kernel, dtype), _repeated(x, times, dtype)
    dy = plain(dy, dtype)
    size = dtype.itemsize
    place, *_, parts, most = _place(wide_x.shape, flat.shape, strides, pads, dilation, size)
    threads = min(most, threads_now())
    dx = workspace.empty(wide_x.shape, dtype) if need_dx else None
    dkernel, dbias = np.empty_like(flat), np.empty(flat.shape[2], dtype)
    sums = flat.shape[0] * flat.shape[1] + 1, flat.shape[2] + WIDEST
    few, total = np.empty((threads, *sums), dtype), np.empty((parts, *sums))
    memory = _memory(flat, threads)
    _depthwise_backward(
        dtype, place, threads, dy, wide_x, flat, dx, dkernel, dbias, memory, few, total
    )
    if dx is not None and times > 1:
        dx = dx.reshape(*x.shape, times).sum(axis=-1)
    dkernel = dkernel.reshape(kernel.shape)
    return dx, dkernel.astype(kernel.dtype, copy=False), dbias.astype(kernel.dtype, copy=False)


def _flat(kernel: Array, dtype: DType) -> Array:
    """(kh, kw, c * times)."""
    return plain(kernel.reshape(*kernel.shape[:2], -1), dtype)


def _repeated(x: Array, times: int, dtype: DType) -> Array:
    """Every channel ``times`` times, so that each has one filter."""
    return plain(x if times == 1 else np.repeat(x, times, axis=3), dtype)


def _memory(kernel: Array, threads: int) -> Array:
    """For the taps that each thread finds inside."""
    return np.empty((threads, 2, kernel.shape[0] * kernel.shape[1]), np.int64)
