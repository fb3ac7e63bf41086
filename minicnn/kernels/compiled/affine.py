"""Pictures turned, moved or zoomed, by the C page ``affine.c``."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels.compiled.library import Function, plain, threads_now

_affine = Function("affine", "aaafiiiiiiai")

MODES = ("nearest", "reflect", "wrap", "constant")
"""In the order of affine.c."""


def affine(
    x: Array, matrices: Array, offsets: Array, fill_mode: str, cval: float, order: int
) -> bool:
    """See ``KernelSet``."""
    if x.dtype not in (np.float32, np.float64) or not x.flags.carray or order > 1:
        return False
    _affine(
        x.dtype, x.copy(), plain(matrices, np.float64),
        plain(offsets, np.float64), cval, *x.shape, MODES.index(fill_mode), order,
        x, threads_now(),
    )  # fmt: skip
    return True
