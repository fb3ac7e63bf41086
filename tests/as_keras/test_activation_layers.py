"""Layers as activations of others."""

import numpy as np
import pytest

from minicnn import Input, Model, Sequential
from minicnn.layers import Dense, LeakyReLU

pytestmark = pytest.mark.usefixtures("as_keras")


def test_a_layer_as_an_activation_stands_behind():
    """``Dense(3, activation=LeakyReLU(0.1))`` is two layers, in a row, on tensors and on arrays."""
    x = np.array([[-1.0, 2.0]], np.float32)
    expected = [[-0.1, 2.0]]
    options = {"kernel_initializer": "identity", "activation": LeakyReLU(0.1)}
    row = Sequential([Input((2,)), Dense(2, **options)])
    assert [type(one) for one in row.layers] == [Dense, LeakyReLU]
    tensor = Input((2,))
    graph = Model(tensor, Dense(2, **options)(tensor))
    for made in (row.predict(x), graph.predict(x), Dense(2, **options)(x)):
        np.testing.assert_allclose(made, expected, rtol=1e-6)
