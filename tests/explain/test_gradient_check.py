"""The gradient check of a whole network: silent where all is right, and exact where it is not."""

import json

import numpy as np
import pytest

from minicnn import (
    Add,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool,
    Model,
    ReLU,
    Rescaling,
    Sequential,
)
from minicnn.applications import NETWORKS, unet
from minicnn.errors import ConfigError
from minicnn.layers import InputLayer
from minicnn.losses import MeanSquaredError
from minicnn.testing.cases import LAYERS, MERGING

EVERY = NETWORKS | {"unet": unet}
SIZES = {"resnet50": (16, 16, 3), "lenet5": (28, 28, 1)}


LARGE = ("resnet50", "densenet", "efficientnet_b0")
"""Those that take seconds each."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in EVERY],
)
def test_every_network_passes(name):
    """Every small network of ``applications``, on pictures of bytes."""
    shape = SIZES.get(name, (32, 32, 3))
    model = EVERY[name](shape, 3, seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    y = rng.integers(0, 3, (2, *model.output_shape[:-1]))
    before = model.get_weights()
    check = model.check_gradients(x, y, entries=1)
    assert check.right, str(check)
    assert all(map(np.array_equal, model.get_weights(), before)), "the model stays as it is"


FIRST_OF_CLASS = {}
for case in (*LAYERS, *MERGING):
    kind = type(case.make())
    if kind is not InputLayer and not kind.is_graph:
        FIRST_OF_CLASS.setdefault(kind, case)


def network_around(case):
    """A network with the layer of a case, named "planted", behind others and before others."""
    shapes = case.input_shape if case.merges else (case.input_shape,)
    inputs = [Input(shape) for shape in shapes]
    rescaled = [Rescaling(0.9, 0.1)(x) for x in inputs]
    layer = case.make()
    layer.name = "planted"
    y = layer(rescaled if case.merges else rescaled[0])
    y = y if len(y.shape) == 2 else Flatten()(y)
    model = Model(inputs, Dense(3)(y), seed=0)
    rng = np.random.default_rng(1)
    for array in model.arrays().values():
        array[...] = array + rng.uniform(0.1, 0.5, array.shape)
    model.compile("sgd", "mean_squared_error")
    xs = [rng.standard_normal((4, *shape)) for shape in shapes]
    return model, xs if case.merges else xs[0], rng.standard_normal((4, 3))


@pytest.mark.parametrize("kind", FIRST_OF_CLASS, ids=lambda kind: kind.__name__)
def test_a_planted_sign_error_is_found(kind, monkeypatch):
    """dx with the wrong sign, in a layer of each class of the table: that layer is named."""
    model, x, y = network_around(FIRST_OF_CLASS[kind])
    check = model.check_gradients(x, y)
    assert check.right, str(check)
    backward = kind.backward

    def wrong(self, dy, cache):
        dx, grads = backward(self, dy, cache)
        return tuple(-one for one in dx) if self.merges else -dx, grads

    monkeypatch.setattr(kind, "backward", wrong)
    check = model.check_gradients(x, y)
    named = {row.layer for row in check.wrong}
    others = {node.name for node in model.graph().nodes if type(node.layer) is kind}
    assert named == others
    assert "planted" in str(check)
    assert "its sign is wrong" in str(check)


@pytest.mark.parametrize("name", ["kernel", "bias"])
def test_a_planted_sign_error_of_one_parameter_is_found(name, monkeypatch):
    """The gradient of a kernel or a bias with the wrong sign, in one of two layers of a class."""
    model = Sequential([Input((6, 6, 2)), Conv2D(3, 3), ReLU(), Conv2D(2, 3), Flatten(), Dense(2)])
    model.compile("sgd", "mean_squared_error")
    grads_of = Conv2D._backward

    def wrong(self, dy, cache, need_dx):
        dx, grads = grads_of(self, dy, cache, need_dx)
        return dx, grads | ({name: -grads[name]} if self.filters == 3 else {})

    monkeypatch.setattr(Conv2D, "_backward", wrong)
    rng = np.random.default_rng(0)
    check = model.check_gradients(rng.standard_normal((3, 6, 6, 2)), rng.standard_normal((3, 2)))
    assert [row.layer for row in check.wrong] == ["conv2d"]
    assert f"d{name}[" in str(check)


def test_a_wrong_loss_is_named():
    """A loss whose slope is half of what it should be."""

    class HalfError(MeanSquaredError):
        def slope(self, y_true, y_pred):
            return super().slope(y_true, y_pred) / 2

    model = Sequential([Input((3,)), Dense(2)], seed=0)
    model.compile("sgd", HalfError())
    rng = np.random.default_rng(0)
    check = model.check_gradients(rng.standard_normal((3, 3)), rng.standard_normal((3, 2)))
    assert [row.layer for row in check.wrong] == ["the loss"]


def test_corners_are_told_from_errors():
    """A ReLU at exactly 0, and a pool with a draw, have no gradient there: they are left out."""
    model = Sequential([Input((4, 4, 1)), ReLU(), MaxPool(2), Flatten(), Dense(2)], seed=0)
    model.compile("sgd", "mean_squared_error")
    x = np.zeros((2, 4, 4, 1))
    check = model.check_gradients(x, np.ones((2, 2)))
    assert check.right, str(check)
    assert sum(row.kinks for row in check.rows) > 0
    assert "at a corner left out" in str(check)


def test_dropout_is_drawn_alike_each_time():
    """Half of the numbers are dropped, and the gradients are right for those that stayed."""
    x = Input((20,))
    y = Dense(20, activation="tanh")(x)
    y = Add()([Dropout(0.5)(y), y])
    model = Model(x, Dense(1)(Dropout(0.5)(y)), seed=0)
    model.compile("sgd", "mean_squared_error")
    rng = np.random.default_rng(0)
    check = model.check_gradients(rng.standard_normal((5, 20)), np.ones((5, 1)), entries=10)
    assert check.right, str(check)


def test_what_it_returns():
    """A table for a notebook, data, few lines; and an error for a model without a loss."""
    model = Sequential([Input((4,)), Dense(3, "softmax", kernel_regularizer="l2")], seed=0)
    with pytest.raises(ConfigError, match="compile"):
        model.check_gradients(np.ones((2, 4)), np.array([0, 1]))
    model.compile("sgd", "sparse_categorical_crossentropy")
    check = model.check_gradients(np.ones((2, 4)), np.array([0, 1]))
    assert check.right
    assert [row.layer for row in check.rows] == ["input_layer", "dense", "the loss", "the network"]
    assert "<table" in check._repr_html_()
    assert json.loads(json.dumps(check.to_dict()))["right"] is True
    assert len(str(check).split("\n")) <= 3
