"""How a convolution becomes matrix products that stay in the cache: strips and blocks.

The textbook's way ("im2col") copies the window of every output pixel to a row of its
own and multiplies once: with ``columns`` (n * oh * ow, kh * kw * c_in),

    y = columns @ kernel            kernel as (kh * kw * c_in, c_out).

Two things make that fast.

*Blocks.* The rows are made for as much of the batch as the processor's cache holds, and the
product reads them while they are there.

*Strips.* With few channels a window is short (4 pixels of 3 channels: 12 numbers), and
copying runs of 12 numbers takes longer than multiplying them; nor is a matrix with 8
columns one that BLAS is fast with. So ``strip`` neighbours along a row are computed together,
from the pixels that any of them sees. The kernel becomes a band: for a strip of 2, a kernel
(a, b, c) and pixels (p, q, r, s),

                  | a  0 |
    (p q r s)  @  | b  a |  =  (y0 y1).
                  | c  b |
                  | 0  c |

The zeros are multiplied too; ``strip_for`` weighs that against what is saved. The gradient of
the band, summed along its diagonals (``fold``), is that of the kernel.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.shapes import Array, DType, Pads, Pair, Shape

BLOCK_BYTES = 640_000
"""How large the columns of a block may grow, so that they and what they become fit in 1 MB,
the L2 cache of one core."""

WIDEST_STRIP = 16

Load = Callable[[slice, Array], None]
"""``load(images, out)`` writes those images of a batch to ``out``."""
Cost = Callable[[Shape, int, int, int], float]
"""(kernel, stride, ow, strip) -> nanoseconds a row."""


class Geometry(NamedTuple):
    """The shapes of one convolution, without the batch axis."""

    image: Shape
    """(h, w, c_in)."""
    kernel: Shape
    """(kh, kw, c_in, c_out)."""
    strides: Pair
    pads: Pads
    out: Pair
    """(oh, ow)."""

    def transposed(self) -> "Geometry":
        """The convolution that takes dy to dx, where that is one: with stride 1.

        It slides the kernel turned around, c_in and c_out exchanged, over dy. In one
        dimension, from y[i] = x[i] k[0] + x[i + 1] k[1],

            dx[i] = dy[i] k[0] + dy[i - 1] k[1],

        which is (k[1], k[0]) slid over dy.
        """
        kh, kw, c_in, c_out = self.kernel
        (top, bottom), (left, right) = self.pads
        pads = ((kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right))
        return geometry((*self.out, c_out), (kh, kw, c_out, c_in), (1, 1), pads)


@lru_cache(maxsize=1024)
def geometry(image: Shape, kernel: Shape, strides: Pair, pads: Pads) -> Geometry:
    """The geometry, with the size of its output."""
    h, w = (
        (n + sum(p) - k) // s + 1
        for n, p, k, s in zip(image[:2], pads, kernel[:2], strides, strict=True)
    )
    return Geometry(image, kernel, strides, pads, (h, w))


class Cut(NamedTuple):
    """How the output of a convolution is cut, and what a strip reads."""

    strip: int
    """Neighbouring outputs of a row that are computed together."""
    strips: int
    """Strips in a row; the last may reach beyond its end."""
    reach: int
    """Pixels of a row that a strip reads."""
    images: int
    """Images in a block; 1 where the rows of one image make several blocks."""
    rows: int
    """Rows of the output in a block."""


def copy_cost(kh: int, run: int) -> float:
    """About how many nanoseconds it takes to copy kh runs of so many numbers."""
    return kh * (3 + 0.09 * run)


def product_cost(depth: int, width: int) -> float:
    """About how many nanoseconds a row takes in a product with a (depth, width) matrix.

    Multiply-adds a nanosecond of one core with AVX-512, measured with OpenBLAS 0.3.31 on
    Zen 5: fewer than 8 columns have fast kernels of their own, 8 to 15 the slowest.
    """
    limits = ((8, 50), (16, 32), (32, 55), (48, 74), (64, 80))
    speed = next((speed for limit, speed in limits if width < limit), 90)
    return depth * width / speed


def strip_cost(kernel: Shape, stride: int, ow: int, strip: int) -> float:
    """About how many nanoseconds a row of ow outputs takes in strips of that length."""
    kh, kw, c_in, c_out = kernel
    run = ((strip - 1) * stride + kw) * c_in
    strips = -(-ow // strip)
    beyond = 0 if strips * strip == ow else copy_cost(1, ow * c_out)
    return strips * (copy_cost(kh, run) + product_cost(kh * run, strip * c_out)) + beyond


def scatter_cost(kernel: Shape, stride: int, ow: int, strip: int) -> float:
    """The same for the way back: a product with the band transposed, and its rows added up."""
    kh, kw, c_in, c_out = kernel
    run = ((strip - 1) * stride + kw) * c_in
    product = product_cost(strip * c_out, kh * run)
    return -(-ow // strip) * (product + 2 * copy_cost(kh, run))


@lru_cache(maxsize=1024)
def strip_for(kernel: Shape, stride: int, ow: int, cost: Cost = strip_cost) -> int:
    """How many neighbours to compute together: what is cheapest by ``cost``.

    >>> strip_for((4, 4, 3, 8), 1, 64), strip_for((3, 3, 64, 64), 1, 32)
    (4, 1)
    """
    lengths = range(1, min(ow, WIDEST_STRIP) + 1)
    return min(lengths, key=lambda strip: cost(kernel, stride, ow, strip))


@lru_cache(maxsize=1024)
def cut_for(place: Geometry, itemsize: int, align: int = 1, cost: Cost = strip_cost) -> Cut:
    """Strips and blocks; the rows of a block are a multiple of ``align``, or all."""
    (oh, ow), (kh, kw, c_in, _), stride = place.out, place.kernel, place.strides[1]
    strip = strip_for(place.kernel, stride, ow, cost)
    strips = -(-ow // strip)
    reach = (strip - 1) * stride + kw
    row_bytes = strips * kh * reach * c_in * itemsize
    images = max(1, BLOCK_BYTES // max(row_bytes * oh, 1))
    rows = oh if images > 1 else max(1, BLOCK_BYTES // (row_bytes * align)) * align
    return Cut(strip, strips, reach, images, min(rows, oh))


def band(kernel: Array, cut: Cut, stride: int) -> Array:
    """The kernel for a whole strip, (kh * reach * c_in, strip * c_out)."""
    kh, kw, c_in, c_out = kernel.shape
    if cut.strip == 1:
        return kernel.reshape(-1, c_out)
    wide = np.zeros((kh, cut.reach, c_in, cut.strip, c_out), kernel.dtype)
    for i in range(cut.strip):
        wide[:, i * stride : i * stride + kw, :, i] = kernel
    return wide.reshape(-1, cut.strip * c_out)


def fold(dband: Array, kernel: Shape, cut: Cut, stride: int) -> Array:
    """The gradient of a kernel of that shape from the gradient of its ``band``."""
    kh, kw, c_in, c_out = kernel
    wide = dband.reshape(kh, cut.reach, c_in, cut.strip, c_out)
    dkernel = wide[:, :kw, :, 0].copy()
    for i in range(1, cut.strip):
        dkernel += wide[:, i * stride : i * stride + kw, :, i]
    return dkernel


def in_strips(a: Array, cut: Cut) -> Array:
    """Rows (m, rows, ow, c) as (m * rows * strips, strip * c), zeros beyond their end."""
    m, rows, ow, c = a.shape
    if cut.strips * cut.strip > ow:
        wide = np.zeros((m, rows, cut.strips * cut.strip, c), a.dtype)
        wide[:, :, :ow] = a
        a = wide
    return a.reshape(-1, cut.strip * c)


class Block(NamedTuple):
    """Some images and rows of the output, and the pixels that each of their strips reads."""

    images: slice
    rows: slice
    columns: Array
    """(strips of them all, kh * reach * c_in)."""
    padded: Array
    """The images with their padding."""


def frame(place: Geometry, cut: Cut, m: int, dtype: DType) -> tuple[Array, Array, Array]:
    """(padded, inner, windows): m images of zeros with padding, and two views of them.

    ``inner`` is what lies within the padding, ``windows`` (m, oh, strips, kh, reach * c) what
    each strip sees. An array's strides say how many bytes lie between neighbours along each
    axis: from one window to the next it is ``strides`` pixels, within a window one pixel.
    """
    (h, w, c), (kh, kw), (sh, sw) = place.image, place.kernel[:2], place.strides
    (top, bottom), (left, right) = place.pads
    width = max(left + w + right, (cut.strips * cut.strip - 1) * sw + kw)
    padded = np.zeros((m, top + h + bottom, width, c), dtype)
    by_image, by_row, by_pixel, by_number = padded.strides
    windows = as_strided(
        padded,
        (m, place.out[0], cut.strips, kh, cut.reach * c),
        (by_image, by_row * sh, by_pixel * sw * cut.strip, by_row, by_number),
    )
    return padded, padded[:, top : top + h, left : left + w], windows


def blocks(
    load: Load, place: Geometry, cut: Cut, dtype: DType, first: int, last: int
) -> Iterator[Block]:
    """The blocks of images ``first`` to ``last``, in order; each overwrites the one before."""
    oh = place.out[0]
    padded, inner, windows = frame(place, cut, min(cut.images, last - first), dtype)
    columns = np.empty((len(padded) * cut.rows * cut.strips, math.prod(windows.shape[3:])), dtype)
    for start in range(first, last, cut.images):
        images = slice(start, min(start + cut.images, last))
        m = images.stop - start
        load(images, inner[:m])
        for row in range(0, oh, cut.rows):
            rows = slice(row, min(row + cut.rows, oh))
            chosen = windows[:m, rows]
            filled = columns[: m * (rows.stop - row) * cut.strips]
            np.copyto(filled.reshape(chosen.shape), chosen)
            yield Block(images, rows, filled, padded[:m])
