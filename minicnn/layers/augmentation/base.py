"""The common base of layers that change images at random in training."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError
from minicnn.layers.base import ON_IMAGES, Grads, Layer
from minicnn.layers.noise import check_seed, generator

Range = tuple[float, float]
"""The least and the most that may be drawn."""


class RandomImagesCache(NamedTuple):
    """The arrays for ``RandomImages.backward``."""

    x: Array
    drawn: Array | None
    """The random numbers of each image; None outside training."""


class RandomImages(Layer):
    """Changes each image of a batch at random in training; y = x outside it.

    Bytes (uint8) stay bytes, rounded and within 0..255, so that a model can pass them from the file
    to its ``Rescaling``; other numbers keep their dtype.

    A subclass defines ``draw``, the random numbers of each image; ``change``, the forward pass; and
    ``change_back``, the gradient.
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")
    random = True
    reads_bytes = True
    additive = True

    def __init__(self, seed: int | None, name: str | None) -> None:
        super().__init__(name)
        check_seed(self.who, seed)
        self.seed = seed

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """The random numbers for n images, an entry each."""
        raise TypeError(f"{self.who} defines no draw(n, rng).")

    def change(self, x: Array, drawn: Array) -> Array:
        """The images of a batch, changed as drawn; a new array of the same dtype."""
        raise TypeError(f"{self.who} defines no change(x, drawn).")

    def change_back(self, dy: Array, x: Array, drawn: Array) -> Array:
        """The gradient of the loss with respect to x."""
        raise TypeError(f"{self.who} defines no change_back(dy, x, drawn).")

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, RandomImagesCache]:
        """The images, changed in training."""
        x = np.asarray(x)
        if x.dtype == np.uint8:
            self.check_shape(x.shape)
        else:
            x = self.check_input(x)
            if self.built:
                # A first layer converts to the model's dtype, as none before it has.
                x = x.astype(self.dtype, copy=False)
        if not training:
            return x, RandomImagesCache(x, None)
        drawn = self.draw(len(x), generator(self.who, rng))
        return self.change(x, drawn), RandomImagesCache(x, drawn)

    def backward(self, dy: Array, cache: RandomImagesCache) -> tuple[Array, Grads]:
        """dx, as if bytes had not been rounded."""
        if cache.drawn is None:
            return dy, {}
        self.check_dy(dy, cache.x.shape)
        return self.change_back(dy, cache.x, cache.drawn), {}


def limits(who: str, argument: str, factor: Any, **bounds: float) -> Range:
    """The range that a factor stands for: (-f, f), or the pair itself, the lesser first.

    Raises ``ConfigError`` unless all numbers are within the bounds, which are those of
    ``arguments.number``.

    >>> limits("RandomZoom", "height_factor", 0.2), limits("RandomZoom", "factor", (0.5, 0.1))
    ((-0.2, 0.2), (0.1, 0.5))
    """
    is_pair = isinstance(factor, tuple | list)
    if is_pair and len(factor) != 2:
        raise ConfigError(
            f"{who}: expected {argument} as a number or a pair (lower, upper), got {factor!r}."
        )
    for value in factor if is_pair else (factor,):
        number(who, argument, value, **bounds)
    low, high = sorted(factor) if is_pair else (-abs(factor), abs(factor))
    return low, high
