"""Activation functions: their formulas, their corners, and that nothing overflows."""

import math

import numpy as np
import pytest

from minicnn import Activation, Dense, activations
from minicnn.activations import ACTIVATIONS
from minicnn.errors import ConfigError

POINTS = [-20.0, -3.5, -3.0, -1.25, -0.25, 0.0, 0.25, 1.0, 2.5, 3.0, 5.5, 6.0, 7.0, 20.0]


def logistic(x):
    return 1 / (1 + math.exp(-x))


FORMULAS = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "relu6": lambda x: min(max(x, 0), 6),
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "exponential": math.exp,
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "silu": lambda x: x * logistic(x),
    "swish": lambda x: x * logistic(x),
    "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "sigmoid": logistic,
    "hard_sigmoid": lambda x: 0 if x <= -3 else 1 if x >= 3 else x / 6 + 0.5,
    "hard_silu": lambda x: 0 if x <= -3 else x if x >= 3 else x * (x + 3) / 6,
    "hard_swish": lambda x: 0 if x <= -3 else x if x >= 3 else x * (x + 3) / 6,
    "tanh": math.tanh,
}


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_each_function_is_its_formula(name):
    """Each function gives what its formula gives number by number."""
    expected = [FORMULAS[name](x) for x in POINTS]
    got = ACTIVATIONS[name].forward(np.array(POINTS))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-14)


def test_the_softmaxes_are_their_formulas():
    """Softmax and its logarithm work on the last axis, as sums of exponentials say."""
    x = np.array([POINTS[:7], POINTS[7:]])
    sums = [[sum(map(math.exp, row))] * 7 for row in x]
    expected = np.exp(x) / sums
    np.testing.assert_allclose(ACTIVATIONS["softmax"].forward(x), expected)
    np.testing.assert_allclose(ACTIVATIONS["log_softmax"].forward(x), np.log(expected))


def test_every_function_has_a_formula_here():
    """An activation that is in the table and not in the tests above fails this one."""
    assert {*FORMULAS, "softmax", "log_softmax"} == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nothing_overflows(name, dtype):
    """Inputs of 10,000 either way give neither a warning nor NaN, forward or back."""
    x = np.array([[-1e4, -100.0, 0.0, 100.0, 1e4], [1e4, 1e4, 1e4, -1e4, -1e4]], dtype)
    y, kept = ACTIVATIONS[name].activate(x)
    dx = ACTIVATIONS[name].gradient(np.ones_like(x), kept)
    assert y.dtype == dx.dtype == dtype
    assert not np.isnan(y).any()
    assert not np.isnan(dx).any()
    if name != "exponential":
        assert np.isfinite([y, dx]).all()


@pytest.mark.parametrize(
    ("name", "corners", "slopes"),
    [
        ("relu", [0], [0]),
        ("leaky_relu", [0], [0.2]),
        ("relu6", [0, 6], [0, 0]),
        ("elu", [0], [1]),
        ("selu", [0], [1.0507009873554805]),
        ("hard_sigmoid", [-3, 3], [0, 0]),
        ("hard_silu", [-3, 3], [0, 1]),
    ],
)
def test_slopes_at_corners(name, corners, slopes):
    """At a corner the slope is the one that Keras has there on TensorFlow."""
    x = np.array(corners, float)
    _, kept = ACTIVATIONS[name].activate(x)
    np.testing.assert_allclose(ACTIVATIONS[name].gradient(np.ones_like(x), kept), slopes)


def test_erf_is_right_to_double_precision():
    """erf is within 1e-15 of the standard library's, relatively, from the smallest x to 1."""
    near_one = [np.nextafter(1, 0), 1.0, np.nextafter(1, 2)]
    x = np.concatenate([np.linspace(-7, 7, 20_001), np.logspace(-300, 2, 2_001), near_one])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(activations.erf(x), expected, rtol=1e-15, atol=0)
    assert np.isnan(activations.erf(np.array([np.nan]))).all()
    single = activations.erf(x.astype("float32"))
    assert single.dtype == "float32"
    np.testing.assert_allclose(single, expected, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("make", [lambda f: Dense(4, activation=f), Activation])
def test_functions_stand_for_their_names(make):
    """A function of the module is an activation too, and is kept by its name."""
    for name, function in ACTIVATIONS.items():
        kept = make(function.forward).activation
        assert ACTIVATIONS[kept].forward is function.forward
        assert make(name).activation == name
    assert repr(make(activations.gelu)) == repr(make("gelu"))
    assert make(activations.swish).get_config()["activation"] == "silu"


def test_other_things_are_refused_in_one_line():
    """A name that is none, or a number, is refused with the nearest name."""
    with pytest.raises(ConfigError, match="Did you mean 'softplus'"):
        Dense(2, activation="softpuls")
    with pytest.raises(ConfigError, match="got 7"):
        Activation(7)
