"""Convolution, by the C pages ``convolution.c``, ``kernel_gradient.c`` and
``image_gradient.c``.

``convolve`` and ``convolve_backward`` are those of a ``Fusion``; what else a kernel set has of
convolutions are these two without anything before or after.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape
from minicnn.kernels.base import PLAIN, Scale, Tail
from minicnn.kernels.compiled.library import Function, address, plain, threads_now
from minicnn.kernels.compiled.normalization import moments_found, moments_wanted
from minicnn.kernels.vectorized import workspace

convolve_scratch = Function("convolve_scratch", "aiff", "i")
kernel_scratch = Function("kernel_gradient_scratch", "aiff", "i")
image_scratch = Function("image_gradient_scratch", "ai", "i")
convolve_c = Function("convolve", "aiaffaaaaaa")
kernel_gradient = Function("kernel_gradient", "aiaffaaaaaa")
image_gradient = Function("image_gradient", "aiaaaaafaa")

POOLS = {"": 0, "max": 1, "avg": 2}
BYTE = np.dtype(np.uint8)
LARGEST_WINDOW = 256
"""Pixels of a pooling window, whose places are kept in a byte."""


WORTH_THREADS = 1 << 19
"""Multiply-adds from which on several threads share a convolution: about 10 microseconds of one,
which is what it takes to wake another."""


class Trace(NamedTuple):
    """What the gradients need of the forward pass, besides x."""

    y: Array
    kept: Array | None
    """The winner of each pooling window, or for ReLU before the mean which pixels passed it."""


class Place:
    """A convolution as C takes it (``Convolution`` in convolution.h)."""

    def __init__(self, numbers: list[int], out: Pair, multiply_adds: int) -> None:
        self.numbers = np.array(numbers, np.int64)
        self.out = out
        self.worth_threads = multiply_adds >= WORTH_THREADS
        self.sizes: dict[Any, int] = {}
        """Of the memory that calls take: what ``scratch`` has asked for."""


@lru_cache(maxsize=1024)
def place_of(
    x: Shape,
    kernel: Shape,
    strides: Pair,
    pads: Pads,
    dilation: Pair,
    groups: int,
    tail: Tail,
    bytes_: bool,
    moments: bool = False,
) -> Place:
    """Where the windows are."""
    oh, ow = (
        (n + sum(p) - (k - 1) * d - 1) // s + 1
        for n, p, k, d, s in zip(x[1:3], pads, kernel, dilation, strides, strict=False)
    )
    numbers = [*x, *kernel[:2], kernel[3], groups, *strides, *dilation, *pads[0], *pads[1], oh, ow]
    numbers += [bytes_, tail.relu, POOLS[tail.pool], *tail.size, moments]
    return Place(numbers, (oh, ow), x[0] * oh * ow * math.prod(kernel))


def threads_for(place: Place) -> int:
    """How many threads compute it."""
    return threads_now() if place.worth_threads else 1


def scratch_size(need: Function, dtype: DType, place: Place, *arguments: float) -> int:
    """The bytes that ``need`` says, asked once for a place."""
    asked = need.name, dtype.num, arguments
    size = place.sizes.get(asked)
    if size is None:
        size = place.sizes[asked] = int(need(dtype, place.numbers, *arguments))
    return size


def scratch(need: Function, dtype: DType, place: Place, *arguments: float) -> Array:
    """Memory for a call, as much as ``need`` says, from where a line of the cache begins."""
    memory = workspace.scratch(scratch_size(need, dtype, place, *arguments) + 64)
    return memory[-address(memory) % 64 :]


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
    dtype, (factor, offset) = kernel.dtype, scale or (1.0, 0.0)
    x, kernel = _images(x, dtype), plain(kernel)
    found = moments_wanted(kernel.shape[3], dtype) if not tail.pool else None
    place = place_of(
        x.shape, kernel.shape, strides, pads, dilation, groups, tail, x.dtype == BYTE,
        found is not None,
    )  # fmt: skip
    (oh, ow), (ph, pw), n, filters = place.out, tail.size, len(x), kernel.shape[3]
    y = workspace.empty((n, oh // ph, ow // pw, filters), dtype)
    kept = None
    if training and tail.pool == "max":
        kept = workspace.empty(y.shape, BYTE)
    elif training and tail.pool and tail.relu:
        kept = workspace.empty((n, oh, ow, filters), BYTE)
    threads = threads_for(place)
    memory = scratch(convolve_scratch, dtype, place, threads, factor, offset)
    bias = None if bias is None else plain(bias, dtype)
    convolve_c(
        dtype, place.numbers, threads, x, factor, offset, kernel, bias, y, kept, found, memory
    )
    moments_found(y, found)
    return y, Trace(y, kept)


def convolve_backward(
    dy: Array,
    x: Array,
    trace: Trace,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    tail: Tail = PLAIN,
    scale: Scale | None = None,
    need_dx: bool = True,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array | None, Array, Array]:
    """See ``Fusion``."""
    dtype, (factor, offset) = kernel.dtype, scale or (1.0, 0.0)
    x, kernel = _images(x, dtype), plain(kernel)
    dy = plain(dy, dtype)
    place = place_of(x.shape, kernel.shape, strides, pads, dilation, groups, tail, x.dtype == BYTE)
    threads, y = threads_for(place), trace.y
    dkernel, dbias = np.empty(kernel.shape, dtype), np.empty(kernel.shape[3], dtype)
    memory = scratch(kernel_scratch, dtype, place, threads, factor, offset)
    kernel_gradient(
        dtype, place.numbers, threads, x, factor, offset, dy, y, trace.kept, dkernel, dbias, memory
    )
    dx = None
    if need_dx:
        dx = workspace.empty(x.shape, dtype)
        memory = scratch(image_scratch, dtype, place, threads)
        image_gradient(
            dtype, place.numbers, threads, dy, y, trace.kept, kernel, None, factor, dx, memory
        )
    return dx, dkernel, dbias


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
    return convolve(x, kernel, bias, strides, pads, dilation=dilation, groups=groups)[0]


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool = True,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array | None, Array, Array]:
    """See ``KernelSet``."""
    wide = kernel.astype(np.result_type(dy, x, kernel), copy=False)
    dx, dkernel, dbias = convolve_backward(
        dy, x, Trace(dy, None), wide, strides, pads,
        need_dx=need_dx, dilation=dilation, groups=groups,
    )  # fmt: skip
    return dx, dkernel.astype(kernel.dtype, copy=False), dbias


def conv2d_transpose(
    x: Array,
    kernel: Array,
    bias: Array | None,
    out: Pair,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
) -> Array:
    """See ``KernelSet``."""
    dtype = np.result_type(x, kernel)
    x, kernel = plain(x, dtype), plain(kernel, dtype)
    bias = None if bias is None else plain(bias, dtype)
    shape = (len(x), *out, kernel.shape[2])
    place = place_of(shape, kernel.shape, strides, pads, dilation, 1, PLAIN, False)
    y, threads = workspace.empty(shape, dtype), threads_for(place)
    memory = scratch(image_scratch, dtype, place, threads)
    image_gradient(dtype, place.numbers, threads, x, None, None, kernel, bias, 1.0, y, memory)
    return y


def _images(x: Array, dtype: DType) -> Array:
    """Bytes as they are, or numbers of that type."""
    return plain(x, BYTE if x.dtype == BYTE else dtype)
