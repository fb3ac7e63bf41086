"""Constraints: after each update parameters are put back, in fit, in loops and in files."""

import numpy as np
import pytest

from minicnn import (
    SGD,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    PReLU,
    SeparableConv2D,
    Sequential,
    constraints,
    load_model,
)
from minicnn.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from minicnn.errors import ConfigError
from minicnn.initializers import Identity

X = np.random.default_rng(0).standard_normal((32, 6, 6, 2))
Y = np.random.default_rng(1).standard_normal((32, 3))


def network(optimizer="sgd", **options):
    """A model whose convolution and bias are constrained."""
    conv = Conv2D(4, 3, kernel_constraint=MaxNorm(0.3, axis=[0, 1, 2]), bias_constraint="non_neg")
    model = Sequential([Input((6, 6, 2)), conv, Flatten(), Dense(3)], seed=0, **options)
    model.compile(optimizer, "mse")
    return model


def norms(model):
    return np.sqrt(np.square(model.layers[0].params["kernel"]).sum(axis=(0, 1, 2)))


def test_fit_puts_parameters_back():
    """After every step the norms are small enough and the bias not negative, and only theirs."""
    model = network(SGD(0.5))
    assert norms(model).min() > 0.3
    before = model.layers[-1].params["kernel"].copy()
    model.train_on_batch(X, Y)
    assert norms(model).max() <= 0.3 + 1e-6
    assert model.layers[0].params["bias"].min() == 0
    model.fit(X, Y, epochs=2, verbose=0)
    assert norms(model).max() <= 0.3 + 1e-6
    assert (model.layers[-1].params["kernel"] != before).any()


def test_a_loop_of_one_s_own_does_it_too():
    """``optimizer.step(model.params, grads)`` ends with the constraints, by hand and as in fit."""
    model, twin = network(), network()
    y, caches = model.forward(X, training=True)
    _, grads = model.backward(model.loss.gradient(Y, y), caches)
    free = {name: array.copy() for name, array in model.params.items()}
    SGD().step(free, grads)
    model.optimizer.step(model.params, grads)
    kernel = free["conv2d.kernel"]
    long = np.sqrt(np.square(kernel).sum(axis=(0, 1, 2)))
    expected = kernel * np.minimum(long, 0.3) / (long + 1e-7)
    np.testing.assert_allclose(model.params["conv2d.kernel"], expected, rtol=1e-5)
    twin.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_runs_resume_to_the_same_bits(tmp_path):
    """A run from a checkpoint, and one from a file, go on under the same constraints."""
    whole, half = network("adam"), network("adam")
    whole.fit(X, Y, epochs=4, verbose=0)
    half.fit(X, Y, epochs=2, verbose=0, checkpoint=tmp_path / "run")
    resumed = network("adam")
    resumed.fit(X, Y, epochs=4, verbose=0, checkpoint=tmp_path / "run", resume=True)
    half.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert repr(again.layers[0].kernel_constraint) != "None"
    again.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    for model in (resumed, again):
        for one, other in zip(whole.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_layer_with_parameters_takes_them():
    """Under the names of its arrays, also where two arrays share a prefix, and old names."""
    for layer, names in (
        (Dense(3, kernel_constraint="unit_norm", bias_constraint=NonNeg()), ["kernel", "bias"]),
        (BatchNorm(gamma_constraint=NonNeg(), beta_constraint="NonNeg"), ["gamma", "beta"]),
        (PReLU(alpha_constraint="non_neg"), ["alpha"]),
    ):
        Sequential([Input((4,)), layer])
        assert list(layer.constraints()) == names
    for layer in (
        DepthwiseConv2D(3, depthwise_constraint=UnitNorm()),
        SeparableConv2D(3, 3, depthwise_constraint=UnitNorm(), pointwise_constraint=NonNeg()),
    ):
        Sequential([Input((6, 6, 2)), layer])
        assert repr(next(iter(layer.constraints().values()))) == "UnitNorm()"
    frozen = Dense(3, kernel_constraint=NonNeg(), trainable=False)
    assert Sequential([Input((4,)), frozen]).params.constraints == {}


def test_one_of_one_s_own():
    """A class with ``__call__`` is a constraint, and comes back from a file by its name."""

    class Even(Constraint):
        def __call__(self, w):
            return w - w.mean()

    model = Sequential([Input((4,)), Dense(3, kernel_constraint=Even())], seed=0)
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 3)))
    assert model.get_weights()[0].mean() == pytest.approx(0, abs=1e-6)


def test_mistakes_are_explained():
    """Arguments that make no sense, names that are none, and an axis that is not there."""
    for call in (
        lambda: MaxNorm(-1),
        lambda: MaxNorm(axis="0"),
        lambda: UnitNorm(axis=[]),
        lambda: MinMaxNorm(2.0, 1.0),
        lambda: MinMaxNorm(rate=2),
        lambda: Dense(3, kernel_constraint=3),
    ):
        with pytest.raises(ConfigError, match=r": expected .* got "):
            call()
    with pytest.raises(ConfigError, match=r"kernel_constraint .* got 'max_nrm'.*'max_norm'"):
        Dense(3, kernel_constraint="max_nrm")
    with pytest.raises(ConfigError, match=r"MaxNorm: expected axis of an array .* \(3,\), got 1"):
        MaxNorm(axis=1)(np.ones(3))
    assert repr(constraints.max_norm(3)) == "MaxNorm(max_value=3)"


def test_identity_and_older_names_of_initializers():
    """A Dense begins as the unit matrix; names of Keras 1 and 2 stand for today's."""
    model = Sequential([Input((3,)), Dense(3, kernel_initializer="identity")])
    np.testing.assert_array_equal(model.get_weights()[0], np.eye(3))
    Sequential([Input((3,)), Dense(3, kernel_initializer="uniform", bias_initializer="one")])
    with pytest.raises(ConfigError, match=r"Identity: expected a shape of two axes"):
        Identity()((3, 3, 1, 1), np.random.default_rng(0))
