"""Whether a library computes what NumPy does: a program that ``trial`` runs."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn._parallel.threads import set_threads
from minicnn.kernels.base import KernelSet
from minicnn.kernels.compiled import COMPILED
from minicnn.kernels.compiled.library import use
from minicnn.kernels.vectorized import VECTORIZED

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}

Computed = dict[str, Any]
"""What functions gave, by their names."""


def computed(kernels: KernelSet, dtype: str) -> Computed:
    """What a kernel set gives, for images small and large enough for several threads."""
    found: Computed = {}
    for name, function in _calls(kernels, dtype):
        result = function()
        arrays = result if isinstance(result, tuple) else (result,)
        found |= {f"{name}, result {i}": array for i, array in enumerate(arrays)}
    return found


def _calls(kernels: KernelSet, dtype: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    rng = np.random.default_rng(0)
    for h, w, c, filters in ((7, 5, 3, 6), (33, 48, 8, 20)):
        shapes = ((2, h, w, c), (3, 3, c, filters), (filters,), (3, 3, c, 2), (2 * c,))
        arrays: list[Array] = [(rng.random(shape) - 0.5).astype(dtype) for shape in shapes]
        x, kernel, bias, deep, wide = arrays
        ones, size, none, same = (1, 1), (2, 2), ((0, 0), (0, 0)), ((1, 1), (1, 1))
        pool = (size, size, none)
        calls: dict[str, tuple[Any, ...]] = {
            "conv2d": (x, kernel, bias, ones, same),
            "conv2d_backward": (y := x @ kernel[0, 0], x, kernel, ones, same),
            "conv2d_transpose": (y, kernel, None, (h, w), ones, same),
            "depthwise": (x, deep, wide, ones, same),
            "depthwise_backward": (np.repeat(x, 2, axis=3), x, deep, ones, same),
            "max_pool": (x, *pool),
            "avg_pool": (x, *pool),
            "max_pool_backward": (top := _largest(x), x, top, *pool),
            "avg_pool_backward": (top, x.shape, *pool),
            "channel_sums": (y,),
            "image_sums": (y,),
        }
        for name, arguments in calls.items():
            what = f"{name} of {h} x {w} pixels, {dtype}"
            yield what, partial(getattr(kernels, name), *arguments)


def _largest(x: Array) -> Array:
    """The largest of every four pixels."""
    n, h, w, c = x.shape
    fours = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
    return np.ascontiguousarray(fours.max((2, 4)))


def main(path: str, *dtypes: str) -> int:
    """Compare, and print the name of the first function that is wrong."""
    use(Path(path))
    set_threads(2)
    for dtype in dtypes:
        tolerance = TOLERANCE[dtype]
        wanted = computed(VECTORIZED, dtype)
        for name, value in computed(COMPILED, dtype).items():
            if not np.allclose(value, wanted[name], rtol=tolerance, atol=tolerance):
                say(f"wrong numbers from {name}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
