"""Normalizations folded into convolutions, by the C page ``folding.c``."""

from minicnn._core.shapes import Array
from minicnn.kernels.compiled.library import Function, plain

_fold = Function("fold", "aaaaaafiiaa")


def fold(
    kernel: Array,
    bias: Array | None,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    variance: Array,
    epsilon: float,
    made: tuple[Array, Array],
) -> None:
    """See ``KernelSet``."""
    dtype, filters = kernel.dtype, len(mean)
    given = [
        None if array is None else plain(array, dtype)
        for array in (kernel, bias, gamma, beta, mean, variance)
    ]
    _fold(dtype, *given, epsilon, kernel.size // filters, filters, *made)
