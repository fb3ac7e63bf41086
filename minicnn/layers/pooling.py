"""Pooling: the maximum or the mean of every window, or of the whole image."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, Padding, Pair, Shape, Windows, check_padding, pair, windows
from minicnn._keras.modules import KerasModule
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import ON_IMAGES, Grads, Layer
from minicnn.layers.windowed import Place, Windowed

__getattr__ = KerasModule(__name__, "layers.pooling").__getattr__
"""For the other names that Keras has in a module of this name."""


class _Pool(Windowed):
    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: Padding = "valid",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        pair(self.who, "pool_size", pool_size)
        if strides is not None:
            pair(self.who, "strides", strides)
        self.pool_size = pool_size
        self.strides = strides
        self.padding = check_padding(self.who, padding)

    def _arguments(self) -> tuple[Any, ...]:
        return self.pool_size, self.strides, self.padding

    def _placed(self, image: Shape) -> Place:
        size = pair(self.who, "pool_size", self.pool_size)
        strides = size if self.strides is None else pair(self.who, "strides", self.strides)
        found = windows(self.who, (image[0], image[1]), size, strides, self.padding)
        if any(max(pads) >= k for pads, k in zip(found.pads, size, strict=True)):
            raise ConfigError(
                f"{self.who}: expected padding smaller than the window {size}, got {found.pads}: "
                "a window must not lie wholly outside the image."
            )
        image = image[0], image[1]
        return Place(image, _without_margin(self.who, image, found))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H', W', C)."""
        self.check_shape((None, *input_shape))
        return *self.windows(input_shape).out, input_shape[-1]


MOST_MARGIN = 64
"""The pixels of padding allowed for each pixel of the image, beyond the first million."""


def _without_margin(who: str, image: Pair, place: Windows) -> Windows:
    """Windows cut down, where they are larger than an image, to the part that meets its pixels.

    Raises ``ShapeError`` where far more pixels of padding are left than the image has.
    """
    if all(k <= n for k, n in zip(place.size, image, strict=True)):
        return place
    size, pads = list(place.size), list(place.pads)
    for axis, n in enumerate(image):
        k, (before, _), last = size[axis], pads[axis], (place.out[axis] - 1) * place.strides[axis]
        first, end = max(0, before - last), min(k, n + before)
        if k > n:
            size[axis] = end - first
            pads[axis] = before - first, max(0, last + end - before - n)
    padded = math.prod(n + sum(pad) for n, pad in zip(image, pads, strict=True))
    if padded > (1 << 20) + MOST_MARGIN * math.prod(image):
        raise ShapeError(
            f"{who}: expected padding in proportion to the image, got {image[0]}x{image[1]} with "
            f"{place.pads}. Use a smaller window."
        )
    return place._replace(size=(size[0], size[1]), pads=(pads[0], pads[1]))


class MaxPoolCache(NamedTuple):
    """The arrays for ``MaxPool.backward``: the gradient goes where x first equals y."""

    x: Array
    y: Array


class MaxPool(_Pool):
    """y[n, h, w, c] = the maximum of x over a window at (h * stride_h, w * stride_w).

    x is (N, H, W, C), y (N, H', W', C). ``strides=None`` means ``pool_size``;
    ``padding`` is as in ``Conv2D``, with pixels of minus infinity. Of several equal
    maxima the first in row-major order takes the gradient; NaN propagates. Raises
    ``ShapeError`` for inputs that are not such images or that the window does not fit.

    >>> MaxPool(8, padding="same").output_shape((64, 64, 8))
    (8, 8, 8)
    """

    keras_name = "MaxPooling2D"
    additive = True

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, MaxPoolCache]:
        """The maxima."""
        x = self.check_input(x)
        size, strides, pads, _ = self.windows(x.shape[1:])
        y = self.kernels.max_pool(x, size, strides, pads)
        return y, MaxPoolCache(x, y)

    def backward(self, dy: Array, cache: MaxPoolCache) -> tuple[Array, Grads]:
        """dx: each dy at the pixel that won its window, added up where windows overlap."""
        x, y = cache
        self.check_dy(dy, y.shape)
        size, strides, pads, _ = self.windows(x.shape[1:])
        return self.kernels.max_pool_backward(dy, x, y, size, strides, pads), {}


class AvgPoolCache(NamedTuple):
    """The shape of the images, for ``AvgPool.backward``."""

    shape: Shape


class AvgPool(_Pool):
    """y[n, h, w, c] = the mean of x over a window at (h * stride_h, w * stride_w).

    x is (N, H, W, C), y (N, H', W', C). ``strides=None`` means ``pool_size``;
    ``padding`` is as in ``Conv2D``, but its pixels do not count in the mean.
    Raises ``ShapeError`` for inputs that are not such images or that the window does
    not fit.

    >>> AvgPool(2).output_shape((28, 28, 6))
    (14, 14, 6)
    """

    keras_name = "AveragePooling2D"
    additive = True

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, AvgPoolCache]:
        """The means."""
        x = self.check_input(x)
        size, strides, pads, _ = self.windows(x.shape[1:])
        return self.kernels.avg_pool(x, size, strides, pads), AvgPoolCache(x.shape)

    def backward(self, dy: Array, cache: AvgPoolCache) -> tuple[Array, Grads]:
        """dx: an equal part of each dy to every real pixel of its window."""
        image = cache.shape[1:]
        self.check_dy(dy, (cache.shape[0], *self.output_shape(image)))
        size, strides, pads, _ = self.windows(image)
        return self.kernels.avg_pool_backward(dy, cache.shape, size, strides, pads), {}


class GlobalAvgPool(Layer):
    """y[n, c] = the mean of x[n, :, :, c]; with ``keepdims``, y is (N, 1, 1, C).

    >>> GlobalAvgPool().output_shape((8, 8, 64))
    (64,)
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")
    keras_name = "GlobalAveragePooling2D"
    additive = True
    replays = True

    def __init__(self, keepdims: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.keepdims = keepdims

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), or (1, 1, C)."""
        self.check_shape((None, *input_shape))
        return (1, 1, input_shape[-1]) if self.keepdims else (input_shape[-1],)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, AvgPoolCache]:
        """The mean of each channel."""
        x = self.check_input(x)
        n, h, w, c = x.shape
        if self.kernels.image_means is not None:
            means = self.kernels.image_means(x)
        else:
            means = self.kernels.image_sums(x) / (h * w)
        return means.reshape(n, *self.output_shape((h, w, c))), AvgPoolCache(x.shape)

    def backward(self, dy: Array, cache: AvgPoolCache) -> tuple[Array, Grads]:
        """dx = dy / (H * W) at every pixel."""
        n, h, w, c = cache.shape
        self.check_dy(dy, (n, *self.output_shape((h, w, c))))
        return np.broadcast_to(dy.reshape(n, 1, 1, c) / (h * w), cache.shape).copy(), {}


class GlobalMaxPoolCache(NamedTuple):
    """The arrays for ``GlobalMaxPool.backward``."""

    winner: Array
    """Which pixel of an image won, counted in row-major order: (N, 1, C)."""
    shape: Shape
    """The shape of the images."""


class GlobalMaxPool(Layer):
    """y[n, c] = the maximum of x[n, :, :, c]; with ``keepdims``, y is (N, 1, 1, C).

    Of several equal maxima the first in row-major order takes the gradient, as in
    ``MaxPool`` (Keras on TensorFlow divides it among them); NaN propagates.

    >>> GlobalMaxPool().output_shape((8, 8, 64))
    (64,)
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")
    keras_name = "GlobalMaxPooling2D"
    additive = True

    def __init__(self, keepdims: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.keepdims = keepdims

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), or (1, 1, C)."""
        self.check_shape((None, *input_shape))
        return (1, 1, input_shape[-1]) if self.keepdims else (input_shape[-1],)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, GlobalMaxPoolCache]:
        """The maximum of each channel."""
        x = self.check_input(x)
        n, h, w, c = x.shape
        pixels = x.reshape(n, h * w, c)
        winner = pixels.argmax(axis=1, keepdims=True)
        y = np.take_along_axis(pixels, winner, axis=1)
        return y.reshape(n, *self.output_shape((h, w, c))), GlobalMaxPoolCache(winner, x.shape)

    def backward(self, dy: Array, cache: GlobalMaxPoolCache) -> tuple[Array, Grads]:
        """dx: each dy at the pixel that won."""
        n, h, w, c = cache.shape
        self.check_dy(dy, (n, *self.output_shape((h, w, c))))
        dx = np.zeros((n, h * w, c), dy.dtype)
        np.put_along_axis(dx, cache.winner, dy.reshape(n, 1, c), axis=1)
        return dx.reshape(cache.shape), {}
