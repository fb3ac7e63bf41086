"""Random flips, translations, rotations and zooms."""

from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError
from minicnn.layers.augmentation.base import RandomImages, limits
from minicnn.layers.augmentation.resampling import (
    INTERPOLATIONS,
    PAD_MODES,
    Sampling,
    move,
    resample,
    resample_back,
)

FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")
Factor = float | tuple[float, float]


class RandomFlip(RandomImages):
    """In training, mirror each image, or not, by the toss of a coin.

    ``mode`` "horizontal" exchanges left and right, "vertical" top and bottom, and
    "horizontal_and_vertical" both at once: as in Keras, one coin decides on both. Takes and gives
    uint8, or floating-point numbers. ``seed`` is accepted as in Keras and changes nothing: all
    numbers come from the model's generator. Raises ``ConfigError`` for another mode.

    >>> x = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)
    >>> RandomFlip("horizontal").change(x, np.array([True]))[0, ..., 0].tolist()
    [[2, 1], [4, 3]]
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(seed, name)
        _one_of(self.who, "mode", mode, FLIPS)
        self.mode = mode

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Whether each image is mirrored, (n,)."""
        return rng.random(n) <= 0.5

    def change(self, x: Array, drawn: Array) -> Array:
        """The images, some of them mirrored."""
        y, chosen = x.copy(), x[drawn]
        if self.mode != "horizontal":
            chosen = chosen[:, ::-1]
        if self.mode != "vertical":
            mirrored = np.empty_like(chosen)
            for channel in range(x.shape[-1]):  # so that NumPy copies many numbers in a row
                mirrored[..., channel] = chosen[:, :, ::-1, channel]
            chosen = mirrored
        y[drawn] = chosen
        return y

    def change_back(self, dy: Array, x: Array, drawn: Array) -> Array:
        """dx is dy, mirrored back."""
        return self.change(dy, drawn)


class RandomAffine(RandomImages):
    """The common base of layers that move the pixels of an image by an affine map.

    ``resampling`` says how.
    """

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        name: str | None,
    ) -> None:
        super().__init__(seed, name)
        _one_of(self.who, "fill_mode", fill_mode, PAD_MODES)
        _one_of(self.who, "interpolation", interpolation, INTERPOLATIONS)
        number(self.who, "fill_value", fill_value)
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def maps(self, drawn: Array, h: int, w: int) -> Array:
        """(n, 2, 3): where in x the pixels of y lie, as ``resampling`` wants it."""
        raise TypeError(f"{self.who} defines no maps(drawn, h, w).")

    def change(self, x: Array, drawn: Array) -> Array:
        """The images, mapped."""
        maps, how = self.maps(drawn, *x.shape[1:3]), self._how()
        if self.kernels.resample is None:
            return resample(x, maps, how)
        fill = how.fill_in(x.dtype)
        return self.kernels.resample(x, maps, how.fill_mode, how.interpolation, fill)

    def change_back(self, dy: Array, x: Array, drawn: Array) -> Array:
        """dx: each pixel of dy is added to those that made it."""
        return resample_back(dy, self.maps(drawn, *x.shape[1:3]), self._how())

    def _how(self) -> Sampling:
        return Sampling(self.fill_mode, self.interpolation, self.fill_value)


class RandomTranslation(RandomAffine):
    """In training, move each image down and to the right, or up and to the left.

        y[row, column] = x[row - dy * height, column - dx * width]

    with dy from ``height_factor`` and dx from ``width_factor``: a number f for (-f, f), or a
    pair, within -1 and 1. Between pixels it interpolates (``interpolation`` "bilinear" or
    "nearest"). Beyond the edges of abcd it finds, by ``fill_mode``,

        reflect   d c b a | a b c d | d c b a        constant  k k k k | a b c d | k k k k
        wrap      a b c d | a b c d | a b c d        nearest   a a a a | a b c d | d d d d

    with k = ``fill_value``, among bytes the nearest of 0..255. Takes and gives uint8, or
    floating-point numbers. ``seed`` is accepted as in Keras and changes nothing: all numbers come
    from the model's generator. Raises ``ConfigError`` for an argument out of bounds.

    Keras' backends differ in "wrap" between the last pixel and the first: as with JAX, there is
    interpolation between the two here.

    >>> x = np.arange(4, dtype=np.uint8).reshape(1, 1, 4, 1)
    >>> layer = RandomTranslation(0, (0.25, 0.25))
    >>> layer.forward(x, training=True, rng=np.random.default_rng(0))[0].ravel().tolist()
    [0, 0, 1, 2]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, name)
        self._height = limits(self.who, "height_factor", height_factor, least=-1, most=1)
        self._width = limits(self.who, "width_factor", width_factor, least=-1, most=1)
        self.height_factor = height_factor
        self.width_factor = width_factor

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """(n, 2): how far each image goes down and to the right, in heights and widths."""
        return np.stack([rng.uniform(*self._height, n), rng.uniform(*self._width, n)], axis=1)

    def maps(self, drawn: Array, h: int, w: int) -> Array:
        """u = column - dx * w, v = row - dy * h."""
        return _maps((1, 0, -w * drawn[:, 1]), (0, 1, -h * drawn[:, 0]))

    def change(self, x: Array, drawn: Array) -> Array:
        """The images, moved."""
        if self.kernels.resample is not None:
            return super().change(x, drawn)
        return move(x, -x.shape[1] * drawn[:, 0], -x.shape[2] * drawn[:, 1], self._how())


class RandomRotation(RandomAffine):
    """In training, turn each image about its centre.

        u = cos(a) * column - sin(a) * row + ...,    v = sin(a) * column + cos(a) * row + ...

    is the place in x of a pixel of y, for an angle a of ``factor`` turns: a number f for (-f, f),
    or a pair, within -1 and 1. A positive angle turns the picture against the clock.
    ``fill_mode``, ``interpolation``, ``fill_value``, ``seed`` and dtypes are as in
    ``RandomTranslation``. Raises ``ConfigError`` for an argument out of bounds.

    >>> x = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)
    >>> layer = RandomRotation((0.25, 0.25))
    >>> layer.forward(x, training=True, rng=np.random.default_rng(0))[0][0, ..., 0].tolist()
    [[2, 4], [1, 3]]
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, name)
        self._limits = limits(self.who, "factor", factor, least=-1, most=1)
        self.factor = factor

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """The angle of each image in radians, (n,)."""
        return rng.uniform(*self._limits, n) * 2 * np.pi

    def maps(self, drawn: Array, h: int, w: int) -> Array:
        """A rotation that leaves the middle, ((w - 1) / 2, (h - 1) / 2), where it is."""
        cos, sin, x, y = np.cos(drawn), np.sin(drawn), (w - 1) / 2, (h - 1) / 2
        return _maps((cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y))


class RandomZoom(RandomAffine):
    """In training, make what each image shows smaller or larger, about its centre.

        u = (1 + zx) * (column - centre) + centre,    v = (1 + zy) * (row - centre) + centre

    is the place in x of a pixel of y: a positive zy, from ``height_factor``, zooms out, and so
    does a positive zx, from ``width_factor``. Each is a number f for (-f, f), or a pair, above -1
    and up to 1; ``width_factor=None`` is zx = zy. ``fill_mode``, ``interpolation``,
    ``fill_value``, ``seed`` and dtypes are as in ``RandomTranslation``. Raises ``ConfigError`` for
    an argument out of bounds.

    >>> x = np.array([0, 8, 16, 24], np.uint8).reshape(1, 1, 4, 1)
    >>> layer = RandomZoom((-0.5, -0.5))
    >>> layer.forward(x, training=True, rng=np.random.default_rng(0))[0].ravel().tolist()
    [6, 10, 14, 18]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, name)
        self._height = limits(self.who, "height_factor", height_factor, above=-1, most=1)
        self._width = None
        if width_factor is not None:
            self._width = limits(self.who, "width_factor", width_factor, above=-1, most=1)
        self.height_factor = height_factor
        self.width_factor = width_factor

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """(n, 2): 1 + zy and 1 + zx of each image."""
        height = 1 + rng.uniform(*self._height, n)
        width = height if self._width is None else 1 + rng.uniform(*self._width, n)
        return np.stack([height, width], axis=1)

    def maps(self, drawn: Array, h: int, w: int) -> Array:
        """u = zoom * column + (1 - zoom) * (w - 1) / 2, and v likewise."""
        y, x = drawn.T
        return _maps((x, 0, (1 - x) * (w - 1) / 2), (0, y, (1 - y) * (h - 1) / 2))


def _maps(u: tuple[Any, Any, Any], v: tuple[Any, Any, Any]) -> Array:
    """(n, 2, 3) from numbers and arrays (n,)."""
    return np.stack(np.broadcast_arrays(*u, *v), axis=-1).reshape(-1, 2, 3).astype(np.float64)


def _one_of(who: str, argument: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{who}: expected {argument} {' or '.join(known)}, got {value!r}.")
