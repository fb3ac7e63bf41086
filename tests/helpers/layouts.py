"""The same numbers, lying in memory in ways that a kernel must not mind."""

import numpy as np

LAYOUTS = ("plain", "unaligned", "reversed", "columns first", "every second")


def laid_out(array, layout):
    """The array, in memory as ``layout`` says."""
    if layout == "unaligned":  # the first number lies at an odd multiple of its size
        memory = bytearray(array.nbytes + 64)
        start = -np.frombuffer(memory, np.uint8).ctypes.data % 64 + array.itemsize
        there = np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)
        assert there.ctypes.data % (2 * array.itemsize)
    elif layout == "reversed":
        there = np.empty_like(array)[::-1]
    elif layout == "columns first":
        there = np.empty_like(array, order="F")
    elif layout == "every second":
        there = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)[..., ::2]
    else:
        return array.copy()
    there[...] = array
    return there
