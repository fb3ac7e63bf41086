"""Fully connected layers, by the C page ``dense.c``."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn._parallel.threads import product
from minicnn.kernels.capabilities import DenseKernels
from minicnn.kernels.compiled.library import Function, current, plain, threads_now
from minicnn.kernels.vectorized import workspace

_few = Function("dense_few", "aaaiiiiia")
_finish = Function("dense_finish", "aaiii")
_back = Function("dense_back", "aaiiaaa")

FEW = 4
"""Rows up to which the C page is as quick as a BLAS, of which a product is a call of Python's."""

WORTH_THREADS = 1 << 18
"""Multiply-adds from which on several threads share few rows."""

KINDS = ("linear", "relu", "softmax")
"""In the order of dense.c."""


def dense(x: Array, kernel: Array, bias: Array | None, activation: str) -> Array:
    """See ``DenseKernels``."""
    dtype, (features, units), rows = kernel.dtype, kernel.shape, len(x)
    bias, kind = None if bias is None else plain(bias, dtype), KINDS.index(activation)
    if rows <= FEW:
        threads = threads_now() if rows * kernel.size >= WORTH_THREADS else 1
        y = workspace.empty((rows, units), dtype)
        _few(dtype, plain(x, dtype), plain(kernel), bias, rows, features, units, threads, kind, y)
        return y
    if current.calls is not None:
        current.calls.complete = False
    y = plain(product(x, kernel), dtype)
    _finish(dtype, y, bias, rows, units, kind)
    return y


def dense_backward(dy: Array, y: Array | None) -> tuple[Array, Array]:
    """See ``DenseKernels``."""
    dy = plain(dy)
    (rows, units), dtype = dy.shape, dy.dtype
    dz = dy if y is None else np.empty_like(dy)
    total, dbias = np.empty(units), np.empty(units, dtype)
    _back(dtype, dy, None if y is None else plain(y, dtype), rows, units, total, dz, dbias)
    return dz, dbias


DENSE = DenseKernels(dense, dense_backward)
