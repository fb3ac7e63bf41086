"""A custom layer: what to write, the checks it must pass, and its use in a model.

python examples/custom_layer.py
"""

import argparse
from typing import NamedTuple

import numpy as np

from minicnn import Adam, Dense, Flatten, Input, Layer, Rescaling, Sequential
from minicnn.activations import sigmoid
from minicnn.data.synthetic import fingers
from minicnn.losses import SparseCategoricalCrossentropy
from minicnn.testing import check_layer


class SwishCache(NamedTuple):
    x: np.ndarray
    gate: np.ndarray


class LearnedSwish(Layer):
    """y = x * sigmoid(sharpness * x), with a sharpness that is learned for each channel."""

    additive = True  # a batch is the sum of its shards: several processes may share it

    def __init__(self, sharpness_initializer="ones"):
        super().__init__()
        self.sharpness_initializer = sharpness_initializer

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.add_param("sharpness", input_shape[-1:], rng)

    def forward(self, x, *, training=False, rng=None):
        x = self.check_input(x)
        gate = sigmoid(self.param("sharpness") * x)
        return x * gate, SwishCache(x, gate)

    def backward(self, dy, cache):
        x, gate = cache
        slope = dy * x * gate * (1 - gate)  # with respect to sharpness * x
        sharpness = (slope * x).sum(axis=tuple(range(x.ndim - 1)))
        return dy * gate + slope * self.params["sharpness"], {"sharpness": sharpness}


def main():
    argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS).parse_args()
    check_layer(LearnedSwish, input_shape=(4, 3, 2))
    print("LearnedSwish passes every check.")

    x, y = fingers(240, seed=0)
    swish = LearnedSwish()
    model = Sequential(
        [Input((64, 64, 3)), Rescaling(1 / 255), Flatten(), Dense(32), swish, Dense(6)], seed=0
    )
    model.compile(Adam(1e-3), SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    model.fit(x, y, epochs=3)
    print("How sharp the first are:", swish.params["sharpness"][:4].round(3))


if __name__ == "__main__":
    main()
