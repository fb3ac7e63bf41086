"""Sums over pixels by the C page ``sums.c``."""

import math

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels.compiled.library import Function, plain, threads_now

_sums = Function("sums", "iiiiiifaaaa")

WIDE = 256
"""Numbers side by side, about, that are added to as many others."""

WORTH_THREADS = 1 << 17
"""Numbers from which on several threads share them."""

MOST_PARTS = 32


def channel_sums(x: Array) -> Array:
    """See ``KernelSet``."""
    c = x.shape[-1]
    return _added(x, 1, math.prod(x.shape[:-1]), c).reshape(c)


def image_sums(x: Array) -> Array:
    """See ``KernelSet``."""
    n, h, w, c = x.shape
    return _added(x, n, h * w, c)


def image_means(x: Array) -> Array:
    """See ``KernelSet``."""
    n, h, w, c = x.shape
    return _added(x, n, h * w, c, h * w)


def _added(x: Array, groups: int, pixels: int, c: int, divisor: float = 1) -> Array:
    """(groups, c), the sums over the pixels of each group."""
    x = plain(x)
    together = max(1, min(WIDE // c, pixels))
    parts = 1
    if x.size >= WORTH_THREADS and groups < MOST_PARTS:
        parts = min(MOST_PARTS // groups, x.size // groups // (WORTH_THREADS // 4)) or 1
    threads = 1 if x.size < WORTH_THREADS else threads_now()
    y, wide = np.empty((groups, c), x.dtype), together * c
    few, total = np.empty((threads, wide), x.dtype), np.empty((groups * parts, wide))
    _sums(x.dtype, groups, pixels, c, together, parts, threads, divisor, x, y, few, total)
    return y
