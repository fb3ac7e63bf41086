"""Depthwise convolution: every channel has filters for it alone.

There is no matrix product in it: each number of an image meets only the few of its channel's
filters. What counts is to go through memory in long runs. A row of an image is one run of
w * c numbers, in which a window's next pixel lies c numbers on; with the filters repeated along a
row as well,

    y[n, h, :] = sum over i, j of x[n, h + i, j * c :][: w * c] * kernel[i, j] repeated w times,

which ``einsum`` adds up in one pass, while rows and sum stay in the first level of the cache. With
strides, the pixels that a row of windows meets at j are first copied to a run apart.

Backward, dkernel is the same sum with dy in the place of the kernel, and dx is a depthwise
convolution itself, of dy with the kernel turned around. With a stride of s it is s of them along
that axis: what reaches every s-th pixel of x are always the same pixels of the kernel, every s-th.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn._core.shapes import FEW, Array, DType, Pads, Pair
from minicnn._parallel.threads import shards
from minicnn.kernels.vectorized import workspace
from minicnn.kernels.vectorized.strips import BLOCK_BYTES, runs
from minicnn.kernels.vectorized.sums import pixel_sums

A_TERM = 0.16
"""Nanoseconds for one multiplication with its addition."""


class _Axis(NamedTuple):
    """Along one axis, where images lie in a frame of zeros, and how windows move over it."""

    size: int
    """Of the frame, in pixels."""
    image: slice
    first: int
    """Where the first window begins."""
    kernel: int
    stride: int
    dilation: int
    out: int


def depthwise(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
) -> Array:
    """See ``Kernels.depthwise``."""
    kernel = kernel.astype(np.result_type(x, kernel), copy=False)
    axes = _ahead(x, kernel, strides, pads, dilation)
    ow = axes[1].out
    y = workspace.empty((len(x), axes[0].out, ow, kernel[0, 0].size), kernel.dtype)
    taps = _along_rows(kernel, ow)
    biases = None if bias is None else np.tile(bias.astype(y.dtype, copy=False), ow)

    def work(first: int, last: int) -> None:
        for images, windows in _windows(x, axes, kernel.shape[3], kernel.dtype, first, last):
            rows = _rows(y[images])
            np.einsum("nhijr,ijr->nhr", windows, taps, out=rows)
            if biases is not None:
                np.add(rows, biases, out=rows)

    shards(len(x), work, y.size * kernel.shape[0] * kernel.shape[1] * A_TERM)
    return y


def depthwise_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool = True,
    dilation: Pair = (1, 1),
) -> tuple[Array | None, Array, Array]:
    """See ``Kernels.depthwise_backward``."""
    kh, kw, c, times = kernel.shape
    wide = kernel.astype(np.result_type(dy, x, kernel), copy=False)
    axes = _ahead(x, kernel, strides, pads, dilation)
    back = list(product(*map(_back, axes, x.shape[1:3])))
    dx = workspace.empty(x.shape, wide.dtype) if need_dx else None

    def work(first: int, last: int) -> tuple[Array, Array]:
        sums = np.zeros((kh, kw, axes[1].out * c * times))
        biases = np.zeros(c * times)
        for images, windows in _windows(x, axes, times, wide.dtype, first, last):
            dz = _rows(dy[images])
            for few in _few(*dz.shape[:2]):
                sums += np.einsum("nhijr,nhr->ijr", windows[few], dz[few])
            biases += pixel_sums(dz.reshape(1, -1, c * times))[0]
        if dx is None:
            return sums, biases
        for (rows, down, tall), (columns, across, broad) in back:
            turned = _along_rows(wide[down, across][::-1, ::-1], broad.out)
            for images, windows in _windows(dy, (tall, broad), 1, wide.dtype, first, last):
                part = dx[images, rows, columns]
                found = np.einsum("nhijr,ijr->nhr", windows, turned)
                if times == 1:
                    part[...] = found.reshape(part.shape)
                else:
                    found.reshape(*part.shape, times).sum(axis=-1, out=part)
        return sums, biases

    cost = kh * kw * A_TERM * dy.size * (2 if need_dx else 1)
    parts = shards(len(x), work, cost)
    sums, biases = (sum(part[1:], part[0]) for part in zip(*parts, strict=True))
    dkernel = sums.reshape(kh, kw, -1, c, times).sum(axis=2)
    return dx, dkernel.astype(kernel.dtype), biases.astype(kernel.dtype)


def _ahead(
    x: Array, kernel: Array, strides: Pair, pads: Pads, dilation: Pair
) -> tuple[_Axis, _Axis]:
    """Down and across, the padded images and the windows of the convolution."""

    def axis(n: int, k: int, s: int, d: int, pad: Pair) -> _Axis:
        size = n + sum(pad)
        out = (size - (k - 1) * d - 1) // s + 1
        return _Axis(size, slice(pad[0], pad[0] + n), 0, k, s, d, out)

    down, across = map(axis, x.shape[1:3], kernel.shape[:2], strides, dilation, pads)
    return down, across


def _back(ahead: _Axis, n: int) -> Iterator[tuple[slice, slice, _Axis]]:
    """Along one axis of n pixels: every s-th of them, the kernel's pixels that meet them, and dy.

    Pixel i of the kernel, at i * d, meets pixels r, r + s, r + 2 s, ... of the padded image when
    i * d leaves the remainder r by s, which every (s / gcd(s, d))-th does.
    """
    s, d, before = ahead.stride, ahead.dilation, ahead.image.start
    step, apart = s // math.gcd(s, d), d // math.gcd(s, d)
    for r in range(s):
        met = [i for i in range(ahead.kernel) if (i * d - r) % s == 0]
        pixels, begin = slice((r - before) % s, None, s), -((r - before) // s)
        taps = slice(met[0], None, step) if met else slice(0)
        late = (met[0] * d - r) // s if met else 0
        reach = max(len(met) - 1, 0) * apart
        count = len(range(n)[pixels])
        size = max(begin + count, late + ahead.out) + reach
        place = slice(reach + late, reach + late + ahead.out)
        yield pixels, taps, _Axis(size, place, begin, len(met), 1, apart, count)


def _windows(
    x: Array, axes: tuple[_Axis, _Axis], times: int, dtype: DType, first: int, last: int
) -> Iterator[tuple[slice, Array]]:
    """Some images at a time, and what their windows see, (m, oh, kh, kw, ow * c * times).

    Channels stand there ``times`` times each.
    """
    (high, rows, top, kh, sh, dh, oh), (wide, columns, left, kw, sw, dw, ow) = axes
    channels = x.shape[3] * times
    step = max(1, BLOCK_BYTES // (high * wide * channels * dtype.itemsize))
    m = min(step, last - first)
    framed = np.zeros((m, high, wide, channels), dtype)
    inner = framed.reshape(m, high, wide, x.shape[3], times)[:, rows, columns]
    seen = framed[:, top:, left:]
    by_image, by_row, by_pixel, by_number = seen.strides
    met = as_strided(
        seen,
        (m, seen.shape[1], kw, ow, channels),
        (by_image, by_row, by_pixel * dw, by_pixel * sw, by_number),
    )
    apart = met if sw == 1 else np.empty(met.shape, dtype)
    by_image, by_row, by_tap = apart.strides[:3]
    windows = as_strided(
        apart,
        (m, oh, kh, kw, ow * channels),
        (by_image, by_row * sh, by_row * dh, by_tap, by_number),
    )
    for images in runs(first, last, step):
        some = slice(images.stop - images.start)
        inner[some] = x[images][..., None]
        if sw > 1:
            apart[some] = met[some]
        yield images, windows[some]


def _rows(images: Array) -> Array:
    """(m, h, w * c)."""
    return images.reshape(*images.shape[:2], images.shape[2] * images.shape[3])


def _few(m: int, h: int) -> Iterator[tuple[slice, slice]]:
    """Some rows at a time of m images of h: not more than may be added in single precision."""
    for images in runs(0, m, max(1, FEW // max(h, 1))):
        for rows in runs(0, h, FEW):
            yield images, rows


def _along_rows(kernel: Array, ow: int) -> Array:
    """The filters as often as there are windows in a row: (kh, kw, ow * c * times)."""
    kh, kw, c, times = kernel.shape
    return np.tile(kernel.reshape(kh, kw, c * times), ow)
