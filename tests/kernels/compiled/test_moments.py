"""Mean and variance of a convolution's output, found in the pass that makes it."""

import numpy as np
import pytest

import minicnn
from minicnn import BatchNorm, Conv2D, DepthwiseConv2D, Input, MaxPool, ReLU, Sequential
from minicnn.kernels import KERNELS

COMPILED = KERNELS["compiled"]
NORMALIZATION = COMPILED.normalization
NONE, ONE = ((0, 0), (0, 0)), ((1, 1), (1, 1))
CONVOLUTIONS = {
    "vectors of filters": ((6, 9, 8, 5), (3, 3, 5, 40), (1, 1), ONE),
    "vectors of columns": ((5, 33, 40, 3), (4, 4, 3, 8), (1, 1), NONE),
    "Winograd's method": ((4, 16, 17, 32), (3, 3, 32, 32), (1, 1), ONE),
    "bands of one image": ((1, 300, 200, 3), (3, 3, 3, 16), (1, 1), ONE),
    "bands, by columns": ((1, 301, 300, 3), (5, 5, 3, 4), (1, 1), NONE),
    "products alone": ((64, 16, 16, 24), (1, 1, 24, 96), (1, 1), NONE),
    "strides": ((40, 31, 30, 7), (2, 3, 7, 19), (3, 2), NONE),
    "one number": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), NONE),
}


@pytest.fixture(autouse=True)
def threads():
    yield minicnn.set_threads
    minicnn.set_threads(None)


def drawn(name, dtype):
    x, kernel, strides, pads = CONVOLUTIONS[name]
    rng = np.random.default_rng(0)
    images = (rng.standard_normal(x) + 3).astype(dtype)
    return images, rng.random(kernel).astype(dtype), strides, pads


def depthwise(x, kernel, bias, strides, pads):
    return COMPILED.depthwise(x, kernel[..., :1], bias, strides, pads)


def close(moments, y, tolerance):
    rows = y.reshape(-1, y.shape[-1]).astype(np.float64)
    for found, wanted in zip(moments, (rows.mean(0), rows.var(0)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("convolve", [COMPILED.conv2d, depthwise])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_they_are_those_of_numpy(name, dtype, tolerance, convolve, threads):
    """Of every way of convolving; with any number of threads to the bit the same."""
    x, kernel, strides, pads = drawn(name, dtype)
    every = []
    for count in (1, 3):
        threads(count)
        noted = NORMALIZATION.noted()
        with noted:
            y = convolve(x, kernel, None, strides, pads)
        assert noted.found[0] is y  # they are found, not made when they are asked for
        every.append(noted.of(y))
        close(every[-1], y, tolerance)
    np.testing.assert_array_equal(*every)


def test_another_array_gets_its_own():
    """What is asked of another array than was made, or asked twice, is computed anew."""
    x, kernel, strides, pads = drawn("strides", "float64")
    noted = NORMALIZATION.noted()
    with noted:
        y = COMPILED.conv2d(x, kernel, None, strides, pads)
    close(noted.of(y + 5), y + 5, 1e-12)
    close(noted.of(y), y, 1e-12)


def test_nothing_is_found_outside():
    """A convolution after the block leaves no moments, and holds no array."""
    x, kernel, strides, pads = drawn("strides", "float64")
    noted = NORMALIZATION.noted()
    with noted:
        pass
    COMPILED.conv2d(x, kernel, None, strides, pads)
    assert noted.found is None


def test_nan_stays_in_its_channel():
    """One NaN among the filters spoils the moments of that filter alone."""
    x, kernel, strides, pads = drawn("strides", "float64")
    kernel[0, 0, 0, 3] = np.nan
    noted = NORMALIZATION.noted()
    with noted:
        y = COMPILED.conv2d(x, kernel, None, strides, pads)
    for array in noted.of(y):
        assert np.flatnonzero(np.isnan(array)).tolist() == [3]


@pytest.mark.parametrize(
    ("layers", "noting"),
    [
        ([Conv2D(8, 3), BatchNorm(), ReLU()], 1),
        ([Conv2D(8, 3, activation="relu"), BatchNorm()], 1),
        ([DepthwiseConv2D(3), BatchNorm(), Conv2D(8, 1), BatchNorm()], 2),
        ([Conv2D(8, 3), MaxPool(2), BatchNorm()], 0),
        ([DepthwiseConv2D(3, activation="relu"), BatchNorm()], 0),
        ([Conv2D(8, 3), ReLU(), Conv2D(8, 3)], 0),
        ([BatchNorm(), Conv2D(8, 3)], 0),
    ],
)
def test_a_model_finds_them_where_it_can(layers, noting):
    """Of convolutions whose output a BatchNorm reads; gradients are those of NumPy's kernels."""
    results = []
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 12, 13, 4))
    for kernels in ("compiled", "vectorized"):
        made = [type(one).from_config(one.get_config()) for one in layers]
        model = Sequential([Input((12, 13, 4)), *made], seed=0, dtype="float64", kernels=kernels)
        graph = model.fused()
        if kernels == "compiled":
            assert sum(node.moments is not None for node in graph.nodes) == noting
        (y,), caches = graph.forward([x], True, rng)
        (dx,), grads = graph.backward([np.cos(y)], caches)
        assert all(node.moments is None or node.moments.found is None for node in graph.nodes)
        results.append([y, dx, *(grads[name] for name in sorted(grads))])
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)
