"""A fully connected layer in C against the layer in NumPy."""

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential
from minicnn.kernels import KERNELS
from minicnn.models.fused_dense import FusedDense

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "relu", "softmax"])
@pytest.mark.parametrize("rows", [0, 1, 4, 5, 70])
@pytest.mark.parametrize(("features", "units"), [(1, 1), (7, 3), (300, 10), (129, 64), (40, 131)])
def test_it_computes_what_the_layer_does(rows, features, units, activation, dtype):
    model = Sequential([Input((features,)), Dense(units, activation)], seed=0, dtype=dtype)
    layer = model.layers[0]
    layer.params["bias"][...] = RNG.standard_normal(units)
    fused = FusedDense(KERNELS["compiled"].dense, layer)
    x, dy = (RNG.standard_normal((rows, n)).astype(dtype) for n in (features, units))
    y, cache = fused.forward(x)
    expected, plain = layer.forward(x)
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(y, expected, **close)
    dx, grads = fused.backward(dy, cache)
    wanted_dx, wanted = layer.backward(dy, plain)
    np.testing.assert_allclose(dx, wanted_dx, **close)
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(grads[name], wanted[name], **close)
        assert grads[name].dtype == wanted[name].dtype
    only = fused.param_grads(dy, cache)
    assert all(np.array_equal(only[name], grads[name]) for name in grads)


def test_few_rows_are_the_same_on_any_number_of_threads():
    from minicnn import set_threads

    x, kernel = (RNG.standard_normal(s).astype(np.float32) for s in ((2, 3000), (3000, 200)))
    found = []
    try:
        for threads in (1, 2, 5):
            set_threads(threads)
            found.append(KERNELS["compiled"].dense.forward(x, kernel, None, "linear"))
    finally:
        set_threads(None)
    assert all(np.array_equal(y, found[0]) for y in found)
    np.testing.assert_allclose(found[0], x.astype(float) @ kernel, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [1, 9])
def test_values_that_are_no_numbers_go_where_numpy_sends_them(rows):
    x = np.zeros((rows, 3), np.float32)
    x[0] = np.nan, np.inf, 1
    kernel = RNG.standard_normal((3, 5)).astype(np.float32)
    for activation in ("linear", "relu", "softmax"):
        found = KERNELS["compiled"].dense.forward(x, kernel, None, activation)
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1:]).all()


def test_a_softmax_whose_loss_does_not_take_it_in_has_a_gradient():
    """The same steps as without fusing, for a squared error of a softmax."""
    weights = []
    for fuse in (True, False):
        layers = [Input((6,)), Dense(8, "relu"), Dense(3, "softmax")]
        model = Sequential(layers, seed=0, dtype="float64", kernels="compiled", fuse=fuse)
        model.compile("sgd", "mse")
        rng = np.random.default_rng(1)
        model.fit(rng.random((20, 6)), rng.random((20, 3)), epochs=3, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)
