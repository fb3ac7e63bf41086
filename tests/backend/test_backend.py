"""Keras 2's backend: what scripts of its time ask of it."""

import numpy as np
import pytest

from minicnn import Dense, Dropout, Input, Sequential
from minicnn import backend as K  # noqa: N812 - as scripts have it
from minicnn.errors import ConfigError


def test_the_order_of_axes_is_kept():
    """As Keras 1, 2 and 3 call it."""
    assert K.image_data_format() == "channels_last"
    try:
        K.set_image_dim_ordering("th")
        assert (K.image_data_format(), K.image_dim_ordering()) == ("channels_first", "th")
    finally:
        K.set_image_data_format("channels_last")
    assert K.image_dim_ordering() == "tf"
    with pytest.raises(ConfigError, match="expected 'tf' or 'th', got 'tensorflow'"):
        K.set_image_dim_ordering("tensorflow")


def test_phases():
    """0 is what predict does anyway; 1 is said to change nothing."""
    K.set_learning_phase(0)
    assert K.learning_phase() == 0
    with pytest.warns(UserWarning, match="changes nothing"):
        K.set_learning_phase(1)


def test_a_function_gives_what_layers_give():
    """As scripts look into a network: with and without the learning phase among the inputs."""
    model = Sequential([Input((4,)), Dense(3), Dropout(0.5), Dense(2)], seed=0)
    x = np.ones((50, 4), "float32")
    first = K.function([model.layers[0].input], [model.layers[0].output])
    np.testing.assert_allclose(first([x])[0], model.layers[0].forward(x)[0])
    dropped = K.function([model.input, K.learning_phase()], [model.layers[1].output])
    assert (dropped([x, 1])[0] == 0).mean() > 0.3
    assert (dropped([x, 0])[0] == 0).mean() == 0
    with pytest.raises(ConfigError, match="function: expected 1 arrays, got 2"):
        first([x, x])


def test_arguments_of_keras_2():
    """Where Keras 3 has others: places of axes, and names."""
    x = np.arange(6.0).reshape(2, 3)
    assert K.argmax(x).tolist() == [2, 2]
    assert K.concatenate([x, x]).shape == (2, 6)
    assert K.expand_dims(x).shape == (2, 3, 1)
    assert K.permute_dimensions(x, (1, 0)).shape == (3, 2)
    assert K.int_shape(Input((4, 5))) == (None, 4, 5)
    assert K.flatten(x).shape == (6,)
    assert K.get_value(K.variable(x)).dtype == "float32"
    np.testing.assert_allclose(np.linalg.norm(K.l2_normalize(x, axis=1), axis=1), 1)


def test_what_there_is_not_is_said():
    """The learning rate is no array, gradients are no nodes, and there is no session."""
    model = Sequential([Input((4,)), Dense(3)])
    model.compile("adam", "mse")
    with pytest.raises(ConfigError, match=r"write model.optimizer.learning_rate = 0.1"):
        K.set_value(model.optimizer.learning_rate, 0.1)
    with pytest.raises(ConfigError, match=r"has no gradients, which Keras has: use model.forward"):
        K.gradients(1, 2)
    with pytest.raises(ConfigError, match="has no get_session"):
        K.get_session()
