"""The same kernels with NumPy: window views, one matrix product, no pixel loops.

A convolution is a matrix product once every window lies in a row of its own
("im2col"): with ``columns`` of shape (n * oh * ow, kh * kw * c_in),

    y        = columns @ kernel            kernel as (kh * kw * c_in, c_out)
    dkernel  = columns.T @ dy              dy as (n * oh * ow, c_out)
    dcolumns = dy @ kernel.T               added back where each window came from.

The rows are made for a few images at a time, so that they are still in the
processor's cache when the product reads them. Pooling never makes them: the
maximum over a window is the maximum of kh shifted images, then of kw.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.shapes import Array, DType, Pads, Pair, Shape

COLUMN_BYTES = 1 << 20
"""How large the rows of one block may grow: about what the L2 cache of one core holds."""


def conv2d(x: Array, kernel: Array, bias: Array | None, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.conv2d``."""
    kh, kw, _, c_out = kernel.shape
    x_windows = _windows(_padded(x, pads, 0), (kh, kw), strides)
    n, oh, ow = x_windows.shape[:3]
    y = np.empty((n, oh, ow, c_out), x.dtype)
    matrix = kernel.reshape(-1, c_out)
    for block in _blocks(x_windows):
        columns = x_windows[block].reshape(-1, len(matrix))
        np.matmul(columns, matrix, out=y[block].reshape(-1, c_out))
    if bias is not None:
        y += bias
    return y


def conv2d_backward(
    dy: Array, x: Array, kernel: Array, strides: Pair, pads: Pads, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """See ``Kernels.conv2d_backward``."""
    c_out = kernel.shape[-1]
    x_windows = _windows(_padded(x, pads, 0), kernel.shape[:2], strides)
    dmatrix = np.zeros((kernel.size // c_out, c_out), kernel.dtype)
    for block in _blocks(x_windows):
        columns = x_windows[block].reshape(-1, len(dmatrix))
        dmatrix += columns.T @ dy[block].reshape(-1, c_out)
    dx = _conv2d_dx(dy, x.shape, kernel, strides, pads) if need_dx else None
    return dx, dmatrix.reshape(kernel.shape), channel_sums(dy)


def _conv2d_dx(dy: Array, x_shape: Shape, kernel: Array, strides: Pair, pads: Pads) -> Array:
    """Gather what every pixel of x gets from the windows it was in, or scatter it back.

    With stride 1, dx is itself a convolution, of dy with the kernel turned around and
    c_in and c_out exchanged. In one dimension, from y[i] = x[i] k[0] + x[i + 1] k[1],

        dx[i] = dy[i] k[0] + dy[i - 1] k[1],

    which slides (k[1], k[0]) over dy. Other strides add dy's share to every window.
    """
    kh, kw, _, c_out = kernel.shape
    (top, bottom), (left, right) = pads
    if strides == (1, 1) and max(top, bottom) < kh and max(left, right) < kw:
        turned = np.ascontiguousarray(kernel[::-1, ::-1].swapaxes(2, 3))
        around = ((kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right))
        return conv2d(dy, turned, None, (1, 1), around)
    n, height, width, c_in = x_shape
    dpadded = np.zeros((n, top + height + bottom, left + width + right, c_in), dy.dtype)
    dwindows = _windows(dpadded, (kh, kw), strides)
    matrix = kernel.reshape(-1, c_out)
    for block in _blocks(dwindows):
        dcolumns = dy[block].reshape(-1, c_out) @ matrix.T
        dcolumns = dcolumns.reshape(dwindows[block].shape)
        for (i, j), target in _shifted(dpadded[block], (kh, kw), strides, dy.shape[1:3]):
            target += dcolumns[:, :, :, i, j]
    return _inner(dpadded, pads, x_shape)


def max_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.max_pool``."""
    return _reduce_windows(np.maximum, _padded(x, pads, -np.inf), size, strides)


def max_pool_backward(
    dy: Array, x: Array, y: Array, size: Pair, strides: Pair, pads: Pads
) -> Array:
    """See ``Kernels.max_pool_backward``."""
    padded = _padded(x, pads, -np.inf)
    dpadded = np.zeros_like(padded)
    holds_nan = bool(np.isnan(y).any())
    open_windows = np.ones(y.shape, bool)
    targets = _shifted(dpadded, size, strides, y.shape[1:3])
    for (_, candidate), (_, target) in zip(
        _shifted(padded, size, strides, y.shape[1:3]), targets, strict=True
    ):
        chosen = candidate == y
        if holds_nan:
            chosen |= np.isnan(candidate)
        chosen &= open_windows
        open_windows ^= chosen  # these have their winner; a later equal pixel gets nothing
        target += np.where(chosen, dy, 0)
    return _inner(dpadded, pads, x.shape)


def avg_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.avg_pool``."""
    y = _reduce_windows(np.add, _padded(x, pads, 0), size, strides)
    y /= _real_pixels(x.shape, size, strides, pads, x.dtype)
    return y


def avg_pool_backward(dy: Array, x_shape: Shape, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.avg_pool_backward``."""
    share = dy / _real_pixels(x_shape, size, strides, pads, dy.dtype)
    n, height, width, c = x_shape
    dpadded = np.zeros((n, height + sum(pads[0]), width + sum(pads[1]), c), dy.dtype)
    for _, target in _shifted(dpadded, size, strides, dy.shape[1:3]):
        target += share
    return _inner(dpadded, pads, x_shape)


def channel_sums(x: Array) -> Array:
    """See ``Kernels.channel_sums``; each image is added up by BLAS, the images in double.

    ``x.sum(axis=(0, 1, 2))`` adds one pixel after another: ten times slower, and over
    the 262,144 pixels of a batch float32 keeps only five digits that way.
    """
    n, c = (1 if x.ndim == 2 else len(x)), x.shape[-1]
    images = x.reshape(n, math.prod(x.shape[:-1]) // max(n, 1), c)
    sums = np.ones(images.shape[1], x.dtype) @ images
    return np.asarray(sums.sum(axis=0, dtype=np.float64), dtype=x.dtype)


def _padded(x: Array, pads: Pads, value: float) -> Array:
    (top, bottom), (left, right) = pads
    if not (top or bottom or left or right):
        return x
    n, height, width, c = x.shape
    out = np.full((n, top + height + bottom, left + width + right, c), value, x.dtype)
    out[:, top : top + height, left : left + width] = x
    return out


def _inner(padded: Array, pads: Pads, shape: Shape) -> Array:
    (top, _), (left, _) = pads
    return padded[:, top : top + shape[1], left : left + shape[2]]


def _windows(padded: Array, size: Shape, strides: Pair) -> Array:
    """A read-only view of every window, (n, oh, ow, kh, kw, c), without a copy.

    The array's strides say how many bytes lie between neighbours along each axis: from
    one window to the next it is ``strides`` pixels, within a window one pixel.
    """
    n, height, width, c = padded.shape
    by_image, by_row, by_column, by_channel = padded.strides
    return as_strided(
        padded,
        (
            n,
            (height - size[0]) // strides[0] + 1,
            (width - size[1]) // strides[1] + 1,
            *size,
            c,
        ),
        (by_image, by_row * strides[0], by_column * strides[1], by_row, by_column, by_channel),
        writeable=False,
    )


def _blocks(x_windows: Array) -> Iterator[slice]:
    """Slices of the batch whose windows, each copied to a row, fill ``COLUMN_BYTES``."""
    n = len(x_windows)
    per_image = x_windows.nbytes // max(n, 1)
    step = max(1, COLUMN_BYTES // max(per_image, 1))
    for start in range(0, n, step):
        yield slice(start, start + step)


def _shifted(padded: Array, size: Pair, strides: Pair, out: Shape) -> Iterator[tuple[Pair, Array]]:
    """For every pixel (i, j) of the window, the view of all the image pixels it meets."""
    for i in range(size[0]):
        for j in range(size[1]):
            rows = slice(i, i + strides[0] * (out[0] - 1) + 1, strides[0])
            columns = slice(j, j + strides[1] * (out[1] - 1) + 1, strides[1])
            yield (i, j), padded[:, rows, columns]


def _reduce_windows(
    combine: Callable[..., Array], padded: Array, size: Pair, strides: Pair
) -> Array:
    """Combine the pixels of every window: the rows first, which lie in long runs."""
    out = tuple((n - k) // s + 1 for n, k, s in zip(padded.shape[1:3], size, strides, strict=True))
    rows = [padded[:, i : i + strides[0] * (out[0] - 1) + 1 : strides[0]] for i in range(size[0])]
    tall = _fold(combine, rows)
    columns = [
        tall[:, :, j : j + strides[1] * (out[1] - 1) + 1 : strides[1]] for j in range(size[1])
    ]
    return _fold(combine, columns)


def _fold(combine: Callable[..., Array], views: list[Array]) -> Array:
    result = views[0].copy()
    for view in views[1:]:
        combine(result, view, out=result)
    return result


def _real_pixels(shape: Shape, size: Pair, strides: Pair, pads: Pads, dtype: DType) -> Array:
    """How many of each window's pixels lie on the image, (oh, ow, 1)."""
    image = np.ones((1, shape[1], shape[2], 1), dtype)
    counts: Array = _reduce_windows(np.add, _padded(image, pads, 0), size, strides)[0]
    return counts
