"""Layer normalization, reshaping, padding, cropping, upsampling and global maxima, by hand."""

import numpy as np
import pytest

from minicnn import (
    ELU,
    Activation,
    Cropping2D,
    GlobalMaxPool,
    LayerNorm,
    LeakyReLU,
    Permute,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers import GELU, SiLU, Softplus


def test_layer_norm_by_loops():
    """Each image is normalized by itself over the axes, gamma and beta in their order."""
    layer = LayerNorm(axis=(3, 1), epsilon=0.1)
    layer.build((2, 3, 4), np.random.default_rng(0), "float64")
    assert layer.params["gamma"].shape == layer.params["beta"].shape == (2, 4)
    rng = np.random.default_rng(1)
    layer.params = {"gamma": rng.standard_normal((2, 4)), "beta": rng.standard_normal((2, 4))}
    x = rng.standard_normal((5, 2, 3, 4))
    y, _ = layer.forward(x)
    for n in range(5):
        for w in range(3):
            part = x[n, :, w, :]
            x_hat = (part - part.mean()) / np.sqrt(part.var() + 0.1)
            expected = x_hat * layer.params["gamma"] + layer.params["beta"]
            np.testing.assert_allclose(y[n, :, w, :], expected)


def test_layer_norm_of_large_numbers():
    """Numbers of 10,000 that hardly differ stay finite in single precision."""
    layer = LayerNorm()
    layer.build((4,), np.random.default_rng(0), "float32")
    x = np.array([[1e4, 1e4, 1e4, 1e4], [-1e4, 1e4, -1e4, 1e4]], "float32")
    y, cache = layer.forward(x)
    np.testing.assert_allclose(y, [[0, 0, 0, 0], [-1, 1, -1, 1]], atol=1e-6)
    assert np.isfinite(layer.backward(y, cache)[0]).all()


def test_layer_norm_says_what_is_wrong_with_its_axes():
    """Axes that are none, the batch's, twice the same or not there are refused."""
    with pytest.raises(ConfigError, match="one or several axes, got \\(\\)"):
        LayerNorm(axis=())
    with pytest.raises(ConfigError, match="other than 0, the batch"):
        LayerNorm(axis=(0, 1))
    with pytest.raises(ConfigError, match="without repetition, got \\(-1, 2\\)"):
        LayerNorm(axis=(-1, 2)).output_shape((3, 4))
    with pytest.raises(ShapeError, match="input with an axis 3"):
        LayerNorm(axis=(1, 3)).output_shape((3, 4))
    with pytest.raises(ConfigError, match="expected a built layer"):
        LayerNorm().forward(np.ones((2, 3)))


def test_reshape_keeps_the_order_of_the_numbers():
    """The numbers of an image stay in row-major order, and -1 is what is left over."""
    x = np.arange(24.0).reshape(2, 3, 4)
    y, _ = Reshape((2, -1)).forward(x)
    assert y[1].tolist() == [[12, 13, 14, 15, 16, 17], [18, 19, 20, 21, 22, 23]]


@pytest.mark.parametrize("shape", [(2, -1, -1), (0, 3), (2, -3), 12, (2.0, 6)])
def test_reshape_refuses_shapes_that_are_none(shape):
    """A target shape of other things than sizes and one -1 is refused."""
    with pytest.raises(ConfigError, match="expected target_shape as a tuple of whole numbers"):
        Reshape(shape)


@pytest.mark.parametrize("shape", [(5, 2), (5, -1), (24,)])
def test_reshape_says_when_the_numbers_do_not_fill_the_shape(shape):
    """An input with more or fewer numbers than the shape takes is a ShapeError."""
    with pytest.raises(ShapeError, match=r"got \(3, 4\), which is 12 numbers"):
        Reshape(shape).output_shape((3, 4))


def test_permute_counts_from_one():
    """Axis i of the output is axis dims[i] of the input, the batch aside."""
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    y, _ = Permute((3, 1, 2)).forward(x)
    assert y.shape == (1, 4, 2, 3)
    assert y[0, 3, 1, 2] == x[0, 1, 2, 3]
    assert y[0, 2, 0, 1] == x[0, 0, 1, 2]


@pytest.mark.parametrize("dims", [(0, 1), (1, 3), (1, 1), 2, (2, 1, 1), (2.0, 1), [[1]]])
def test_permute_refuses_what_is_no_order(dims):
    """dims that do not name each axis from 1 on once are refused."""
    with pytest.raises(ConfigError, match="expected dims as a tuple of the numbers from 1 on"):
        Permute(dims)


@pytest.mark.parametrize(
    ("value", "sides"),
    [(1, (1, 1, 1, 1)), ((1, 2), (1, 1, 2, 2)), (((1, 0), (2, 3)), (1, 0, 2, 3))],
)
def test_the_three_forms_of_padding_and_cropping(value, sides):
    """A number, a pair and two pairs say how much goes on at, or comes off, the four sides."""
    top, bottom, left, right = sides
    x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    y, _ = ZeroPadding2D(value).forward(x)
    assert y.shape == (1, top + 2 + bottom, left + 3 + right, 1)
    assert y.sum() == x.sum()
    np.testing.assert_array_equal(y[:, top : top + 2, left : left + 3], x)
    np.testing.assert_array_equal(Cropping2D(value).forward(y)[0], x)


def test_what_is_no_padding_or_cropping_is_refused():
    """Negative, broken or too many numbers are refused, and so is cutting off all there is."""
    for value in (-1, (1, 2, 3), (1.5, 1), "12", ((1, 2), (3,))):
        with pytest.raises(ConfigError, match="expected padding as a number of pixels"):
            ZeroPadding2D(value)
        with pytest.raises(ConfigError, match="expected cropping as a number of pixels"):
            Cropping2D(value)
    with pytest.raises(ShapeError, match="2 rows and 4 columns to cut off, got 3x4"):
        Cropping2D((1, 2)).output_shape((3, 4, 1))
    with pytest.raises(ShapeError, match="4 rows and 0 columns to cut off, got 4x3"):
        Cropping2D((2, 0)).output_shape((4, 3, 1))


def test_nearest_upsampling_repeats_pixels():
    """With "nearest" every pixel becomes a block, and the block's gradients add up."""
    x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    layer = UpSampling2D((2, 3))
    y, cache = layer.forward(x)
    assert y[0, :, :, 0].tolist() == [[1, 1, 1, 2, 2, 2]] * 2 + [[3, 3, 3, 4, 4, 4]] * 2
    assert layer.backward(np.ones_like(y), cache)[0].ravel().tolist() == [6, 6, 6, 6]


def test_bilinear_upsampling_by_loops():
    """With "bilinear" each pixel is the mean of the four around it, by their nearness."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    y, _ = UpSampling2D((3, 2), interpolation="bilinear").forward(x)
    for i, j in np.ndindex(9, 8):
        u, v = (i + 0.5) / 3 - 0.5, (j + 0.5) / 2 - 0.5
        expected = np.zeros((2, 2))
        for h in range(-1, 4):
            for w in range(-1, 5):
                weight = max(0, 1 - abs(u - h)) * max(0, 1 - abs(v - w))
                expected += weight * x[:, min(max(h, 0), 2), min(max(w, 0), 3)]
        np.testing.assert_allclose(y[:, i, j], expected)


def test_upsampling_refuses_other_interpolations():
    """Keras' other interpolations are refused by name."""
    with pytest.raises(ConfigError, match="'nearest' or 'bilinear', got 'bicubic'"):
        UpSampling2D(interpolation="bicubic")


def test_the_first_of_equal_maxima_takes_the_gradient():
    """Ties give the first pixel in row-major order all of the gradient; NaN goes through."""
    x = np.array([[[1.0], [7.0]], [[7.0], [7.0]]])[None]
    layer = GlobalMaxPool()
    y, cache = layer.forward(x)
    assert y.tolist() == [[7]]
    assert layer.backward(np.array([[5.0]]), cache)[0].ravel().tolist() == [0, 5, 0, 0]
    assert np.isnan(layer.forward(np.where(x == 1, np.nan, x))[0]).all()


def test_slopes_and_alphas_below_zero_are_refused():
    """A negative slope or alpha, which would hide the sign of x, is refused."""
    with pytest.raises(ConfigError, match="negative_slope as a number, 0 or more"):
        LeakyReLU(-0.1)
    with pytest.raises(ConfigError, match="alpha as a number, 0 or more"):
        ELU(-1)


@pytest.mark.parametrize("layer", [GELU(), SiLU(), Softplus()], ids=repr)
def test_named_layers_are_keras_activations(layer):
    """Keras has no layers of these names, so files hold an Activation that does the same."""
    assert layer.keras_name == "Activation"
    again = Activation(layer.keras_config()["activation"])
    x = np.linspace(-4, 4, 9).reshape(3, 3)
    np.testing.assert_array_equal(again.forward(x)[0], layer.forward(x)[0])
