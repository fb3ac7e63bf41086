"""Texts of models go both ways between minicnn and Keras."""

import numpy as np
import pytest

import minicnn
from minicnn import BatchNorm, Conv2D, Dense, Flatten, Input, MaxPool, Residual, Sequential
from minicnn.models import model_from_json
from random_graphs import random_graph

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


def outputs_of(predicted):
    return predicted if isinstance(predicted, list) else [predicted]


def same(ours, theirs, shape):
    """The same arrays give the same output, in either."""
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def row():
    model = Sequential([
        Input((8, 8, 3)), Residual([Conv2D(3, 3, padding="same"), BatchNorm()]),
        Conv2D(4, 3, activation="relu"), MaxPool(2), Flatten(), Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile(minicnn.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def test_keras_reads_our_text(keras):
    """Layers, their arguments and how the model was compiled."""
    ours = row()
    theirs = keras.models.model_from_json(ours.to_json())
    same(ours, theirs, (8, 8, 3))
    assert float(theirs.optimizer.learning_rate) == pytest.approx(0.01)
    theirs.fit(np.zeros((4, 8, 8, 3)), np.zeros(4), verbose=0)


def test_we_read_keras_text(keras):
    """A functional model of Keras' with two ways, compiled."""
    layers = keras.layers
    x = layers.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = layers.Concatenate()([x, y])
    y = layers.Add()([layers.Conv2D(5, 1)(y), layers.SeparableConv2D(5, 3, padding="same")(y)])
    theirs = keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(y)))
    theirs.compile(keras.optimizers.SGD(0.5), "mse", metrics=["mae"])
    ours = model_from_json(theirs.to_json())
    same(ours, theirs, (8, 8, 3))
    assert ours.optimizer.learning_rate == 0.5


@pytest.mark.parametrize("seed", range(15))
def test_random_graphs_go_there_and_come_back(seed, keras):
    """Our text, Keras' model of it, its text, and our model of that: all predict the same."""
    ours, xs = random_graph(seed)
    theirs = keras.models.model_from_json(ours.to_json())
    again = model_from_json(theirs.to_json())
    names = [layer.name for layer in ours.layers]
    alike = not any(isinstance(layer, Residual) for layer in ours.layers)
    for layer in theirs.layers:
        if layer.name in names and alike:
            layer.set_weights(ours.get_layer(layer.name).get_weights())
        again.get_layer(layer.name).set_weights(layer.get_weights())
    xs = [x.astype(np.float32) for x in xs]
    given = xs if len(xs) > 1 else xs[0]
    expected = outputs_of(theirs.predict(given, verbose=0))
    for model in (again, ours) if alike else (again,):
        for a, b in zip(outputs_of(model.predict(given)), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
