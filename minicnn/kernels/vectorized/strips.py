"""How a convolution becomes matrix products that stay in the cache: strips and blocks.

The textbook's way ("im2col") copies the window of every output pixel to a row of its
own and multiplies once: with ``columns`` (n * oh * ow, kh * kw * c_in),

    y = columns @ kernel            kernel as (kh * kw * c_in, c_out).

Two things make that fast.

*Blocks.* The rows are made for as much of the batch as the processor's cache holds, and the
product reads them while they are there. What is done pixel by pixel, before and after, is
done for a larger *group* of images at a time: every call of NumPy costs a microsecond, and
several when another thread waits to make one too.

*Strips.* With few channels a window is short (4 pixels of 3 channels: 12 numbers), and
copying runs of 12 numbers takes longer than multiplying them; nor is a matrix with 8
columns one that BLAS is fast with. So ``strip`` neighbours along a row are computed together,
from the pixels that any of them sees. The kernel becomes a band: for a strip of 2, a kernel
(a, b, c) and pixels (p, q, r, s),

                  | a  0 |
    (p q r s)  @  | b  a |  =  (y0 y1).
                  | c  b |
                  | 0  c |

The zeros are multiplied too; ``strip_for`` weighs that against what is saved. The gradient of the
band, summed along its diagonals (``fold``), is that of the kernel. As 0 * inf is NaN, a pixel that
is no number reaches all outputs of its strips, not only those that see it.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape

BLOCK_BYTES = 720_000
"""How large the columns of a block may grow, so that they and what they become fit in 1 MB,
the L2 cache of one core."""

GROUP_BYTES = 1_500_000
"""How large the images of a group may grow, before or after the convolution."""

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
    group: int
    """Images that are loaded together, and finished together."""
    images: int
    """Images in a block; 1 where the rows of one image make several blocks."""
    rows: int
    """Rows of the output in a block."""


def copy_cost(kh: int, run: int) -> float:
    """About how many nanoseconds it takes to copy kh runs of so many numbers."""
    return kh * (3 + 0.09 * run)


def product_cost(depth: int, width: int) -> float:
    """About how many nanoseconds a row takes in a product with a (depth, width) matrix.

    Measured with OpenBLAS 0.3.31 on one core with AVX-512: its kernels take 16 columns at a time,
    and what is left over costs as much as the powers of two it is made of. The products of a
    block with up to 6 columns are small enough for another method.
    """
    if width <= 6:
        return depth * width / 55
    left = width % 16
    return depth * (
        0.08 + 0.14 * (width // 16) + 0.13 * (left // 8) + 0.09 * (left % 8).bit_count()
    )


def strip_cost(kernel: Shape, stride: int, ow: int, strip: int) -> float:
    """About how many nanoseconds a row of ow outputs takes in strips of that length."""
    kh, kw, c_in, c_out = kernel
    run = ((strip - 1) * stride + kw) * c_in
    strips = -(-ow // strip)
    beyond = 0 if strips * strip == ow else copy_cost(1, ow * c_out)
    return strips * (copy_cost(kh, run) + product_cost(kh * run, strip * c_out)) + beyond


def scatter_cost(kernel: Shape, stride: int, ow: int, strip: int) -> float:
    """The same for the backward pass: a product with the band transposed, and its rows added up."""
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
def cut_for(place: Geometry, itemsize: int, cost: Cost = strip_cost) -> Cut:
    """Strips, blocks and groups for a convolution."""
    (h, w, _), (oh, ow), (kh, kw, c_in, c_out) = place.image, place.out, place.kernel
    stride = place.strides[1]
    strip = strip_for(place.kernel, stride, ow, cost)
    strips = -(-ow // strip)
    reach = (strip - 1) * stride + kw
    row_bytes = strips * kh * reach * c_in * itemsize
    images = max(1, BLOCK_BYTES // max(row_bytes * oh, 1))
    rows = oh if images > 1 else min(max(1, BLOCK_BYTES // row_bytes), oh)
    group = GROUP_BYTES // (max(h * w * c_in, oh * ow * c_out) * itemsize)
    return Cut(strip, strips, reach, max(images, group // images * images), images, rows)


@lru_cache(maxsize=1024)
def methods_for_dx(place: Geometry) -> dict[str, float]:
    """The ways to dx alone, and about how many nanoseconds each takes an image."""
    (kh, kw), (oh, ow), stride = place.kernel[:2], place.out, place.strides[1]
    strip = strip_for(place.kernel, stride, ow, scatter_cost)
    costs = {"scatter": oh * scatter_cost(place.kernel, stride, ow, strip)}
    (top, bottom), (left, right) = place.pads
    if place.strides == (1, 1) and max(top, bottom) < kh and max(left, right) < kw:
        back = place.transposed()
        (h, w), strip = back.out, cut_for(back, 4).strip
        costs["gather"] = h * strip_cost(back.kernel, 1, w, strip)
    return costs


def band(kernel: Array, cut: Cut, stride: int) -> Array:
    """The kernel for a whole strip, (kh * reach * c_in, strip * c_out)."""
    kh, _, c_in, c_out = kernel.shape
    if cut.strip == 1:
        return kernel.reshape(-1, c_out)
    wide = np.zeros((kh * cut.reach * c_in, cut.strip * c_out), kernel.dtype)
    _diagonals(wide, kernel.shape, cut, stride)[...] = kernel
    return wide


def fold(dband: Array, kernel: Shape, cut: Cut, stride: int) -> Array:
    """The gradient of a kernel of that shape from the gradient of its ``band``."""
    if cut.strip == 1:
        return dband.reshape(kernel)
    dkernel: Array = _diagonals(dband, kernel, cut, stride).sum(axis=0)
    return dkernel


def _diagonals(wide: Array, kernel: Shape, cut: Cut, stride: int) -> Array:
    """(strip, kh, kw, c_in, c_out), a view: where in a band each output of a strip has its kernel.

    From one output to the next it is ``stride`` pixels down and one output across.
    """
    kh, kw, c_in, c_out = kernel
    across = c_out * wide.itemsize
    by_row, by_pixel, by_channel = (n * cut.strip * across for n in (cut.reach * c_in, c_in, 1))
    steps = (stride * by_pixel + across, by_row, by_pixel, by_channel, wide.itemsize)
    return np.ndarray((cut.strip, kh, kw, c_in, c_out), wide.dtype, wide, 0, steps)


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
    group: slice
    """The images that were loaded with these."""
    padded: Array
    """All of those, with their padding."""

    @property
    def begins(self) -> bool:
        """Whether this is the first block of its group."""
        return bool(self.images.start == self.group.start and self.rows.start == 0)

    @property
    def within(self) -> slice:
        """Where the images are in their group."""
        return slice(self.images.start - self.group.start, self.images.stop - self.group.start)


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
    windows: Array = np.ndarray(
        (m, place.out[0], cut.strips, kh, cut.reach * c),
        dtype,
        padded,
        0,
        (by_image, by_row * sh, by_pixel * sw * cut.strip, by_row, by_number),
    )
    return padded, padded[:, top : top + h, left : left + w], windows


def blocks(
    load: Load, place: Geometry, cut: Cut, dtype: DType, first: int, last: int
) -> Iterator[Block]:
    """The blocks of images ``first`` to ``last``, in order; each overwrites the one before."""
    oh = place.out[0]
    padded, inner, windows = frame(place, cut, min(cut.group, last - first), dtype)
    size = min(cut.images, len(padded)) * cut.rows * cut.strips, math.prod(windows.shape[3:])
    columns = np.empty(size, dtype)
    for group in runs(first, last, cut.group):
        m = group.stop - group.start
        load(group, inner[:m])
        for images in runs(group.start, group.stop, cut.images):
            within = slice(images.start - group.start, images.stop - group.start)
            for rows in runs(0, oh, cut.rows):
                chosen = windows[within, rows]
                filled = columns[: math.prod(chosen.shape[:3])]
                np.copyto(filled.reshape(chosen.shape), chosen)
                yield Block(images, rows, filled, group, padded[:m])


def runs(first: int, last: int, step: int) -> Iterator[slice]:
    """Slices of at most ``step`` that cover ``first`` to ``last``.

    >>> list(runs(0, 5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(first, last, step):
        yield slice(start, min(start + step, last))
