"""Dropout."""

from typing import NamedTuple

import numpy as np

from minicnn.config import number
from minicnn.errors import ConfigError
from minicnn.layers.base import Grads, Layer
from minicnn.shapes import Array


class DropoutCache(NamedTuple):
    """What ``Dropout.backward`` needs."""

    scale: Array | None
    """0 or 1 / (1 - rate) for each number; None outside training."""


class Dropout(Layer):
    """In training, set a random share ``rate`` of the numbers to 0 and scale up the rest.

        y = x * mask / (1 - rate), mask 0 with probability rate, else 1

    so that the expected value of y is x; outside training y = x. The mask comes
    from the model's generator. Srivastava et al. (2014).

    >>> y, _ = Dropout(0.5).forward(np.ones((1, 8)), training=True, rng=np.random.default_rng(0))
    >>> sorted(set(y[0].tolist()))
    [0.0, 2.0]
    """

    random = True

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "rate", rate, least=0, below=1)
        self.rate = rate

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, DropoutCache]:
        """y, with some of its numbers dropped in training."""
        x = self.check_input(x)
        if not training or not self.rate:
            return x, DropoutCache(None)
        if rng is None:
            raise ConfigError(
                f"{self.who}: expected a generator in training, got none. "
                "Pass rng=np.random.default_rng(seed), or run the layer in a model."
            )
        kept = rng.random(x.shape, dtype=np.float32) >= self.rate
        scale = kept.astype(x.dtype) * (1 / (1 - self.rate))
        return x * scale, DropoutCache(scale)

    def backward(self, dy: Array, cache: DropoutCache) -> tuple[Array, Grads]:
        """dx = dy * the same mask and scale."""
        if cache.scale is None:
            return dy, {}
        self.check_dy(dy, cache.scale.shape)
        return dy * cache.scale, {}
