"""Sums and ReLUs in C: NumPy's numbers, in one pass."""

import numpy as np
import pytest

from minicnn import activations, set_threads
from minicnn.kernels import ALONE, KERNELS, Then

RECTIFIER = KERNELS["compiled"].rectifier
BY_NAME = {"relu": Then(True), "relu6": Then(True, 6.0), "leaky_relu": Then(True, slope=0.2)}


@pytest.fixture(autouse=True)
def threads():
    """Each test leaves the number of threads as it was."""
    yield
    set_threads(None)


def numbers(shape, dtype, seed=0):
    """Some of them 0, -0, NaN and infinities."""
    x = (np.random.default_rng(seed).standard_normal(shape) * 5).astype(dtype)
    some = x.reshape(-1)
    for i, value in enumerate((0.0, -0.0, np.nan, np.inf, -np.inf, 6.0)):
        some[i::97] = value
    return x


@pytest.mark.parametrize("name", [None, *BY_NAME])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(0, 3), (1,), (7, 5, 3), (64, 33, 33, 5)])
def test_they_are_those_of_numpy(shape, dtype, name):
    """Forward and backward, of one array and of two, NaN and infinities too, to the bit."""
    function, then = activations.get("", name), BY_NAME.get(name, ALONE)
    a, b, dy = (numbers(shape, dtype, seed) for seed in range(3))
    for other in (None, b):
        with np.errstate(all="ignore"):
            wanted = function.forward(a if other is None else a + other)
        y = RECTIFIER.rectify(a, then, other)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, wanted)
        if name:
            with np.errstate(all="ignore"):
                slopes = function.gradient(dy, y)
            assert RECTIFIER.backward(dy, y, then) is y
            np.testing.assert_array_equal(y, slopes)


def test_they_may_be_done_in_place():
    """The result is written over either array, or beside both."""
    a, b = np.random.default_rng(0).standard_normal((2, 40, 50, 60))
    wanted = np.maximum(a + b, 0)
    for i in (0, 1):
        pair = a.copy(), b.copy()
        assert RECTIFIER.rectify(pair[0], Then(True), pair[1], pair[i]) is pair[i]
        np.testing.assert_array_equal(pair[i], wanted)
        np.testing.assert_array_equal(pair[1 - i], (a, b)[1 - i])


def test_arrays_may_lie_anywhere_and_threads_change_nothing():
    """Strides, odd addresses, any number of threads."""
    x, b = np.random.default_rng(0).standard_normal((2, 50, 40, 30))
    wanted = np.maximum(x.T + b.T, 0)
    raw = np.zeros(b.nbytes + 1, np.uint8)[1:].view(b.dtype).reshape(b.T.shape)
    raw[...] = b.T
    for count in (1, 2, 3, 300):
        set_threads(count)
        np.testing.assert_array_equal(RECTIFIER.rectify(x.T, Then(True), b.T), wanted)
        np.testing.assert_array_equal(RECTIFIER.rectify(x.T, Then(True), raw), wanted)
