"""Layers that bring images to one size: Resizing, CenterCrop, RandomCrop."""

from typing import NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.resampling import (
    INTERPOLATIONS,
    WEIGHTS,
    Taps,
    cut,
    framed,
    resized,
    resized_back,
    taps,
    to_ratio,
)
from minicnn._core.shapes import Array, Pads, Pair, Shape
from minicnn.errors import ConfigError
from minicnn.layers.base import ON_IMAGES, Grads, Layer
from minicnn.layers.noise import check_seed, generator


class ResizedCache(NamedTuple):
    """The shape of the images, and what was cut off them or added before they were resized."""

    shape: Shape
    sides: Pads


class ToSize(Layer):
    """The common base: images are cut or padded as ``sides`` says, and then resized."""

    settable = ON_IMAGES
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
