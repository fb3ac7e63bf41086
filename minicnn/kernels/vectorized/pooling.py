"""Pooling: the windows of a few images at a time, rows first, then columns.

The maximum over a window is the maximum of its rows, which lie in long runs of memory,
and then of what is left of its columns. Windows side by side (whose strides are their size and
need no padding) are views of an image's axes cut in two; ``max_of`` and ``spread_to_winners`` are
for those. Any others are met one pixel of the window at a time (``shifted``).
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape, sum_dtype
from minicnn._parallel.threads import shards
from minicnn.kernels.vectorized import workspace
from minicnn.kernels.vectorized.strips import BLOCK_BYTES

NONE = ((0, 0), (0, 0))


def max_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.max_pool``."""

    def pool(images: slice, y: Array) -> None:
        if strides == size and pads == NONE:
            max_of(x[images], size, y)
        else:
            y[...] = _reduce_windows(np.maximum, _padded(x[images], pads, -np.inf), size, strides)

    return _by_images(x, _pooled_shape(x.shape, size, strides, pads), pool)


def max_pool_backward(
    dy: Array, x: Array, y: Array, size: Pair, strides: Pair, pads: Pads
) -> Array:
    """See ``Kernels.max_pool_backward``."""
    holds_nan = bool(np.isnan(y).any())

    def spread(images: slice, dx: Array) -> None:
        if strides == size and pads == NONE and not holds_nan:
            index = np.empty(dy[images].shape, index_type(size))
            max_of(x[images], size, np.empty_like(y[images]), index)
            spread_to_winners(dy[images], index, size, dx)
            return
        part_y, part_dy = y[images], dy[images]
        padded = _padded(x[images], pads, -np.inf)
        dpadded = np.zeros(padded.shape, _wide(padded.dtype, size, strides))
        open_windows = np.ones(part_y.shape, bool)
        for candidate, target in zip(
            shifted(padded, size, strides, y.shape[1:3]),
            shifted(dpadded, size, strides, y.shape[1:3]),
            strict=True,
        ):
            chosen = candidate == part_y
            if holds_nan:
                chosen |= np.isnan(candidate)
            chosen &= open_windows
            open_windows ^= chosen  # these have their winner; a later equal pixel gets nothing
            target += np.where(chosen, part_dy, 0)
        dx[...] = _inner(dpadded, pads, x.shape)

    return _by_images(x, x.shape, spread)


def avg_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.avg_pool``."""
    count = _real_pixels(x.shape, size, strides, pads, x.dtype)

    def pool(images: slice, y: Array) -> None:
        if strides == size and pads == NONE:
            mean_of(x[images], size, y)
        else:
            y[...] = _reduce_windows(np.add, _padded(x[images], pads, 0), size, strides)
            y /= count

    return _by_images(x, _pooled_shape(x.shape, size, strides, pads), pool)


def avg_pool_backward(dy: Array, x_shape: Shape, size: Pair, strides: Pair, pads: Pads) -> Array:
    """See ``Kernels.avg_pool_backward``."""
    dtype = np.result_type(dy, np.float32)
    count = _real_pixels(x_shape, size, strides, pads, dtype)
    (top, bottom), (left, right) = pads
    _, h, w, c = x_shape

    def spread(images: slice, dx: Array) -> None:
        if strides == size and pads == NONE:
            spread_mean(dy[images], size, dx)
            return
        shape = (len(dx), top + h + bottom, left + w + right, c)
        dpadded = np.zeros(shape, _wide(dtype, size, strides))
        part = dy[images] / count
        for target in shifted(dpadded, size, strides, dy.shape[1:3]):
            target += part
        dx[...] = _inner(dpadded, pads, x_shape)

    return _by_images(dy, x_shape, spread, dtype)


# Windows side by side ------------------------------------------------------------------


def index_type(size: Pair) -> DType:
    """The smallest whole numbers for the pixels of a window, and one more."""
    return np.dtype(np.uint8 if size[0] * size[1] < 256 else np.uint32)


def max_of(z: Array, size: Pair, y: Array, index: Array | None = None) -> None:
    """Write the maximum of each window to y, and which pixel it was to ``index``.

    Of several equal ones it is the first in row-major order, i * width + j. For that, pixels
    get codes that fall from the number of pixels to 1, and the highest code among
    the pixels that equal the maximum is the first of them: rows first, then columns. A window
    that holds NaN has a maximum of NaN, which nothing equals, and so the index after the last.
    """
    ph, pw = size
    z = _split_rows(z, size, y.shape)
    if index is not None:
        codes = np.arange(ph * pw, 0, -pw, dtype=index.dtype)[:, None, None]
    highest = _over_rows(np.maximum, z)
    if index is not None:
        code = np.equal(z, highest[:, :, None]).view(np.uint8) * codes
        first = _columns_first(_over_rows(np.maximum, code), pw)
    columns = _columns_first(highest, pw)
    if index is None:
        y[...] = np.maximum.reduce(columns, axis=0)
        return
    winner = np.maximum.reduce(columns, axis=0)
    y[...] = winner
    first = first - np.arange(pw, dtype=index.dtype)[:, None, None, None, None]
    first *= np.equal(columns, winner).view(np.uint8)
    np.subtract(ph * pw, np.maximum.reduce(first, axis=0), out=index, dtype=index.dtype)


def mean_of(z: Array, size: Pair, y: Array) -> None:
    """Write the mean of each window to y."""
    columns = _columns_first(_over_rows(np.add, _split_rows(z, size, y.shape)), size[1])
    y[...] = np.add.reduce(columns, axis=0, dtype=sum_dtype(columns.dtype, size[1]))
    y /= size[0] * size[1]


def spread_to_winners(dy: Array, index: Array, size: Pair, dz: Array) -> None:
    """Fill dz with dy where ``index`` says, and zeros."""
    (ph, pw), c = size, dy.shape[-1]
    dy, index = np.repeat(dy, pw, axis=2), np.repeat(index, pw, axis=2)
    columns = np.tile(np.repeat(np.arange(pw, dtype=index.dtype), c), dy.shape[2] // pw)
    for i, row in enumerate(_rows(dz, ph, dy.shape)):
        here = index.reshape(*index.shape[:2], -1) == columns + index.dtype.type(i * pw)
        np.multiply(dy, here.reshape(dy.shape), out=row)


def spread_mean(dy: Array, size: Pair, dz: Array, mask: Array | None = None) -> None:
    """Fill dz with an equal part of dy for each pixel of a window, but 0 where mask is False."""
    ph, pw = size
    part = np.repeat(dy / (ph * pw), pw, axis=2)
    for i, row in enumerate(_rows(dz, ph, part.shape)):
        if mask is None:
            row[...] = part
        else:
            np.multiply(part, mask[:, i::ph, : row.shape[2]][:, : row.shape[1]], out=row)


def _rows(dz: Array, ph: int, shape: Shape) -> Iterator[Array]:
    """For each row of the windows the view of dz at it; what no window covers becomes 0."""
    _, rows, width, _ = shape
    dz[:, rows * ph :] = 0
    dz[:, :, width:] = 0
    for i in range(ph):
        yield dz[:, i : rows * ph : ph, :width]


def _split_rows(z: Array, size: Pair, y_shape: Shape) -> Array:
    """(m, rows of windows, rows in a window, width, c): a view."""
    (ph, pw), (m, rows, cols, c) = size, y_shape
    by_image, by_row, by_pixel, by_channel = z.strides
    return as_strided(
        z,
        (m, rows, ph, cols * pw, c),
        (by_image, by_row * ph, by_row, by_pixel, by_channel),
        writeable=False,
    )


def _over_rows(combine: np.ufunc, z: Array) -> Array:
    """The rows of each window combined; of two rows faster than ``reduce`` does it."""
    if z.shape[2] == 2:
        return np.asarray(combine(z[:, :, 0], z[:, :, 1]))
    dtype = sum_dtype(z.dtype, z.shape[2]) if combine is np.add else None
    return np.asarray(combine.reduce(z, axis=2, dtype=dtype))


def _columns_first(rows: Array, pw: int) -> Array:
    """(pw, m, rows, cols, c), one long run for each column of the windows."""
    m, r, width, c = rows.shape
    return np.ascontiguousarray(rows.reshape(m, r, width // pw, pw, c).transpose(3, 0, 1, 2, 4))


# Windows of any kind -------------------------------------------------------------------


def shifted(padded: Array, size: Pair, strides: Pair, out: Shape) -> Iterator[Array]:
    """For every pixel of the window, row by row, the view of all the image pixels it meets."""
    for i in range(size[0]):
        for j in range(size[1]):
            rows = slice(i, i + strides[0] * (out[0] - 1) + 1, strides[0])
            columns = slice(j, j + strides[1] * (out[1] - 1) + 1, strides[1])
            yield padded[:, rows, columns]


def _by_images(
    x: Array, shape: Shape, work: Callable[[slice, Array], None], dtype: DType | None = None
) -> Array:
    """An array of that shape, filled by ``work(images, part)`` a few images at a time."""
    result = workspace.empty(shape, x.dtype if dtype is None else dtype)
    per_image = max(x.nbytes, result.nbytes) // max(len(x), 1)
    step = max(1, BLOCK_BYTES // max(2 * per_image, 1))

    def shard(first: int, last: int) -> None:
        for start in range(first, last, step):
            images = slice(start, min(start + step, last))
            work(images, result[images])

    shards(len(x), shard, max(x.size, result.size))
    return result


def _pooled_shape(shape: Shape, size: Pair, strides: Pair, pads: Pads) -> Shape:
    n, h, w, c = shape
    rows = (h + sum(pads[0]) - size[0]) // strides[0] + 1
    return n, rows, (w + sum(pads[1]) - size[1]) // strides[1] + 1, c


def _padded(x: Array, pads: Pads, value: float) -> Array:
    (top, bottom), (left, right) = pads
    if pads == NONE:
        return x
    n, height, width, c = x.shape
    out = np.full((n, top + height + bottom, left + width + right, c), value, x.dtype)
    out[:, top : top + height, left : left + width] = x
    return out


def _inner(padded: Array, pads: Pads, shape: Shape) -> Array:
    (top, _), (left, _) = pads
    return padded[:, top : top + shape[1], left : left + shape[2]]


def _reduce_windows(
    combine: Callable[..., Array], padded: Array, size: Pair, strides: Pair
) -> Array:
    out = tuple((n - k) // s + 1 for n, k, s in zip(padded.shape[1:3], size, strides, strict=True))
    rows = [padded[:, i : i + strides[0] * (out[0] - 1) + 1 : strides[0]] for i in range(size[0])]
    tall = _combined(combine, rows)
    columns = [
        tall[:, :, j : j + strides[1] * (out[1] - 1) + 1 : strides[1]] for j in range(size[1])
    ]
    return _combined(combine, columns)


def _combined(combine: Callable[..., Array], views: list[Array]) -> Array:
    dtype = views[0].dtype
    result = views[0].astype(sum_dtype(dtype, len(views)) if combine is np.add else dtype)
    for view in views[1:]:
        combine(result, view, out=result)
    return result


def _wide(dtype: DType, size: Pair, strides: Pair) -> DType:
    """The precision in which the parts of all windows that meet at a pixel are added up."""
    return sum_dtype(dtype, -(-size[0] // strides[0]) * -(-size[1] // strides[1]))


def _real_pixels(shape: Shape, size: Pair, strides: Pair, pads: Pads, dtype: DType) -> Array:
    """How many of each window's pixels lie on the image, (oh, ow, 1)."""
    image = np.ones((1, shape[1], shape[2], 1), dtype)
    counts: Array = _reduce_windows(np.add, _padded(image, pads, 0), size, strides)[0]
    return counts
