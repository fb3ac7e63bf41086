"""Layers that change the height and width of images: padding, cropping, upsampling."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import Grads, Layer
from minicnn.shapes import Array, DType, Pads, Pair, Shape, pair

Sides = int | Sequence[int | Sequence[int]]
"""n, (n_height, n_width) or ((top, bottom), (left, right)), in pixels."""


class SpatialCache(NamedTuple):
    """What the layers here need to go back: the shape of the images."""

    shape: Shape


class ZeroPadding2D(Layer):
    """Put a frame of zeros around each image.

    x is (N, H, W, C), y (N, top + H + bottom, left + W + right, C). ``padding`` is a
    number of pixels, (height, width) or ((top, bottom), (left, right)).

    >>> ZeroPadding2D(((1, 0), (2, 2))).output_shape((4, 4, 3))
    (5, 8, 3)
    """

    axes = ("H", "W", "C")

    def __init__(self, padding: Sides = (1, 1), name: str | None = None) -> None:
        super().__init__(name)
        _four_sides(self.who, "padding", padding)
        self.padding = padding

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's with the frame."""
        self.check_shape((None, *input_shape))
        (top, bottom), (left, right) = _four_sides(self.who, "padding", self.padding)
        h, w, c = input_shape
        return top + h + bottom, left + w + right, c

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, SpatialCache]:
        """The framed images."""
        x = self.check_input(x)
        sides = _four_sides(self.who, "padding", self.padding)
        return np.pad(x, ((0, 0), *sides, (0, 0))), SpatialCache(x.shape)

    def backward(self, dy: Array, cache: SpatialCache) -> tuple[Array, Grads]:
        """dx: dy without the frame."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        return _inside(dy, _four_sides(self.who, "padding", self.padding)), {}


class Cropping2D(Layer):
    """Cut rows and columns off the sides of each image.

    x is (N, H, W, C), y (N, H - top - bottom, W - left - right, C). ``cropping`` is a
    number of pixels, (height, width) or ((top, bottom), (left, right)). Raises
    ``ShapeError`` when nothing would be left.

    >>> Cropping2D(((1, 0), (2, 2))).output_shape((8, 8, 3))
    (7, 4, 3)
    """

    axes = ("H", "W", "C")

    def __init__(self, cropping: Sides = ((0, 0), (0, 0)), name: str | None = None) -> None:
        super().__init__(name)
        _four_sides(self.who, "cropping", cropping)
        self.cropping = cropping

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's without what is cut off."""
        self.check_shape((None, *input_shape))
        (top, bottom), (left, right) = _four_sides(self.who, "cropping", self.cropping)
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
        return _inside(x, _four_sides(self.who, "cropping", self.cropping)), SpatialCache(x.shape)

    def backward(self, dy: Array, cache: SpatialCache) -> tuple[Array, Grads]:
        """dx: dy with zeros where something was cut off."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        sides = _four_sides(self.who, "cropping", self.cropping)
        return np.pad(dy, ((0, 0), *sides, (0, 0))), {}


class UpSampling2D(Layer):
    """Enlarge images by whole factors: (N, H, W, C) becomes (N, H * sh, W * sw, C).

    ``size`` is (sh, sw), or one factor for both. With "nearest" each pixel is repeated;
    with "bilinear" pixel i of the larger image lies at (i + 0.5) / s - 0.5 of the smaller
    one, between two pixels that share it by their nearness; beyond the border the outermost
    pixel goes on. That is PyTorch's ``align_corners=False``. Keras' other interpolations
    raise ``ConfigError``.

    >>> layer = UpSampling2D((1, 2), interpolation="bilinear")
    >>> layer.forward(np.array([[[[0.0], [4.0]]]]))[0].ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    axes = ("H", "W", "C")

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        interpolation: str = "nearest",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        pair(self.who, "size", size)
        if interpolation not in ("nearest", "bilinear"):
            raise ConfigError(
                f"{self.who}: expected interpolation 'nearest' or 'bilinear', "
                f"got {interpolation!r}."
            )
        self.size = size
        self.interpolation = interpolation

    def factors(self) -> Pair:
        """(sh, sw)."""
        return pair(self.who, "size", self.size)

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
        _, h, w, _ = x.shape
        y = _along_axes(x, _between(h, sh, x.dtype), _between(w, sw, x.dtype))
        return y, SpatialCache(x.shape)

    def backward(self, dy: Array, cache: SpatialCache) -> tuple[Array, Grads]:
        """dx: each pixel gets dy of all those it had a share in, times that share."""
        n, h, w, c = cache.shape
        self.check_dy(dy, (n, *self.output_shape((h, w, c))))
        sh, sw = self.factors()
        if self.interpolation == "nearest":
            return dy.reshape(n, h, sh, w, sw, c).sum(axis=(2, 4)), {}
        return _along_axes(dy, _between(h, sh, dy.dtype).T, _between(w, sw, dy.dtype).T), {}

    def multiply_adds(self, input_shape: Shape) -> int:
        """None for "nearest"; for "bilinear", those of the products with the two matrices."""
        if self.interpolation == "nearest":
            return 0
        h, w, c = input_shape
        sh, sw = self.factors()
        return (h * sw * w * w + sh * h * h * sw * w) * c


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


def _between(n: int, factor: int, dtype: DType) -> Array:
    """The (n * factor, n) matrix whose row i holds the shares of n pixels in pixel i."""
    rows = np.arange(n * factor)
    at = (rows + 0.5) / factor - 0.5
    before = np.floor(at).astype(int)
    matrix = np.zeros((n * factor, n), dtype)
    matrix[rows, np.clip(before, 0, n - 1)] += 1 - (at - before)
    matrix[rows, np.clip(before + 1, 0, n - 1)] += at - before
    return matrix


def _along_axes(x: Array, rows: Array, columns: Array) -> Array:
    """The matrices applied to images (N, H, W, C): ``columns`` along W, then ``rows`` along H."""
    n, h, _, c = x.shape
    wide = (columns @ x).reshape(n, h, len(columns) * c)
    return np.asarray(rows @ wide).reshape(n, len(rows), len(columns), c)
