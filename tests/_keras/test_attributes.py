"""What is said of attributes of Keras' objects that are not here."""

import copy
import pickle
import re

import numpy as np
import pytest

from minicnn import SGD, BatchNorm, Conv2D, Dense, Flatten, Input, Model, Sequential
from minicnn._keras.attributes import ATTRIBUTES
from minicnn.callbacks import EarlyStopping
from minicnn.errors import ConfigError, NameUnknownError
from minicnn.layers import Layer
from minicnn.losses import MeanSquaredError
from minicnn.metrics import CategoricalAccuracy


@pytest.fixture
def net():
    """A model with each kind of weight."""
    return Sequential([Input((4, 4, 1)), Conv2D(2, 3), BatchNorm(), Flatten(), Dense(3)])


def objects(net):
    """An object of each class that the table has."""
    x = Input((2,))
    return {
        "Model": [net, Model(x, Dense(1)(x))],
        "Layer": net.layers,
        "Optimizer": [SGD()],
        "Loss": [MeanSquaredError()],
        "Metric": [CategoricalAccuracy()],
        "Callback": [EarlyStopping()],
    }


@pytest.mark.parametrize("kind", sorted(ATTRIBUTES))
def test_every_absent_attribute_has_a_remedy(kind, net):
    """Each is refused in one line, with what to use, as an error that ``hasattr`` knows."""
    for value in objects(net)[kind]:
        for name, nearest in ATTRIBUTES[kind].items():
            assert not hasattr(value, name), f"{name} is here: take it from attributes.py"
            with pytest.raises(NameUnknownError, match=f"has no {name}(, which Keras has)?: ") as e:
                getattr(value, name)
            assert nearest in str(e.value)
            assert "\n" not in str(e.value)


def test_other_names_are_plain_attribute_errors(net):
    """A name that nobody has is Python's own error, and objects copy and pickle as ever."""
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'no_such'"):
        _ = net.no_such
    same = pickle.loads(pickle.dumps(copy.deepcopy(net)))
    np.testing.assert_array_equal(same.get_weights()[0], net.get_weights()[0])


def test_weights_are_attributes_of_their_layer(net):
    """``layer.kernel`` is the array itself, as Keras names it; setting it says how to."""
    conv, norm = net.layers[:2]
    assert conv.kernel is conv.params["kernel"]
    assert conv.bias.shape == (2,)
    assert norm.moving_mean is norm.state["moving_mean"]
    with pytest.raises(NameUnknownError, match=r"Conv2D: kernel cannot be set\. Use set_weights"):
        conv.kernel = 3
    assert not hasattr(Dense(3), "kernel")
    assert not hasattr(Conv2D(2, 3, use_bias=False), "bias")


def test_a_custom_layer_keeps_its_own_names():
    """What a user's class lacks is Python's own error, not an answer about Keras."""

    class Mine(Layer):
        pass

    with pytest.raises(AttributeError, match="'Mine' object has no attribute 'scale'"):
        _ = Mine().scale


def test_variables_are_weights(net):
    """Keras' other names for the lists of weights."""
    assert [v.shape for v in net.variables] == [w.shape for w in net.weights]
    assert len(net.trainable_variables) == 6
    assert len(net.non_trainable_variables) == 2
    net.trainable = False
    assert net.trainable_variables == []


def test_what_older_scripts_call_before_predict_does_nothing(net):
    """Three calls that had a meaning where layers remember, or TensorFlow makes functions."""
    before = net.get_weights()
    assert [net.reset_states(), net.reset_metrics(), net._make_predict_function()] == [None] * 3
    np.testing.assert_array_equal(before[0], net.get_weights()[0])


@pytest.mark.parametrize(
    ("layer", "argument", "meant"),
    [
        (Conv2D, "kernal_size", "'kernel_size'"),
        (Conv2D, "regularizer", "'kernel_regularizer'"),
        (Conv2D, "stride", "'strides'"),
        (Dense, "neurons", "'units'"),
        (Dense, "kernel", None),
        (BatchNorm, "kernel_constraint", None),
        (BatchNorm, "regularizer", None),
        (SGD, "gradient_accumulation_steps", "batch_size as many times as large"),
    ],
)
def test_only_what_is_meant_is_suggested(layer, argument, meant):
    """An argument is suggested for a slip of it, never one of another meaning."""
    with pytest.raises(ConfigError, match=f"argument '{argument}' = 3 is not supported") as error:
        layer(**{argument: 3})
    if meant is None:
        assert "Did you mean" not in str(error.value)
    else:
        assert meant in str(error.value)


def test_the_shape_of_a_batch_is_taken():
    """Input(batch_shape=(None, ...)) is Input(shape=(...))."""
    assert Input(batch_shape=(None, 4)).shape == (None, 4)


def test_pop_takes_the_last_layer_off(net):
    """The others keep their arrays; a new end can be trained."""
    before = net.get_weights()
    last = net.pop()
    assert isinstance(last, Dense)
    assert net.output_shape == (8,)
    net.add(Dense(2, activation="softmax"))
    net.compile("sgd", "mse")
    net.fit(np.ones((4, 4, 4, 1)), np.ones((4, 2)), verbose=0)
    assert [w.shape for w in net.get_weights()[:-2]] == [w.shape for w in before[:-2]]
    for _ in range(4):
        net.pop()
    with pytest.raises(ConfigError, match="Sequential: expected layers, of which to take one off"):
        net.pop()
    unbuilt = Sequential([Dense(3), Dense(2)])
    assert unbuilt.pop().units == 2


def test_a_metric_that_a_run_has_not_is_named(net):
    """history["val_loss"] without validation is a KeyError that says what there is."""
    net.compile("sgd", "mse")
    history = net.fit(np.ones((4, 4, 4, 1)), np.ones((4, 3)), verbose=0).history
    words = r"logs: there is no 'val_loss', but loss\. Give fit validation_data"
    with pytest.raises(KeyError) as error:
        _ = history["val_loss"]
    assert re.search(words, str(error.value))
    assert history.get("val_loss") is None
