"""Layer normalization by the C page ``layer_normalization.c``."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels.base import LayerNormalization, Rows
from minicnn.kernels.compiled.library import Function, plain, threads_now
from minicnn.kernels.compiled.normalization import MOST_PARTS, PART
from minicnn.kernels.vectorized import workspace

_normalize = Function("layer_normalize", "aiiiiaafaaa")
_normalize_backward = Function("layer_normalize_backward", "aaiiiiaaaaaaa")

LONGEST = 1 << 14
"""Numbers in a row; longer rows do not stay in the cache, nor do their sums."""


def normalize(
    x: Array, gamma: Array | None, beta: Array | None, epsilon: float
) -> tuple[Array, Rows]:
    """See ``LayerNormalization``."""
    x = plain(x)
    rows, c = x.shape
    y = workspace.empty(x.shape, x.dtype)
    mean, inverse = np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    gamma, beta = (None if p is None else plain(p) for p in (gamma, beta))
    parts, threads = _parts(x)
    _normalize(x.dtype, x, rows, c, parts, threads, gamma, beta, epsilon, y, mean, inverse)
    return y, Rows(x, mean, inverse)


def backward(dy: Array, rows: Rows, gamma: Array | None) -> tuple[Array, Array, Array]:
    """See ``LayerNormalization``."""
    x, mean, inverse = rows
    dtype, (n, c) = x.dtype, x.shape
    dy = plain(dy, dtype)
    gamma = None if gamma is None else plain(gamma)
    dx, dgamma, dbeta = workspace.empty(x.shape, dtype), np.empty(c, dtype), np.empty(c, dtype)
    parts, threads = _parts(x)
    sums = np.empty((parts, 2, c))
    _normalize_backward(
        dtype, dy, x, n, c, parts, threads, gamma, mean, inverse, sums, dx, dgamma, dbeta
    )
    return dx, dgamma, dbeta


def _parts(x: Array) -> tuple[int, int]:
    """(parts, threads)."""
    parts = min(max(x.nbytes // PART, 1), MOST_PARTS)
    return parts, min(threads_now(), parts)


LAYER_NORMALIZATION = LayerNormalization(normalize, backward, LONGEST)
