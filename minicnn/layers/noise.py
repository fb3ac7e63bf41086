"""Noise, and the checks of all layers that draw in training."""

from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError
from minicnn.layers.base import Grads, Layer, NoCache


class GaussianNoise(Layer):
    """In training, add random numbers to x.

        y = x + stddev * noise, the noise of mean 0 and standard deviation 1

    for ``stddev`` from 0 to 1, as in Keras; y = x outside training. ``seed`` is accepted as in
    Keras and changes nothing: the noise comes from the model's generator. Raises ``ConfigError``
    for another stddev.

    >>> x = np.zeros((1, 10000))
    >>> y, _ = GaussianNoise(0.5).forward(x, training=True, rng=np.random.default_rng(0))
    >>> round(float(y.std()), 2)
    0.5
    """

    any_order = True
    random = True
    additive = True

    def __init__(self, stddev: float, seed: int | None = None, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "stddev", stddev, least=0, most=1)
        check_seed(self.who, seed)
        self.stddev = stddev
        self.seed = seed

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, NoCache]:
        """y, with noise in training."""
        x = self.check_input(x)
        if not training or not self.stddev:
            return x, NoCache()
        drawn_in = np.float64 if x.dtype == np.float64 else np.float32
        noise = generator(self.who, rng).standard_normal(x.shape, dtype=drawn_in)
        noise *= self.stddev
        noise += x
        return noise.astype(x.dtype, copy=False), NoCache()

    def backward(self, dy: Array, cache: NoCache) -> tuple[Array, Grads]:
        """dx = dy."""
        return dy, {}


def generator(who: str, rng: np.random.Generator | None) -> np.random.Generator:
    """The generator, or a ``ConfigError`` if there is none."""
    if rng is None:
        raise ConfigError(
            f"{who}: expected a generator in training, got none. "
            "Pass rng=np.random.default_rng(seed), or run the layer in a model."
        )
    return rng


def check_seed(who: str, seed: Any) -> None:
    """Raise ``ConfigError`` unless a seed, which is only kept, is a whole number or None."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if seed is not None and not whole:
        raise ConfigError(f"{who}: expected seed as a whole number or None, got {seed!r}.")
