"""Activations that are layers or custom functions, against Keras'."""

import numpy as np
import pytest

import minicnn
from minicnn import ops as our_ops
from minicnn.layers import (
    Activation,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    SeparableConv2D,
)

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

CASES = {
    "leaky": lambda k, ops: k.layers.LeakyReLU(0.1),
    "prelu": lambda k, ops: k.layers.PReLU(k.initializers.Constant(0.3), shared_axes=[1, 2]),
    "relu6": lambda k, ops: k.layers.ReLU(6.0),
    "elu": lambda k, ops: k.layers.ELU(0.5),
    "quick gelu": lambda k, ops: lambda x: x * ops.sigmoid(1.702 * x),
    "leaky function": lambda k, ops: lambda x: ops.leaky_relu(x, negative_slope=0.1),
    "layer of a layer": lambda k, ops: k.layers.Activation("tanh"),
}


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


def network(library, layers, make):
    """Each layer that takes an activation, with one of its own."""
    return library.Sequential(
        [
            layers.Input((9, 9, 3)),
            layers.Conv2D(4, 3, activation=make()),
            layers.DepthwiseConv2D(2, activation=make()),
            layers.SeparableConv2D(5, 2, activation=make()),
            layers.Conv2DTranspose(3, 2, activation=make()),
            layers.Conv2D(4, 1),
            layers.Activation(make()),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


class Ours:
    """The layers of minicnn, under the names that ``network`` asks for."""

    Input, Flatten, Activation, Dense = Input, Flatten, Activation, Dense
    Conv2D, DepthwiseConv2D = Conv2D, DepthwiseConv2D
    SeparableConv2D, Conv2DTranspose = SeparableConv2D, Conv2DTranspose


@pytest.mark.parametrize("case", CASES)
def test_trains_as_in_keras(keras, case):
    """From the same weights, two epochs give Keras' losses and Keras' weights."""
    make = CASES[case]
    theirs = network(keras, keras.layers, lambda: make(keras, keras.ops))
    ours = network(minicnn, Ours, lambda: make(minicnn, our_ops))
    random = np.random.default_rng(0)
    theirs(np.zeros((1, 9, 9, 3), "float32"))  # Keras builds activations when they are called
    ours.set_weights([random.normal(0, 0.4, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    x, y = random.normal(size=(24, 9, 9, 3)).astype("float32"), random.integers(0, 3, 24)
    losses = []
    for model, library in ((theirs, keras), (ours, minicnn)):
        model.compile(library.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("case", ["leaky", "relu6", "elu", "leaky function"])
def test_files_go_both_ways(keras, tmp_path, case, ending):
    """Keras reads what minicnn writes, and minicnn what Keras writes, with the same outputs."""
    ours = network(minicnn, Ours, lambda: CASES[case](minicnn, our_ops))
    x = np.random.default_rng(1).normal(size=(4, 9, 9, 3)).astype("float32")
    ours.save(tmp_path / f"ours{ending}")
    theirs = keras.models.load_model(tmp_path / f"ours{ending}")
    np.testing.assert_allclose(theirs.predict(x, verbose=0), ours.predict(x), atol=1e-5)
    theirs.save(tmp_path / f"theirs{ending}")
    again = minicnn.models.load_model(tmp_path / f"theirs{ending}")
    np.testing.assert_allclose(again.predict(x), ours.predict(x), atol=1e-6)


def test_what_an_activation_learned_is_read_from_keras_file(keras, tmp_path):
    """The alpha of a PReLU lies where Keras has it, though Keras cannot read that again itself."""
    theirs = network(keras, keras.layers, lambda: CASES["prelu"](keras, None))
    x = np.random.default_rng(1).normal(size=(4, 9, 9, 3)).astype("float32")
    theirs(x)
    theirs.set_weights([w + 0.1 for w in theirs.get_weights()])
    theirs.save(tmp_path / "theirs.keras")
    ours = minicnn.models.load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    again = minicnn.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_array_equal(again.predict(x), ours.predict(x))


def test_a_custom_function_is_read_with_custom_objects(keras, tmp_path):
    """Keras writes a function by its name; ``custom_objects`` has what that means."""
    theirs = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(3, activation=lambda_of(keras.ops))]
    )
    theirs.save(tmp_path / "theirs.keras")
    known = {"quick": lambda_of(our_ops)}
    ours = minicnn.models.load_model(tmp_path / "theirs.keras", custom_objects=known)
    x = np.random.default_rng(1).normal(size=(4, 4)).astype("float32")
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-6)


def lambda_of(ops):
    """A function called ``quick``."""

    def quick(x):
        return x * ops.sigmoid(1.702 * x)

    return quick
