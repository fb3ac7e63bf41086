"""Layers that change the height and width of images: padding, cropping, upsampling."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape, pair, sum_dtype
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import ON_IMAGES, Grads, Layer

Sides = int | Sequence[int | Sequence[int]]
"""n, (n_height, n_width) or ((top, bottom), (left, right)), in pixels."""


class SpatialCache(NamedTuple):
    """The shape of the images, for the backward pass of these layers."""

    shape: Shape


class ZeroPadding2D(Layer):
    """Put a frame of zeros around each image.

    x is (N, H, W, C), y (N, top + H + bottom, left + W + right, C). ``padding`` is a
    number of pixels, (height, width) or ((top, bottom), (left, right)).

    >>> ZeroPadding2D(((1, 0), (2, 2))).output_shape((4, 4, 3))
    (5, 8, 3)
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")
    additive = True

    def __init__(self, padding: Sides = (1, 1), name: str | None = None) -> None:
        super().__init__(name)
        self.padding = padding
        self._parsed = padding, _four_sides(self.who, "padding", padding)

    def _sides(self) -> Pads:
        given, sides = self._parsed
        return sides if given == self.padding else _four_sides(self.who, "padding", self.padding)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's with the frame."""
        self.check_shape((None, *input_shape))
        (top, bottom), (left, right) = self._sides()
        h, w, c = input_shape
        return top + h + bottom, left + w + right, c

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, SpatialCache]:
        """The framed images."""
        x = self.check_input(x)
        sides = self._sides()
        return np.pad(x, ((0, 0), *sides, (0, 0))), SpatialCache(x.shape)

    def backward(self, dy: Array, cache: SpatialCache) -> tuple[Array, Grads]:
        """dx: dy without the frame."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        return _inside(dy, self._sides()), {}


class Cropping2D(Layer):
    """Cut rows and columns off the sides of each image.

    x is (N, H, W, C), y (N, H - top - bottom, W - left - right, C). ``cropping`` is a
    number of pixels, (height, width) or ((top, bottom), (left, right)). Raises
    ``ShapeError`` when nothing would be left.

    >>> Cropping2D(((1, 0), (2, 2))).output_shape((8, 8, 3))
    (7, 4, 3)
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")
    additive = True

    def __init__(self, cropping: Sides = ((0, 0), (0, 0)), name: str | None = None) -> None:
        super().__init__(name)
        self.cropping = cropping
        self._parsed = cropping, _four_sides(self.who, "cropping", cropping)

    def _sides(self) -> Pads:
        given, sides = self._parsed
        return sides if given == self.cropping else _four_sides(self.who, "cropping", self.cropping)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's without the part that is cut off."""
        self.check_shape((None, *input_shape))
        (top, bottom), (left, right) = self._sides()
        h, w, c = input_shape
        if h <= top + bottom or w <= left + right:
            raise ShapeError(
                f"{self.who}: expected an image larger than the {top + bottom} rows and "
                f"{left + right} columns to cut off, got {h}x{w}. Use a smaller cropping."
            )
        return h - top - bottom, w - left - right, c

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, SpatialCache]:
        """The inside of the images."""
        x = self.check_input(x)
        self.output_shape(x.shape[1:])
        return _inside(x, self._sides()), SpatialCache(x.shape)

    def backward(self, dy: Array, cache: SpatialCache) -> tuple[Array, Grads]:
        """dx: dy with zeros where something was cut off."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        sides = self._sides()
        return np.pad(dy, ((0, 0), *sides, (0, 0))), {}


class UpSampling2D(Layer):
    """Enlarge images by whole factors: (N, H, W, C) becomes (N, H * sh, W * sw, C).

    ``size`` is (sh, sw), or one factor for both. With "nearest" each pixel is repeated; with
    "bilinear" pixel i of the larger image lies at (i + 0.5) / s - 0.5 of the smaller one, between
    two pixels that are weighted by their nearness; beyond the border the outermost pixel is
    repeated. That is PyTorch's ``align_corners=False``. Keras' other interpolations raise
    ``ConfigError``.

    >>> layer = UpSampling2D((1, 2), interpolation="bilinear")
    >>> layer.forward(np.array([[[[0.0], [4.0]]]]))[0].ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")
    additive = True

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        interpolation: str = "nearest",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.size = size
        self._parsed = size, pair(self.who, "size", size)
        if interpolation not in ("nearest", "bilinear"):
            raise ConfigError(
                f"{self.who}: expected interpolation 'nearest' or 'bilinear', "
                f"got {interpolation!r}."
            )
        self.interpolation = interpolation

    def factors(self) -> Pair:
        """(sh, sw)."""
        given, factors = self._parsed
        return factors if given == self.size else pair(self.who, "size", self.size)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H * sh, W * sw, C)."""
        self.check_shape((None, *input_shape))
        h, w, c = input_shape
        sh, sw = self.factors()
        return h * sh, w * sw, c

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, SpatialCache]:
        """The larger images."""
        x = self.check_input(x)
        sh, sw = self.factors()
        if self.interpolation == "nearest":
            return x.repeat(sh, axis=1).repeat(sw, axis=2), SpatialCache(x.shape)
        return _enlarged(_enlarged(x, 2, sw), 1, sh), SpatialCache(x.shape)

    def backward(self, dy: Array, cache: SpatialCache) -> tuple[Array, Grads]:
        """dx: each pixel gets dy of all those it had a part in, times that part."""
        n, h, w, c = cache.shape
        self.check_dy(dy, (n, *self.output_shape((h, w, c))))
        sh, sw = self.factors()
        if self.interpolation == "nearest":
            parts = dy.reshape(n, h, sh, w, sw, c)
            dx = parts.sum(axis=(2, 4), dtype=sum_dtype(dy.dtype, sh * sw))
            return dx.astype(dy.dtype, copy=False), {}
        return _reduced(_reduced(dy, 1, sh), 2, sw), {}

    def multiply_adds(self, input_shape: Shape) -> int:
        """None for "nearest"; for "bilinear", three for each number along each axis."""
        if self.interpolation == "nearest":
            return 0
        h, w, c = input_shape
        sh, sw = self.factors()
        return 3 * (h + h * sh) * w * sw * c


def _four_sides(who: str, argument: str, value: Sides) -> Pads:
    both: Any = value if isinstance(value, Sequence) and len(value) == 2 else (value, value)
    try:
        return pair(who, argument, both[0], least=0), pair(who, argument, both[1], least=0)
    except ConfigError:
        raise ConfigError(
            f"{who}: expected {argument} as a number of pixels, a pair of them or "
            f"((top, bottom), (left, right)), got {value!r}."
        ) from None


def _inside(x: Array, sides: Pads) -> Array:
    """A view of the images without their sides."""
    (top, bottom), (left, right) = sides
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def _between(factor: int, dtype: DType) -> Array:
    """The weights of a pixel and of its two neighbours in the ``factor`` new ones.

    >>> _between(2, np.dtype("float64")).tolist()
    [[0.25, 0.0], [0.75, 0.75], [0.0, 0.25]]
    """
    at = (np.arange(factor) + 0.5) / factor - 0.5
    return np.stack([np.maximum(-at, 0), 1 - np.abs(at), np.maximum(at, 0)]).astype(dtype)


def _enlarged(x: Array, axis: int, factor: int) -> Array:
    """Images with each pixel along an axis made ``factor`` of them, between it and those beside."""
    n = x.shape[axis]
    places = np.clip(np.arange(n) + np.array([[-1], [0], [1]]), 0, n - 1)
    beside = (x.take(some, axis) for some in places)
    y = np.zeros((*x.shape[: axis + 1], factor, *x.shape[axis + 1 :]), x.dtype)
    for pixels, weights in zip(beside, _between(factor, x.dtype), strict=True):
        y += np.expand_dims(pixels, axis + 1) * weights.reshape(-1, *(1,) * (x.ndim - axis - 1))
    return y.reshape(*x.shape[:axis], n * factor, *x.shape[axis + 1 :])


def _reduced(dy: Array, axis: int, factor: int) -> Array:
    """The backward pass: what each pixel along the axis had a part in, times that part."""
    n = dy.shape[axis] // factor
    apart = np.moveaxis(dy.reshape(*dy.shape[:axis], n, factor, *dy.shape[axis + 1 :]), axis, 0)
    before, dx, after = (
        np.tensordot(apart, weights, ([axis + 1], [0])) for weights in _between(factor, dy.dtype)
    )
    dx[:-1] += before[1:]
    dx[1:] += after[:-1]
    dx[0] += before[0]
    dx[-1] += after[-1]
    return np.moveaxis(dx, 0, axis)
