"""Activations that are layers, or functions that are not known by a name."""

import numpy as np
import pytest

from minicnn import Sequential, export_onnx, import_onnx, regularizers
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers import (
    ELU,
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Input,
    LeakyReLU,
    MaxPool,
    PReLU,
    ReLU,
    SeparableConv2D,
    Softmax,
)
from minicnn.models import load_model
from minicnn.ops import sigmoid
from minicnn.testing import check_layer
from minicnn.utils import CustomObjectScope

X = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")
Y = np.arange(6) % 2


def quick(x):
    return x * sigmoid(1.702 * x)


def network(*activations, fuse=True):
    """A network of a convolution, a pooling and an Activation."""
    first, second = activations
    return Sequential(
        [
            Input((8, 8, 3)),
            Conv2D(4, 3, activation=first),
            MaxPool(2),
            Activation(second),
            Flatten(),
            Dense(2, activation="softmax"),
        ],
        seed=0,
        fuse=fuse,
    )


def trained(model):
    """The model after three epochs."""
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=3, batch_size=3, verbose=0)
    return model


@pytest.mark.parametrize("make", [lambda: LeakyReLU(0.1), lambda: PReLU("ones")])
@pytest.mark.parametrize("layer", [Conv2D, DepthwiseConv2D, SeparableConv2D])
def test_passes_agree(layer, make):
    """Backward is the derivative of forward, also of what the activation learns."""
    arguments = (2,) if layer is DepthwiseConv2D else (4, 2)
    check_layer(lambda: layer(*arguments, activation=make()), (3, 3, 2))
    check_layer(lambda: Dense(3, activation=make()), (4,))
    check_layer(lambda: Activation(make()), (4, 3))


@pytest.mark.parametrize("given", [LeakyReLU(0.1), PReLU("ones"), ReLU(), ELU(0.3), quick])
def test_is_a_layer_after_it(given):
    """It is the same network as with the activation as a layer after it, fused or not."""
    fused, plain = (trained(network(given, given, fuse=fuse)) for fuse in (True, False))
    apart = Sequential(
        [
            Input((8, 8, 3)),
            Conv2D(4, 3),
            Activation(given),
            MaxPool(2),
            Activation(given),
            Flatten(),
            Dense(2, activation="softmax"),
        ],
        seed=0,
    )
    np.testing.assert_allclose(fused.predict(X), plain.predict(X), atol=1e-5)
    np.testing.assert_allclose(fused.predict(X), trained(apart).predict(X), atol=1e-5)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("given", [LeakyReLU(0.1), PReLU("ones"), quick])
def test_is_saved_and_loaded(given, ending, tmp_path):
    """A file holds it, with what it learned, and the loaded model trains on."""
    model = trained(network(given, given))
    model.save(tmp_path / f"model{ending}")
    again = load_model(tmp_path / f"model{ending}")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    for one in (model, again):
        one.fit(X, Y, verbose=0, shuffle=False)
    np.testing.assert_allclose(again.predict(X), model.predict(X), atol=1e-6)


@pytest.mark.parametrize("given", [LeakyReLU(0.1), PReLU("ones"), ReLU(6), quick])
def test_goes_to_onnx(given, tmp_path):
    """An ONNX file holds it as nodes of its own."""
    pytest.importorskip("onnx")
    model = network(given, given)
    export_onnx(model, tmp_path / "model.onnx")
    again = import_onnx(tmp_path / "model.onnx")
    np.testing.assert_allclose(again.predict(X), model.predict(X), atol=1e-5)


def test_known_functions_are_names():
    """Layers and functions that have a name are that name."""
    given = [Softmax(), Activation("tanh")]
    assert [Dense(2, activation=one).activation for one in given] == ["softmax", "tanh"]
    assert Activation(Activation("relu")).activation == "relu"


def test_what_it_learns_is_the_layers():
    """The alpha of a PReLU is one of the layer's arrays: counted, frozen and penalized with it."""
    act = PReLU("ones", alpha_regularizer=regularizers.L2(0.5), shared_axes=[1, 2])
    model = network(act, "relu")
    conv = model.layers[0]
    assert list(conv.params) == ["kernel", "bias", "activation.alpha"]
    assert conv.count_params() == 3 * 3 * 3 * 4 + 4 + 4
    assert conv.regularizers()["activation.alpha"].l2 == 0.5
    conv.trainable = False
    before = conv.get_weights()
    trained(model)
    for one, other in zip(before, conv.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    conv.trainable = True
    trained(model)
    assert not np.array_equal(conv.get_weights()[2], before[2])


def test_names_of_custom_objects():
    """A name that a program has made known is what it stands for."""
    with CustomObjectScope({"quick": Activation(quick), "leaky": LeakyReLU(0.1)}):
        x = np.array([[-1.0, 2.0]])
        layer = Activation("leaky")
        layer.build((2,), np.random.default_rng(0), "float64")
        assert layer.forward(x)[0].tolist() == [[-0.1, 2.0]]
        assert network("quick", "leaky").predict(X).shape == (6, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LeakyReLU, "Make one: LeakyReLU"),
        (Dropout(0.5), "Add that layer after this one"),
        (BatchNorm(), "Add that layer after this one"),
        (7, "a function, a layer or None, got 7"),
    ],
)
def test_says_what_it_is_not(given, message):
    """What is no activation, or is another in training, is refused in one line."""
    with pytest.raises(ConfigError, match=message):
        Conv2D(4, 3, activation=given)


def test_keeps_the_shape():
    """A function that changes the shape is told to go after the layer."""
    with pytest.raises(ShapeError, match="keeps the shape"):
        Sequential([Input((4,)), Dense(4, activation=lambda x: x[:, :2])])


def test_functions_of_arrays_alone_are_refused():
    """A function that needs numbers is answered with what to write instead."""
    with pytest.raises(ConfigError, match=r"^Dense 'dense', its activation: .* custom layer"):
        Sequential([Input((4,)), Dense(4, activation=lambda x: np.where(x > 0, x, 0))])
