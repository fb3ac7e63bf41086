"""Dropout, of single numbers, of whole channels, and for "selu"."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.drawing import drawn
from minicnn._core.shapes import Array, Shape
from minicnn.activations import SELU_ALPHA, SELU_SCALE
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import ON_IMAGES, Grads, Layer
from minicnn.layers.noise import check_seed, generator


class DropoutCache(NamedTuple):
    """The arrays for ``Dropout.backward``."""

    scale: Array | None
    """0 or 1 / (1 - rate), for each number or for several; None outside training."""
    shape: Shape


class Dropout(Layer):
    """In training, set a random part ``rate`` of the numbers to 0 and scale up the rest.

        y = x * mask / (1 - rate), mask 0 with probability rate, else 1

    so that the expected value of y is x; outside training y = x. The mask comes
    from the model's generator. Srivastava et al. (2014).

    ``noise_shape`` is the mask's shape, with the batch axis, as in Keras: along an axis with 1 all
    numbers are dropped together, and None stands for the size of x. ``seed`` is accepted as in
    Keras and changes nothing. Raises ``ConfigError`` for wrong arguments, ``ShapeError`` for a
    ``noise_shape`` that does not fit x.

    >>> y, _ = Dropout(0.5).forward(np.ones((1, 8)), training=True, rng=np.random.default_rng(0))
    >>> sorted(set(y[0].tolist()))
    [0.0, 2.0]
    """

    any_order = True
    random = True
    additive = True
    replays = True

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        number(self.who, "rate", rate, least=0, below=1)
        check_seed(self.who, seed)
        _check_noise_shape(self.who, noise_shape)
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed

    def mask_shape(self, shape: Shape) -> Shape:
        """The shape of the mask for a batch of that shape."""
        wanted = self.noise_shape or (None,) * len(shape)
        if len(wanted) != len(shape) or any(
            m not in (None, 1, n) for m, n in zip(wanted, shape, strict=True)
        ):
            raise ShapeError(
                f"{self.who}: expected input that fits noise_shape {self.noise_shape}, got shape "
                f"{shape}. Write 1 or None where the sizes differ."
            )
        return tuple(n if m is None else m for m, n in zip(wanted, shape, strict=True))

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, DropoutCache]:
        """y, with some of its numbers dropped in training."""
        x = self.check_input(x)
        if not training or not self.rate:
            return x, DropoutCache(None, x.shape)
        shape = self.mask_shape(x.shape)
        kept = _kept(generator(self.who, rng), self.rate, shape)
        scale = kept.astype(x.dtype) * (1 / (1 - self.rate))
        if x.ndim == 4 and shape[1:3] == (1, 1):
            # NumPy is quick where it multiplies many numbers in a row, and a pixel's are few.
            scale = np.repeat(scale, x.shape[2], axis=2)
        return x * scale, DropoutCache(scale, x.shape)

    def backward(self, dy: Array, cache: DropoutCache) -> tuple[Array, Grads]:
        """dx = dy * the same mask and scale."""
        if cache.scale is None:
            return dy, {}
        self.check_dy(dy, cache.shape)
        return dy * cache.scale, {}


class SpatialDropout2D(Dropout):
    """Dropout of whole channels of images: all pixels of one are kept, or none.

    Neighbouring pixels are alike, so that single ones that are dropped can be guessed from those
    that are kept. Tompson et al. (2015). ``rate`` and ``seed`` are as in ``Dropout``.

    >>> x = np.ones((1, 2, 2, 4))
    >>> y, _ = SpatialDropout2D(0.5).forward(x, training=True, rng=np.random.default_rng(1))
    >>> bool((y == y[:, :1, :1]).all())
    True
    """

    any_order = False
    settable = ON_IMAGES
    axes = ("H", "W", "C")

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None) -> None:
        super().__init__(rate, (None, 1, 1, None), seed, name)


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks of "selu" activations.

        y = a * (x * mask + (1 - mask) * low) + b,   mask 0 with probability rate, else 1

    with low = -1.7581, the least that selu gives, a = 1 / sqrt((1 - rate) * (1 + rate * low**2))
    and b = -a * rate * low; outside training y = x. ``rate``, ``noise_shape`` and ``seed`` are as
    in ``Dropout``. Klambauer et al. (2017).

    >>> x = np.random.default_rng(0).standard_normal((1, 100000))
    >>> y, _ = AlphaDropout(0.3).forward(x, training=True, rng=np.random.default_rng(1))
    >>> round(float(abs(y.mean())), 1), round(float(y.std()), 1)
    (0.0, 1.0)
    """

    any_order = True
    additive = True

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, DropoutCache]:
        """y, with some of its numbers at the least that selu gives in training."""
        x = self.check_input(x)
        if not training or not self.rate:
            return x, DropoutCache(None, x.shape)
        low = -SELU_ALPHA * SELU_SCALE
        a = ((1 - self.rate) * (1 + self.rate * low**2)) ** -0.5
        kept = _kept(generator(self.who, rng), self.rate, self.mask_shape(x.shape))
        kept = kept.astype(x.dtype)
        y = x * (a * kept)
        y += a * low * (1 - kept - self.rate)
        return y, DropoutCache(a * kept, x.shape)


def _kept(rng: np.random.Generator, rate: float, shape: Shape) -> Array:
    """True with probability 1 - rate, to 1 / 65536: 16 random bits decide on each number."""

    def bits(rng: np.random.Generator, shape: Shape) -> Array:
        size = int(np.prod(shape))
        found = rng.integers(1 << 64, size=-(-size // 4), dtype=np.uint64)
        return found.view(np.uint16)[:size].reshape(shape)

    kept: Array = drawn(rng, shape, bits) >= round(rate * (1 << 16))
    return kept


def _check_noise_shape(who: str, noise_shape: Any) -> None:
    if noise_shape is None:
        return
    if not isinstance(noise_shape, tuple | list) or not all(
        m is None or (isinstance(m, int) and not isinstance(m, bool) and m > 0) for m in noise_shape
    ):
        raise ConfigError(
            f"{who}: expected noise_shape as a tuple of whole numbers above 0 and None, such as "
            f"(None, 1, 1, None), got {noise_shape!r}."
        )
