"""Layers that bring images to one size: Resizing, CenterCrop, RandomCrop."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array, Pads, Pair, Shape, sum_dtype
from minicnn.errors import ConfigError
from minicnn.layers.base import Grads, Layer
from minicnn.layers.noise import check_seed, generator


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
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    weights = how.weights.astype(x.dtype)
    y = np.zeros((*x.shape[:axis], len(weights), *x.shape[axis + 1 :]), x.dtype)
    for places, weight in zip(how.places.T, weights.T, strict=True):
        y += x.take(places, axis) * weight.reshape(shape)
    return y


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


class ResizedCache(NamedTuple):
    """The shape of the images, and what was cut off them or added before they were resized."""

    shape: Shape
    sides: Pads


class ToSize(Layer):
    """The common base: images are cut or padded as ``sides`` says, and then resized."""

    axes = ("H", "W", "C")
    additive = True

    interpolation = "bilinear"
    antialias = False
    fill_value = 0.0

    def __init__(self, height: int, width: int, name: str | None) -> None:
        super().__init__(name)
        self.height = whole_number(self.who, "height", height)
        self.width = whole_number(self.who, "width", width)

    def sides(self, image: Pair, rng: np.random.Generator | None = None) -> Pads:
        """What is added at the sides of images of that size, or cut off where it is negative.

        ``rng`` is there in training.
        """
        raise TypeError(f"{self.who} defines no sides(image, rng).")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(height, width, C)."""
        self.check_shape((None, *input_shape))
        return self.height, self.width, input_shape[2]

    def taps(self, image: Pair, sides: Pads) -> tuple[Taps | None, Taps | None]:
        """How the two axes are resized then; None for one that has its size."""
        down, across = (
            None if n + sum(pads) == out else taps(n + sum(pads), out, *self._how())
            for n, pads, out in zip(image, sides, (self.height, self.width), strict=True)
        )
        return down, across

    def _how(self) -> tuple[str, bool]:
        return self.interpolation, bool(self.antialias)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ResizedCache]:
        """The images in the new size."""
        x = self.check_input(x)
        image = x.shape[1], x.shape[2]
        sides = self.sides(image, generator(self.who, rng) if training and self.random else None)
        y = framed(x, sides, self.fill_value)
        for axis, how in enumerate(self.taps(image, sides), 1):
            y = y if how is None else resized(y, axis, how)
        return y, ResizedCache(x.shape, sides)

    def backward(self, dy: Array, cache: ResizedCache) -> tuple[Array, Grads]:
        """dx: each pixel gets dy of all those it had a part in, times that part."""
        (n, h, w, c), sides = cache
        self.check_dy(dy, (n, self.height, self.width, c))
        sizes = h + sum(sides[0]), w + sum(sides[1])
        for axis, how in enumerate(self.taps((h, w), sides), 1):
            dy = dy if how is None else resized_back(dy, axis, how, sizes[axis - 1])
        (top, bottom), (left, right) = sides
        return framed(dy, ((-top, -bottom), (-left, -right))), {}

    def multiply_adds(self, input_shape: Shape) -> int:
        """One for each old pixel that a new one is made of, along the axes that are resized."""
        h, w, c = input_shape
        sides = self.sides((h, w))
        reach = 2 * WEIGHTS[self.interpolation][0] if self.interpolation in WEIGHTS else 1
        h, w = h + sum(sides[0]), w + sum(sides[1])
        across = 0 if w == self.width else max(w, self.width) if self.antialias else self.width
        down = 0 if h == self.height else max(h, self.height) if self.antialias else self.height
        return reach * c * (down * w + across * self.height)


class Resizing(ToSize):
    """Bring images to a size: (N, H, W, C) becomes (N, height, width, C).

    Row i of y lies at (i + 0.5) * H / height - 0.5 of x, between rows that are weighted by their
    distance, and columns likewise. ``interpolation`` is "nearest", "bilinear", "bicubic",
    "lanczos3" or "lanczos5"; ``antialias`` makes the weights of images that become smaller reach
    farther, so that all of their pixels count. ``crop_to_aspect_ratio`` first cuts off what does
    not fit the new ratio of height to width; ``pad_to_aspect_ratio`` adds pixels of ``fill_value``
    instead. Numbers as in Keras on TensorFlow, bytes as numbers that are not rounded. Raises
    ``ConfigError`` for other arguments.

    >>> x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> Resizing(1, 4).forward(x)[0].ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(height, width, name)
        if interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f"{self.who}: expected interpolation as one of {', '.join(INTERPOLATIONS)}, "
                f"got {interpolation!r}."
            )
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ConfigError(
                f"{self.who}: expected crop_to_aspect_ratio or pad_to_aspect_ratio, got both."
            )
        if fill_mode != "constant":
            raise ConfigError(f"{self.who}: expected fill_mode 'constant', got {fill_mode!r}.")
        number(self.who, "fill_value", fill_value)
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = antialias

    def sides(self, image: Pair, rng: np.random.Generator | None = None) -> Pads:
        """Nothing, or what brings the image to the new ratio."""
        if not (self.crop_to_aspect_ratio or self.pad_to_aspect_ratio):
            return (0, 0), (0, 0)
        return to_ratio(image, (self.height, self.width), self.pad_to_aspect_ratio)


class CenterCrop(ToSize):
    """The middle of images: (N, H, W, C) becomes (N, height, width, C).

    Where more is left over on one side, it is the bottom or the right. Images that are smaller are
    resized instead: the largest part from their middle that has the ratio of height to width, by
    bilinear interpolation. As in Keras.

    >>> x = np.arange(5.0).reshape(1, 1, 5, 1)
    >>> CenterCrop(1, 2).forward(x)[0].ravel().tolist()
    [1.0, 2.0]
    """

    def __init__(self, height: int, width: int, name: str | None = None) -> None:
        super().__init__(height, width, name)

    def sides(self, image: Pair, rng: np.random.Generator | None = None) -> Pads:
        """What lies around the middle."""
        size = self.height, self.width
        over = image[0] - self.height, image[1] - self.width
        if min(over) < 0:
            return to_ratio(image, size)
        return cut(image, (over[0] // 2, over[1] // 2), size)


class RandomCrop(ToSize):
    """In training, a part of the images from a random place: (N, height, width, C).

    All images of a batch are cut at the same place. Outside training, and where images are
    smaller, they are resized: the largest part from their middle that has the ratio of height to
    width, by bilinear interpolation. (So Keras' documentation says; Keras 3.15 leaves images as
    they are outside training, which no layer after it can take.) ``seed`` is accepted as in Keras
    and changes nothing: the place comes from the model's generator.

    >>> x = np.arange(5.0).reshape(1, 1, 5, 1)
    >>> layer = RandomCrop(1, 2)
    >>> layer.forward(x, training=True, rng=np.random.default_rng(1))[0].ravel().tolist()
    [1.0, 2.0]
    """

    random = True

    def __init__(
        self, height: int, width: int, seed: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(height, width, name)
        check_seed(self.who, seed)
        self.seed = seed

    def sides(self, image: Pair, rng: np.random.Generator | None = None) -> Pads:
        """What lies around the part."""
        size = self.height, self.width
        over = image[0] - self.height, image[1] - self.width
        if rng is None or min(over) < 0:
            return to_ratio(image, size)
        top, left = rng.integers(0, np.add(over, 1)).tolist()
        return cut(image, (top, left), size)
