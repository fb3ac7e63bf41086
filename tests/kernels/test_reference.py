"""The notebook's functions give the figures that the course published with them."""

import numpy as np
import pytest

from minicnn.errors import ConfigError, ShapeError
from minicnn.kernels.reference import (
    conv2d,
    conv2d_transpose,
    conv_backward,
    conv_forward,
    conv_single_step,
    create_mask_from_window,
    depthwise,
    distribute_value,
    pool_backward,
    pool_forward,
    zero_pad,
)
from minicnn.testing import numeric_gradient


def draws():
    """The course draws from NumPy's old generator, seeded with 1."""
    return np.random.RandomState(1)


def test_zero_pad():
    """Padding by 2 puts the images in the middle of zeros."""
    x = draws().randn(4, 3, 3, 2)
    padded = zero_pad(x, 2)
    assert padded.shape == (4, 7, 7, 2)
    np.testing.assert_array_equal(padded[1, 1], np.zeros((7, 2)))
    expected = [[0.90085595, -0.68372786], [-0.12289023, -0.93576943], [-0.26788808, 0.53035547]]
    np.testing.assert_allclose(x[1, 1], expected, atol=5e-9)
    np.testing.assert_array_equal(padded[:, 2:5, 2:5], x)


def test_conv_single_step():
    """One step of convolution gives the course's Z."""
    rng = draws()
    a, W, b = rng.randn(4, 4, 3), rng.randn(4, 4, 3), rng.randn(1, 1, 1)
    assert conv_single_step(a, W, b) == pytest.approx(-6.99908945068, abs=5e-12)


@pytest.fixture
def convolved():
    rng = draws()
    A_prev, W, b = rng.randn(10, 4, 4, 3), rng.randn(2, 2, 3, 8), rng.randn(1, 1, 1, 8)
    return conv_forward(A_prev, W, b, {"pad": 2, "stride": 2})


def test_conv_forward(convolved):
    """The forward pass gives the course's mean of Z, one row of it, and its cache."""
    Z, cache = convolved
    assert Z.mean() == pytest.approx(0.0489952035289, abs=5e-14)
    row = [-0.61490741, -6.7439236, -2.55153897, 1.75698377]
    row += [3.56208902, 0.53036437, 5.18531798, 8.75898442]
    np.testing.assert_allclose(Z[3, 2, 1], row, atol=5e-9)
    np.testing.assert_allclose(cache[0][1][2][3], [-0.20075807, 0.18656139, 0.41005165], atol=5e-9)


def test_conv_backward(convolved):
    """The backward pass gives the course's means of dA, dW and db."""
    Z, cache = convolved
    dA, dW, db = conv_backward(Z, cache)
    assert dA.mean() == pytest.approx(1.45243777754, abs=5e-12)
    assert dW.mean() == pytest.approx(1.72699145831, abs=5e-12)
    assert db.mean() == pytest.approx(7.83923256462, abs=5e-12)
    assert (dA.shape, dW.shape, db.shape) == ((10, 4, 4, 3), (2, 2, 3, 8), (1, 1, 1, 8))


def test_pool_forward():
    """Max and average pooling give the course's A."""
    A_prev = draws().randn(2, 4, 4, 3)
    hparameters = {"stride": 2, "f": 3}
    A, _ = pool_forward(A_prev, hparameters)
    expected = [[1.74481176, 0.86540763, 1.13376944], [1.13162939, 1.51981682, 2.18557541]]
    np.testing.assert_allclose(A.reshape(2, 3), expected, atol=5e-9)
    A, _ = pool_forward(A_prev, hparameters, mode="average")
    expected = [[0.02105773, -0.20328806, -0.40389855], [-0.22154621, 0.51716526, 0.48155844]]
    np.testing.assert_allclose(A.reshape(2, 3), expected, atol=5e-9)


def test_create_mask_from_window():
    """The mask is true where the course's is, and wherever else the maximum stands."""
    mask = create_mask_from_window(draws().randn(2, 3))
    assert mask.tolist() == [[True, False, False], [False, False, False]]
    assert create_mask_from_window(np.array([[2, 1], [2, 2]])).tolist() == [
        [True, False],
        [True, True],
    ]


def test_distribute_value():
    """2 spread over a 2x2 window is 0.5 everywhere."""
    assert distribute_value(2, (2, 2)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_pool_backward():
    """Going back through both poolings gives the course's dA_prev."""
    rng = draws()
    _, cache = pool_forward(rng.randn(5, 5, 3, 2), {"stride": 1, "f": 2})
    dA = rng.randn(5, 4, 2, 2)
    assert dA.mean() == pytest.approx(0.145713902729, abs=5e-13)
    expected = [[0, 0], [5.05844394, -1.68282702], [0, 0]]
    np.testing.assert_allclose(pool_backward(dA, cache, "max")[1, 1], expected, atol=5e-9)
    expected = [[0.08485462, 0.2787552], [1.26461098, -0.25749373], [1.17975636, -0.53624893]]
    np.testing.assert_allclose(pool_backward(dA, cache, "average")[1, 1], expected, atol=5e-9)


@pytest.mark.parametrize(
    ("size", "hparameters"),
    [((3, 3), {"stride": 1, "pad": 0}), ((2, 3), {"stride": (1, 2), "pad": ((0, 1), (2, 0))})],
)
def test_conv_backward_is_the_gradient(size, hparameters):
    """What the notebook left broken is right: pad 0, and kernels that are not square."""
    rng = np.random.default_rng(0)
    A_prev, W, b = (rng.standard_normal(s) for s in ((2, 4, 5, 2), (*size, 2, 2), (1, 1, 1, 2)))
    Z, cache = conv_forward(A_prev, W, b, hparameters)
    dZ = rng.standard_normal(Z.shape)
    gradients = conv_backward(dZ, cache)
    for i, gradient in enumerate(gradients):

        def total(value, i=i):
            arguments = [A_prev, W, b]
            arguments[i] = value
            return np.sum(conv_forward(*arguments, hparameters)[0] * dZ)

        np.testing.assert_allclose(gradient, numeric_gradient(total, cache[i]), atol=1e-8)


NO_PADS = ((0, 0), (0, 0))


def row(*pixels):
    """One image of one row, each pixel a number or a list of channels."""
    return np.array(pixels, float).reshape(1, 1, len(pixels), -1)


def test_dilation_by_hand():
    """A kernel (1, 10) dilated by 2 adds every pixel to ten times the one after the next."""
    kernel = row(1, 10).reshape(1, 2, 1, 1)
    y = conv2d(row(1, 2, 3, 4, 5), kernel, None, (1, 1), NO_PADS, (1, 2))
    assert y.ravel().tolist() == [31, 42, 53]


def test_groups_by_hand():
    """Of two groups, the first filter sees channels 0 and 1, the second 2 and 3."""
    kernel = np.array([[1, 5], [10, 50]], float).reshape(1, 1, 2, 2)
    y = conv2d(row([1, 2, 3, 4]), kernel, np.array([0.5, 0]), (1, 1), NO_PADS, groups=2)
    assert y.ravel().tolist() == [21.5, 215]


def test_depthwise_by_hand():
    """Two filters for each of two channels: what comes of channel 0 comes first."""
    kernel = np.array([[1, 2], [10, 20]], float).reshape(1, 1, 2, 2)
    y = depthwise(row([3, 4]), kernel, None, (1, 1), NO_PADS)
    assert y.ravel().tolist() == [3, 6, 40, 80]


def test_transposed_by_hand():
    """Pixels 1 and 2 each add their multiple of (1, 10, 100), two steps apart, and the bias."""
    kernel = row(1, 10, 100).reshape(1, 3, 1, 1)
    y = conv2d_transpose(row(1, 2), kernel, np.array([0.5]), (1, 5), (1, 2), NO_PADS)
    assert y.ravel().tolist() == [1.5, 10.5, 102.5, 20.5, 200.5]
    y = conv2d_transpose(row(1, 2), kernel, None, (1, 4), (1, 2), ((0, 0), (0, 1)))
    assert y.ravel().tolist() == [1, 10, 102, 20]


def test_impossible_sizes_are_explained():
    """Sizes that cannot work raise ``ShapeError`` with what was expected and what came."""
    A, W, b = np.ones((1, 3, 3, 2)), np.ones((5, 5, 2, 1)), np.ones((1, 1, 1, 1))
    with pytest.raises(ShapeError, match=r"conv_forward: expected an image of at least 5x5.*3x3"):
        conv_forward(A, W, b, {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match="expected A_prev with 3 channels"):
        conv_forward(A, np.ones((1, 1, 3, 1)), b, {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match="pool_forward: expected an image of at least 4x4"):
        pool_forward(A, {"f": 4, "stride": 1})
    with pytest.raises(ShapeError, match="expected A_prev with 4 axes"):
        pool_forward(A[0], {"f": 2, "stride": 1})
    with pytest.raises(ConfigError, match="expected hparameters with 'f' and 'stride'"):
        pool_forward(A, {"stride": 1})
    with pytest.raises(ConfigError, match="expected mode 'max' or 'average', got 'min'"):
        pool_forward(A, {"f": 2, "stride": 1}, mode="min")
    with pytest.raises(ShapeError, match=r"expected b of shape \(1, 1, 1, 1\), got \(1, 1, 1, 2\)"):
        conv_forward(A, np.ones((2, 2, 2, 1)), np.ones((1, 1, 1, 2)), {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match=r"expected W of shape \(3, 3, 3\), got \(3, 3, 1\)"):
        conv_single_step(np.ones((3, 3, 3)), np.ones((3, 3, 1)), b[0])
    with pytest.raises(ShapeError, match="zero_pad: expected X with 4 axes"):
        zero_pad(A[0], 1)
    with pytest.raises(ConfigError, match="expected the cache of pool_forward, got one of 4"):
        pool_backward(A, (A, W, b, {}))
    _, cache = conv_forward(A, np.ones((2, 2, 2, 1)), b, {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match=r"expected dZ of shape \(1, 2, 2, 1\)"):
        conv_backward(np.ones((1, 3, 3, 1)), cache)
