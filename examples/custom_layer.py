"""A custom layer: what to write, the checks it must pass, and its use in a model.

python examples/custom_layer.py
"""

import argparse
from typing import NamedTuple

import numpy as np

from minicnn import Adam, Dense, Flatten, Input, Layer, Rescaling, Sequential
from minicnn.data.synthetic import fingers
from minicnn.initializers import Constant
from minicnn.losses import SparseCategoricalCrossentropy
from minicnn.testing import check_layer


class PReLUCache(NamedTuple):
    x: np.ndarray


class PReLU(Layer):
    """y = x above 0 and slope * x below it, with a slope that is learned for each channel."""

    additive = True  # a batch is the sum of its shards: several processes may compute it

    def __init__(self, initial_slope=0.25):
        super().__init__()
        self.initial_slope = initial_slope

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.add_param("slope", input_shape[-1:], rng, Constant(self.initial_slope))

    def forward(self, x, *, training=False, rng=None):
        slope = self.param("slope")
        x = self.check_input(x)
        return np.where(x > 0, x, slope * x), PReLUCache(x)

    def backward(self, dy, cache):
        x = cache.x
        below = dy * (x <= 0)
        dx = dy * (x > 0) + below * self.params["slope"]
        return dx, {"slope": (below * x).sum(axis=tuple(range(x.ndim - 1)))}


def main():
    argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS).parse_args()
    check_layer(lambda: PReLU(0.1), input_shape=(4, 3, 2))
    print("PReLU passes every check.")

    x, y = fingers(240, seed=0)
    prelu = PReLU()
    model = Sequential(
        [Input((64, 64, 3)), Rescaling(1 / 255), Flatten(), Dense(32), prelu, Dense(6)], seed=0
    )
    model.compile(Adam(1e-3), SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    model.fit(x, y, epochs=3)
    print("The first slopes:", prelu.params["slope"][:4].round(3))


if __name__ == "__main__":
    main()
