"""What ``keras.losses.get`` and its like give, and activations of tensors."""

import numpy as np
import pytest

from minicnn import Input
from minicnn.layers import Dense

pytestmark = pytest.mark.usefixtures("as_keras")


def test_keras_get_takes_a_name_alone():
    """``keras.losses.get("mse")`` and its like, and activations of symbolic tensors."""
    import keras

    assert type(keras.initializers.get("he_normal")).__name__ == "HeNormal"
    assert type(keras.optimizers.get("adam")).__name__ == "Adam"
    assert keras.losses.get(None) is None
    assert keras.losses.get("mse")(np.ones((1, 2)), np.zeros((1, 2))).tolist() == [1.0]
    relu = keras.activations.get("relu")
    assert relu(np.array([-1.0, 2.0])).numpy().tolist() == [0.0, 2.0]
    assert relu(Input((3,))).shape == (None, 3)
    assert Dense(2, activation=relu).activation == "relu"
