"""Arrays and learning rates as scripts of Keras use them."""

import numpy as np
import pytest

from minicnn import Sequential, backend
from minicnn.as_keras import manners
from minicnn.errors import ShapeError
from minicnn.layers import BatchNorm, Conv2D, Dense, Flatten, Input
from minicnn.optimizers import SGD

pytestmark = [
    pytest.mark.usefixtures("as_keras"),
    pytest.mark.filterwarnings("ignore:SGD. lr is learning_rate"),
]


def network():
    model = Sequential([Input((6, 6, 1)), Conv2D(2, 3, name="c"), BatchNorm(name="n"), Flatten()])
    model.add(Dense(2, name="d"))
    model.compile(SGD(0.5), "mse")
    return model


def test_weights_are_variables():
    """They have a name, numbers that are a copy, and ``assign``, which changes the layer."""
    model = network()
    kernel, bias = model.layers[0].weights
    assert (kernel.name, bias.name) == ("c/kernel:0", "c/bias:0")
    before = kernel.numpy()
    kernel.assign(np.ones((3, 3, 1, 2)))
    kernel.assign_add(np.ones((3, 3, 1, 2)))
    assert model.get_weights()[0].tolist() == np.full((3, 3, 1, 2), 2.0).tolist()
    assert not np.array_equal(before, kernel.numpy())
    assert type(model.get_weights()[0]) is np.ndarray
    with pytest.raises(ShapeError, match=r"c/kernel:0: expected shape \(3, 3, 1, 2\)"):
        kernel.assign(np.ones(3))


def test_variables_by_kind():
    """A model has those that are trained and the others, by both of Keras' names."""
    model = network()
    names = [v.name for v in model.variables]
    assert names[:3] == ["c/kernel:0", "c/bias:0", "n/gamma:0"]
    assert [v.name for v in model.non_trainable_variables] == [
        "n/moving_mean:0",
        "n/moving_variance:0",
    ]
    assert len(model.trainable_variables) == len(model.trainable_weights) == 6
    assert [v.trainable for v in model.layers[1].weights] == [True, True, False, False]
    model.layers[0].trainable = False
    assert len(model.trainable_variables) == 4
    assert sum(backend.count_params(v) for v in model.trainable_weights) == 2 + 2 + 64 + 2


def test_arrays_by_name():
    """``layer.kernel`` is one of its arrays; a name that is none is an AttributeError."""
    layer = network().layers[0]
    layer.kernel.assign(layer.kernel * 0)
    assert not layer.get_weights()[0].any()
    with pytest.raises(AttributeError, match="colonel"):
        _ = layer.colonel


def test_a_learning_rate_is_set_in_four_ways():
    """``assign``, ``set_value``, both names, and the attribute."""
    optimizer = network().optimizer
    optimizer.learning_rate.assign(0.25)
    assert backend.get_value(optimizer.lr) == optimizer.learning_rate.numpy() == 0.25
    backend.set_value(optimizer.lr, 0.125)
    assert optimizer.learning_rate == 0.125
    optimizer.lr = 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5


def test_all_is_taken_back():
    """Afterwards a layer has arrays, and no more attributes than before."""
    manners.take_back()
    model = network()
    assert type(model.weights[0]) is np.ndarray
    assert not hasattr(model.layers[0], "kernel")
    assert type(model.optimizer.learning_rate) is float
