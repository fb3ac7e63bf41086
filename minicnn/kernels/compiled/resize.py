"""Pictures in another size, by the C page ``resize.c``."""

import numpy as np

from minicnn._core.resampling import Taps
from minicnn._core.shapes import Array
from minicnn.kernels.compiled.library import Function, plain

_resize = Function("resize", "aiiiiaaiiaaiiaai")


def resize(x: Array, rows: Taps, columns: Taps, y: Array) -> bool:
    """See ``KernelSet``."""
    (pitch, step, byte), c = x.strides, x.shape[2]
    y_pitch, *inner = (stride // y.itemsize for stride in y.strides)
    in_rows = byte == 1 and step >= c and pitch >= step and inner == [c, 1]
    if x.dtype != np.uint8 or y.dtype != np.float32 or not in_rows:
        return False
    w, taps = x.shape[1], []
    for places, weights in (rows, columns):
        taps += [plain(places, np.int64), plain(weights, y.dtype), *places.shape]
    _resize(y.dtype, x, pitch, w, step, c, *taps, np.empty(w * step, y.dtype), y, y_pitch)
    return True
