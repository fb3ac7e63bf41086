"""Random contrast and brightness."""

from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError
from minicnn.layers.augmentation.base import RandomImages, Range, limits


class RandomColour(RandomImages):
    """The common base of layers that change the numbers of an image and not their places.

    The output is clipped to ``value_range``, as in Keras.
    """

    def __init__(
        self, factor: Any, value_range: tuple[float, float], seed: int | None, name: str | None
    ) -> None:
        super().__init__(seed, name)
        if not isinstance(value_range, tuple | list) or len(value_range) != 2:
            raise ConfigError(
                f"{self.who}: expected value_range as a pair (lowest, highest), "
                f"got {value_range!r}."
            )
        for value in value_range:
            number(self.who, "value_range", value)
        self.factor = factor
        self.value_range = value_range

    def unclipped(self, x: Array, drawn: Array) -> Array:
        """The changed images of floating-point numbers, in a new array."""
        raise TypeError(f"{self.who} defines no unclipped(x, drawn).")

    def change(self, x: Array, drawn: Array) -> Array:
        """The images with other colours."""
        is_bytes = x.dtype == np.uint8
        y = self.unclipped(x.astype(np.float32) if is_bytes else x, drawn)
        low, high = sorted(self.value_range)
        if is_bytes:
            low, high = (min(max(limit, 0), 255) for limit in (low, high))
        np.clip(y, low, high, out=y)
        if is_bytes:
            np.rint(y, out=y)
        return y.astype(x.dtype, copy=False)

    def inside(self, dy: Array, x: Array, drawn: Array) -> Array:
        """dy, and 0 where a number was clipped."""
        y = self.unclipped(x.astype(dy.dtype, copy=False), drawn)
        low, high = sorted(self.value_range)
        return np.asarray(dy * ((y >= low) & (y <= high)))


class RandomBrightness(RandomColour):
    """In training, make each image lighter or darker.

        y = clip(x + d * (high - low), low, high), d from -factor to factor

    for ``value_range`` (low, high), the whole range of the images' numbers: with images from 0 to 1
    it must be (0, 1). ``factor`` is a number f for (-f, f) or a pair, within -1 and 1. Takes and
    gives uint8, or floating-point numbers. ``seed`` is accepted as in Keras and changes nothing:
    all numbers come from the model's generator. Raises ``ConfigError`` for a factor out of bounds.

    >>> x = np.full((1, 1, 2, 1), 100, np.uint8)
    >>> layer = RandomBrightness((0.2, 0.2))
    >>> layer.forward(x, training=True, rng=np.random.default_rng(0))[0].ravel().tolist()
    [151, 151]
    """

    def __init__(
        self,
        factor: float | tuple[float, float],
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(factor, value_range, seed, name)
        self._limits = limits(self.who, "factor", factor, least=-1, most=1)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """The number added to each image, (n,)."""
        low, high = sorted(self.value_range)
        return rng.uniform(*self._limits, n) * (high - low)

    def unclipped(self, x: Array, drawn: Array) -> Array:
        """x + d."""
        return x + _each(drawn, x)

    def change_back(self, dy: Array, x: Array, drawn: Array) -> Array:
        """dx = dy where nothing was clipped."""
        return self.inside(dy, x, drawn)


class RandomContrast(RandomColour):
    """In training, draw the numbers of each image away from their mean, or towards it.

        y = clip((x - m) * f + m, low, high), f from 1 - factor to 1 + factor

    with the mean m of each channel of each image and ``value_range`` (low, high). ``factor`` is a
    number or a pair (lower, upper), within 0 and 1, for f from 1 - lower to 1 + upper. Takes and
    gives uint8, or floating-point numbers. ``seed`` is accepted as in Keras and changes nothing:
    all numbers come from the model's generator. Raises ``ConfigError`` for a factor out of bounds.

    This is what Keras' documentation says, but Keras 3.15 turns a single number into (0, factor). A
    saved model holds the pair, which it reads as meant.

    >>> x = np.array([100.0, 200.0]).reshape(1, 1, 2, 1)
    >>> layer = RandomContrast((0, 0.5))
    >>> drawn = np.array([1.5])
    >>> layer.change(x, drawn).ravel().tolist()
    [75.0, 225.0]
    """

    def __init__(
        self,
        factor: float | tuple[float, float],
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(factor, value_range, seed, name)
        low, high = limits(self.who, "factor", factor, least=0, most=1)
        self._limits: Range = (1 - abs(low), 1 + high)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """The f of each image, (n,)."""
        return rng.uniform(*self._limits, n)

    def unclipped(self, x: Array, drawn: Array) -> Array:
        """x * f + m * (1 - f)."""
        _, h, w, _ = x.shape
        factor = _each(drawn, x)
        mean = (self.kernels.image_sums(x) / (h * w))[:, None, None]
        y = x * factor
        # A row of means instead of a pixel of them: NumPy is quick where it adds many in a row.
        y += np.repeat(mean * (1 - factor), w, axis=2)
        return y

    def change_back(self, dy: Array, x: Array, drawn: Array) -> Array:
        """dx = f * g + (1 - f) * the mean of g, with g = dy where nothing was clipped, else 0."""
        return self.unclipped(self.inside(dy, x, drawn), drawn)

    def keras_config(self) -> dict[str, Any]:
        """The factor as the pair that every version of Keras reads alike."""
        pair = self.factor if isinstance(self.factor, tuple | list) else (self.factor, self.factor)
        return self.get_config() | {"factor": list(pair)}


def _each(drawn: Array, x: Array) -> Array:
    """A number for each image, in shape and dtype to compute with x."""
    return drawn.astype(x.dtype)[:, None, None, None]
