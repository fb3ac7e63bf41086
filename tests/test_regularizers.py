"""Regularizers: penalties by hand, and their slopes by finite differences."""

import numpy as np
import pytest

from minicnn import Dense, regularizers
from minicnn.errors import ConfigError
from minicnn.regularizers import L1, L1L2, L2, Regularizer
from minicnn.testing import numeric_gradient
from minicnn.testing.cases import REGULARIZERS

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("penalty", "wanted"), [(L1(0.5), 3), (L2(0.5), 7), (L1L2(0.5, 0.25), 6.5), (L1L2(), 0)]
)
def test_penalties_by_hand(penalty, wanted):
    """l1 counts |x|, l2 counts x^2 without a half, of all numbers in any shape."""
    assert penalty(np.array([[1.0, -2.0], [0.0, 3.0]])) == wanted


@pytest.mark.parametrize("penalty", REGULARIZERS, ids=repr)
def test_slopes_are_central_differences(penalty):
    """The gradient is what differences of the penalty give."""
    x = rng.normal(size=(3, 2, 2))
    np.testing.assert_allclose(penalty.gradient(x), numeric_gradient(penalty, x), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "penalty", [*REGULARIZERS, L1L2(np.float64(0.1), np.float64(0.1))], ids=repr
)
def test_slopes_keep_shape_and_dtype(penalty, dtype):
    """A gradient can be added to that of a parameter of any kind; at 0 it is 0."""
    x = np.zeros((2, 3), dtype)
    gradient = penalty.gradient(x)
    assert (gradient.shape, gradient.dtype) == (x.shape, x.dtype)
    assert not gradient.any()


def test_a_million_small_numbers_are_summed_exactly():
    """In single precision the penalty of many numbers is that of double precision."""
    x = np.full(1_000_000, 0.1, np.float32)
    assert L1L2(1, 1)(x) == pytest.approx(1e6 * (0.1 + 0.01), rel=1e-6)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("l1", "L1()"),
        ("l2", "L2()"),
        ("L2", "L2()"),
        ("l1l2", "L1L2()"),
        (L1(0.2), "L1(l1=0.2)"),
        ({"class_name": "L2", "config": {"l2": 0.5}}, "L2(l2=0.5)"),
    ],
)
def test_names(value, wanted):
    """Names, objects and what a file says make regularizers."""
    assert repr(regularizers.get("Dense", "kernel_regularizer", value)) == wanted


def test_what_is_none():
    """Unknown names, and one that Keras reads from no file, negative and endless weights."""
    for name in ("l3", "l1_l2"):
        with pytest.raises(ConfigError, match=f"Dense.*kernel_regularizer.*'{name}'"):
            Dense(2, kernel_regularizer=name)
    for options in ({"l1": -1}, {"l2": float("inf")}, {"l2": "a"}):
        with pytest.raises(ConfigError, match="L1L2: expected l"):
            L1L2(**options)
    with pytest.raises(TypeError, match="defines no __call__"):
        Regularizer()(np.ones(1))
