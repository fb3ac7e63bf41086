"""Images seen through affine maps: each pixel of y is a place in x, between four of its pixels.

    u = a0 * column + a1 * row + a2,    v = b0 * column + b1 * row + b2
    y[row, column] = sum over the four pixels of x around (v, u) of weight * pixel
    weights = (1 - |u - column of x|) * (1 - |v - row of x|)

which is bilinear interpolation; "nearest" takes the nearest pixel alone. Around its edges x is
continued as ``fill_mode`` says: x is padded far enough that all places are inside.

Floating-point numbers are taken channel by channel. Three channels of bytes are packed into one
64-bit integer, 21 bits for each: 8 for the byte, and 13 for weights, whole numbers that add up to
1 << 13. So one multiplication weighs three channels, and one look-up fetches them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair

PAD_MODES = {"reflect": "symmetric", "wrap": "wrap", "constant": "constant", "nearest": "edge"}
"""Keras' fill modes, and NumPy's names for them."""

INTERPOLATIONS = ("bilinear", "nearest")

BITS = 13
ONE = 1 << BITS
LANE = 21
LANES = 1 | 1 << LANE | 1 << 2 * LANE
"""A 1 for each of three channels."""

BLOCK_PIXELS = 1 << 16
"""The number of pixels computed at a time, so that their data stay in the cache."""


class Sampling(NamedTuple):
    """The values of images beyond their edges and between pixels."""

    fill_mode: str
    interpolation: str
    fill_value: float

    def fill_in(self, dtype: DType) -> float:
        """The fill value among numbers of that dtype."""
        return round(min(max(self.fill_value, 0), 255)) if dtype == np.uint8 else self.fill_value


class Places(NamedTuple):
    """Where the pixels of y lie in the padded x."""

    pads: Pads
    first: Array
    """(n, h * w): the number, in its padded image, of the pixel above and to the left."""
    parts: list[tuple[int, Array | None]]
    """For each pixel around: how many pixels after the first it is, and its weights, (n, h * w);
    None is a weight of 1."""


def resample(x: Array, maps: Array, how: Sampling) -> Array:
    """y of x, (n, h, w, c), in its dtype; ``maps`` is ((a0, a1, a2), (b0, b1, b2)) for each image.

    For uint8 y is rounded; before that it is off by 0.1 at most, as the weights are whole numbers
    (and by a little more in images of over a thousand pixels, whose places are less exact).
    """
    y = np.empty_like(x, order="C")
    for images in _blocks(x):
        _resample(x[images], maps[images], how, y[images])
    return y


def _resample(x: Array, maps: Array, how: Sampling, y: Array) -> None:
    n, h, w, c = x.shape
    is_bytes = x.dtype == np.uint8
    places = places_of(maps, h, w, how, np.dtype(np.int64) if is_bytes else x.dtype)
    (top, bottom), (left, right) = places.pads
    padded = (h + top + bottom) * (w + left + right)
    first = places.first + (np.arange(n) * padded)[:, None]
    fill = how.fill_in(x.dtype) * (LANES if is_bytes else 1)
    for channels in np.split(np.arange(c), range(3, c, 3)) if is_bytes else np.arange(c)[:, None]:
        plane = _packed(x, channels) if is_bytes else x[..., channels[0]]
        plane = _continued(plane, ((0, 0), *places.pads), how.fill_mode, fill).reshape(-1)
        found = _weighted(plane, first, places.parts).reshape(n, h, w)
        if is_bytes:
            _unpack(found, len(places.parts) > 1, y, channels)
        else:
            y[..., channels[0]] = found


def _continued(x: Array, pads: Sequence[Pair], fill_mode: str, fill: float) -> Array:
    """x, padded."""
    options: dict[str, Any] = {"constant_values": fill} if fill_mode == "constant" else {}
    mode: Any = PAD_MODES[fill_mode]
    return np.pad(x, pads, mode, **options)


def _weighted(plane: Array, first: Array, parts: list[tuple[int, Array | None]]) -> Array:
    """The sum of the pixels around, each times its weight."""
    total: Array | None = None
    for offset, weights in parts:
        found = plane[offset:].take(first)
        if weights is not None:
            found *= weights
        total = found if total is None else np.add(total, found, out=total)
    assert total is not None
    return total


def _packed(x: Array, channels: Array) -> Array:
    """Up to three channels of bytes as one plane of integers."""
    plane = x[..., channels[-1]].astype(np.int64)
    for channel in channels[-2::-1]:
        plane <<= LANE
        plane |= x[..., channel]
    return plane


def _unpack(plane: Array, weighted: bool, y: Array, channels: Array) -> None:
    """Put the channels of a plane into those of y; weighted numbers are rounded."""
    if weighted:
        plane += LANES * (ONE // 2)
        plane >>= BITS
    for channel in channels:
        y[..., channel] = plane  # its lowest byte
        if channel != channels[-1]:
            plane >>= LANE


def resample_back(dy: Array, maps: Array, how: Sampling) -> Array:
    """dx: each pixel of dy is added, with the weights, to the pixels that made it."""
    dx = np.empty_like(dy)
    for images in _blocks(dy):
        dx[images] = _resample_back(dy[images], maps[images], how)
    return dx


def _resample_back(dy: Array, maps: Array, how: Sampling) -> Array:
    n, h, w, c = dy.shape
    places = places_of(maps, h, w, how, np.dtype(np.float64))
    # Of each pixel of a padded image, the one it repeats; h * w stands for the fill value.
    numbers = np.arange(h * w).reshape(h, w)
    source = _continued(numbers, places.pads, how.fill_mode, h * w).reshape(-1)
    sums = np.zeros((c, n * (h * w + 1)))
    for offset, weights in places.parts:
        target = source[places.first + offset] + (np.arange(n) * (h * w + 1))[:, None]
        for channel in range(c):
            said = dy[..., channel].reshape(n, h * w)
            said = said if weights is None else said * weights
            sums[channel] += np.bincount(target.ravel(), said.ravel(), sums.shape[1])
    dx = sums.reshape(c, n, h * w + 1)[..., :-1].reshape(c, n, h, w)
    return np.moveaxis(dx, 0, -1)


def move(x: Array, v: Array, u: Array, how: Sampling) -> Array:
    """y[row, column] = x[row + v, column + u]: ``resample`` for images that are only moved.

    v and u, (n,), are in pixels. The weights are the same all over an image and need no arrays,
    which takes half the time.
    """
    y = np.empty_like(x, order="C")
    for images in _blocks(x):
        y[images] = _move(x[images], v[images], u[images], how)
    return y


def _move(x: Array, v: Array, u: Array, how: Sampling) -> Array:
    n, h, w, c = x.shape
    is_bytes = x.dtype == np.uint8
    dtype = np.dtype(np.float32) if is_bytes else x.dtype
    if how.interpolation == "nearest":
        v, u = np.floor(v + 0.5), np.floor(u + 0.5)
    rows, columns = (np.floor(at).astype(int) for at in (v, u))
    below, right = ((at - np.floor(at)).astype(dtype)[:, None, None] for at in (v, u))
    pads = [(max(0, -int(at.min())), max(0, int(at.max())) + 1) for at in (rows, columns)]
    padded = _continued(x, ((0, 0), *pads, (0, 0)), how.fill_mode, how.fill_in(x.dtype))
    windows = np.empty((n, h + 1, w + 1, c), dtype)
    corners = zip(rows + pads[0][0], columns + pads[1][0], strict=True)
    for image, window, (row, column) in zip(padded, windows, corners, strict=True):
        window[...] = image[row : row + h + 1, column : column + w + 1]
    lines = windows.reshape(n, h + 1, (w + 1) * c)
    y = lines[:, :-1] * (1 - below)
    y += lines[:, 1:] * below
    y = y[..., :-c] * (1 - right) + y[..., c:] * right
    if is_bytes:
        np.rint(y, out=y)
    moved: Array = y.reshape(x.shape)
    return moved


def places_of(maps: Array, h: int, w: int, how: Sampling, dtype: DType) -> Places:
    """Where the pixels of y lie in x; the weights are of that dtype, an integer for ``ONE``ths."""
    pads = _pads(maps, h, w)
    maps = np.add(maps, [[0, 0, pads[1][0]], [0, 0, pads[0][0]]])
    width = w + sum(pads[1])
    rows, columns = np.indices((h, w)).reshape(2, h * w)
    grid = np.stack([columns, rows, np.ones(h * w)])
    if how.interpolation == "nearest":
        u, v = np.floor(_at(maps, grid) + 0.5).astype(np.int64)
        return Places(pads, v * width + u, [(0, None)])
    if dtype == np.int64:
        # In single precision, and 32 bits, as that is twice as fast.
        at = _at((maps * ONE).astype(np.float32), grid.astype(np.float32)).astype(np.int32)
        whole, (u, v) = at >> BITS, at & (ONE - 1)
        both, unit = (u * v) >> BITS, ONE
    else:
        at = _at(maps, grid)
        whole = np.floor(at).astype(np.int64)
        u, v = (at - whole).astype(dtype)
        both, unit = u * v, 1
    first = (whole[1] * width + whole[0]).astype(np.int64)
    right, below = u - both, v - both
    parts = [(0, unit - right - v), (1, right), (width, below), (width + 1, both)]
    return Places(pads, first, [(offset, part.astype(dtype)) for offset, part in parts])


def _at(maps: Array, grid: Array) -> Array:
    """(2, n, h * w): u and v of each pixel of y."""
    n = len(maps)
    return (maps.transpose(1, 0, 2).reshape(2 * n, 3) @ grid).reshape(2, n, grid.shape[1])


def _pads(maps: Array, h: int, w: int) -> Pads:
    """How far the images must be continued for all places; a corner is the farthest of all."""
    corners = np.array([[0, w - 1, 0, w - 1], [0, 0, h - 1, h - 1], [1, 1, 1, 1]])
    at = maps @ corners
    slack = 0.01  # for rounding in single precision
    low = np.maximum(np.ceil(slack - at.min(axis=(0, 2))), 0)
    high = np.maximum(np.floor(at.max(axis=(0, 2)) + slack) + 2 - (w, h), 0)
    (left, top), (right, bottom) = low.astype(int).tolist(), high.astype(int).tolist()
    return (top, bottom), (left, right)


def _blocks(x: Array) -> Iterator[slice]:
    """The images of a batch, a few at a time."""
    n, h, w, _ = x.shape
    step = max(1, BLOCK_PIXELS // (h * w))
    for first in range(0, n, step):
        yield slice(first, first + step)
