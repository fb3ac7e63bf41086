"""Images seen through affine maps, by the C page ``pixels.c``."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels.compiled.library import Function, plain, threads_now
from minicnn.kernels.vectorized import workspace

_resample = Function("resample", "aaaiiiiiiiai")

MODES = ("reflect", "wrap", "nearest", "constant")
"""In the order of pixels.c."""


def resample(x: Array, maps: Array, fill_mode: str, interpolation: str, fill: float) -> Array:
    """See ``KernelSet``."""
    single = x.dtype.itemsize < 8
    numbers = np.dtype(np.float32 if single else np.float64)
    dtype = x.dtype if x.dtype == np.uint8 else numbers
    images, maps = plain(x, dtype), plain(maps, np.float64)
    y = workspace.empty(x.shape, dtype)
    _resample(
        numbers, images, maps, np.full(x.shape[3], fill, dtype), *x.shape, MODES.index(fill_mode),
        interpolation == "nearest", dtype == np.uint8, y, threads_now(),
    )  # fmt: skip
    return y.astype(x.dtype, copy=False)
