"""Images brought to another size: what each new pixel is made of, and what is cut off or added."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import FEW, Array, Pads, Pair, sum_dtype


def _cubic(t: Array) -> Array:
    """Keys' cubic with a = -1/2."""
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    """sinc(t) * sinc(t / radius)."""
    return lambda t: np.where(t < radius, np.sinc(t) * np.sinc(t / radius), 0)


WEIGHTS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "bilinear": (1, lambda t: np.maximum(1 - t, 0)),
    "bicubic": (2, _cubic),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
}
"""How far pixels reach, and their weight at a distance."""

INTERPOLATIONS = ("nearest", *WEIGHTS)

TABLE = 1024
"""TensorFlow takes the weights of "bicubic" from a table of so many places between two pixels."""


class Taps(NamedTuple):
    """What each new pixel along an axis is made of; both are (new pixels, taps)."""

    places: Array
    """The old pixels, in ascending order down each column."""
    weights: Array


@lru_cache(maxsize=64)
def taps(n: int, out: int, interpolation: str, antialias: bool) -> Taps:
    """How n pixels become ``out``.

    >>> places, weights = taps(2, 4, "bilinear", False)
    >>> (weights * places).sum(axis=1).tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    scale = n / out
    if interpolation == "nearest":
        at = (np.arange(out, dtype=np.float32) + np.float32(0.5)) * np.float32(scale)
        nearest = np.minimum(at.astype(np.int64), n - 1)
        return Taps(nearest[:, None], np.ones((out, 1)))
    radius, kernel = WEIGHTS[interpolation]
    wide = max(scale, 1.0) if antialias else 1.0
    at = (np.arange(out) + 0.5) * scale - 0.5
    if interpolation == "bicubic" and not antialias:
        at = np.floor(at) + np.rint((at - np.floor(at)) * TABLE) / TABLE
    first = np.ceil(at - radius * wide).astype(np.int64)
    places = first[:, None] + np.arange(int(2 * radius * wide) + 1)
    weights = kernel(np.abs(places - at[:, None]) / wide)
    weights[(places < 0) | (places >= n)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return Taps(np.clip(places[:, used], 0, n - 1), weights[:, used])


def resized(x: Array, axis: int, how: Taps) -> Array:
    """x with other pixels along an axis: y[i] = sum over k of weights[i, k] * x[places[i, k]]."""
    weights = how.weights.astype(x.dtype)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    # A few channels are multiplied fastest as so many more pixels, each with a weight of its own.
    each = math.prod(after) if math.prod(after) < FEW else 1
    rows = (*before, len(weights) * each, *(after if each == 1 else ()))
    shape = [-1 if i == axis else 1 for i in range(len(rows))]
    y = np.zeros(rows, x.dtype)
    for places, weight in zip(how.places.T, weights.T, strict=True):
        part = x.take(places, axis).reshape(rows)
        part *= np.repeat(weight, each).reshape(shape)
        y += part
    return y.reshape(*before, len(weights), *after)


def resized_back(dy: Array, axis: int, how: Taps, n: int) -> Array:
    """dx: each of the n old pixels gets dy of all those it had a part in, times that part."""
    shape = [-1 if i == axis else 1 for i in range(dy.ndim)]
    dx = np.zeros((n, *np.delete(dy.shape, axis)), sum_dtype(dy.dtype, how.places.size // n))
    for places, weight in zip(how.places.T, how.weights.astype(dy.dtype).T, strict=True):
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        sums = np.add.reduceat(dy * weight.reshape(shape), starts, axis, dtype=dx.dtype)
        dx[places[starts]] += np.moveaxis(sums, axis, 0)
    return np.moveaxis(dx, 0, axis).astype(dy.dtype, copy=False)


def framed(x: Array, sides: Pads, value: float = 0.0) -> Array:
    """Images with pixels of that value added at their sides; negative numbers of them cut off."""
    (top, bottom), (left, right) = sides
    h, w = x.shape[1:3]
    x = x[:, max(0, -top) : h + min(0, bottom), max(0, -left) : w + min(0, right)]
    added = [(max(0, a), max(0, b)) for a, b in sides]
    if not np.any(added):
        return x
    return np.pad(x, ((0, 0), *added, (0, 0)), constant_values=value)


def to_ratio(image: Pair, size: Pair, pad: bool = False) -> Pads:
    """What to cut off an image (or to add) so that its sides have the ratio of ``size``'s.

    >>> to_ratio((4, 10), (2, 2)), to_ratio((4, 10), (2, 2), pad=True)
    (((0, 0), (-3, -3)), ((3, 3), (0, 0)))
    """
    (h, w), (height, width) = image, size
    wanted = w * height // width, h * width // height
    if pad:
        added = [max(n, m) - n for n, m in zip(image, wanted, strict=True)]
        return (added[0] // 2, added[0] // 2), (added[1] // 2, added[1] // 2)
    left = [n - max(min(n, m), 1) for n, m in zip(image, wanted, strict=True)]
    return cut(image, (left[0] // 2, left[1] // 2), (h - left[0], w - left[1]))


def cut(image: Pair, corner: Pair, size: Pair) -> Pads:
    """What to cut off so that the part of that size is left that begins at the corner."""
    (top, bottom), (left, right) = (
        (-first, first + m - n) for n, first, m in zip(image, corner, size, strict=True)
    )
    return (top, bottom), (left, right)
