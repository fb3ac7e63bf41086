"""Convolution by the C pages ``convolution.c`` and ``convolution_gradients.c``."""

from functools import lru_cache

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape
from minicnn.kernels.base import PLAIN, Scale, Tail
from minicnn.kernels.compiled.library import Function, threads_now
from minicnn.kernels.vectorized import workspace
from minicnn.kernels.vectorized.convolution import Trace

_scratch = Function("convolve_scratch", "aiff", "i")
_convolve = Function("convolve", "aiaffaaaaa")

POOLS = {"": 0, "max": 1, "avg": 2}


@lru_cache(maxsize=1024)
def _place(
    x: Shape,
    kernel: Shape,
    strides: Pair,
    pads: Pads,
    dilation: Pair,
    groups: int,
    bytes_: bool,
    tail: Tail,
    training: bool,
) -> tuple[Array, Pair]:
    out = tuple(
        (n + sum(p) - (k - 1) * d - 1) // s + 1
        for n, p, k, d, s in zip(x[1:3], pads, kernel, dilation, strides, strict=False)
    )
    numbers = [*x, *kernel[:2], kernel[3], groups, *strides, *dilation, *pads[0], *pads[1], *out]
    numbers += [bytes_, tail.relu, POOLS[tail.pool], *tail.size, training]
    return np.array(numbers, np.int64), out


@lru_cache(maxsize=1024)
def _bytes_of_scratch(key, threads, dtype, scale, offset):
    return _scratch(dtype, np.frombuffer(key, np.int64), threads, scale, offset)


def convolve(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    tail: Tail = PLAIN,
    scale: Scale | None = None,
    training: bool = False,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array, Trace]:
    """See ``Fusion``."""
    dtype = kernel.dtype
    bytes_ = x.dtype == np.uint8
    x = np.ascontiguousarray(x, None if bytes_ else dtype)
    kernel = np.ascontiguousarray(kernel)
    place, (oh, ow) = _place(
        x.shape, kernel.shape, strides, pads, dilation, groups, bytes_, tail, training
    )
    threads, (factor, offset) = threads_now(), scale or (1.0, 0.0)
    n, filters, (ph, pw) = len(x), kernel.shape[3], tail.size
    y = workspace.empty((n, oh // ph, ow // pw, filters), dtype)
    kept = None
    if training and tail.pool:
        shape = y.shape if tail.pool == "max" else (n, oh, ow, filters)
        if tail.pool == "max" or tail.relu:
            kept = workspace.empty(shape, np.dtype(np.uint8))
    size = _bytes_of_scratch(place.tobytes(), threads, dtype, factor, offset)
    scratch = workspace.empty((size + 64,), np.dtype(np.uint8))
    at = -scratch.__array_interface__["data"][0] % 64
    _convolve(dtype, place, threads, x, factor, offset, kernel, bias, y, kept, scratch[at:])
    return y, Trace(y, kept)


def conv2d(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """See ``KernelSet``."""
    kernel = kernel.astype(np.result_type(x, kernel), copy=False)
    bias = None if bias is None else bias.astype(kernel.dtype, copy=False)
    return convolve(x, kernel, bias, strides, pads, dilation=dilation, groups=groups)[0]
