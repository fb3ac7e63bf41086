"""Sums over many numbers, in single precision, against sums in double precision."""

import math

import numpy as np
import pytest

from minicnn import (
    SGD,
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    GlobalAvgPool,
    MaxPool,
    RandomContrast,
    Softmax,
    UpSampling2D,
    metrics,
)
from minicnn.kernels import KERNELS
from minicnn.losses import MeanSquaredError

rng = np.random.default_rng(0)
RIGHT = 1e-6


def built(layer, shape):
    """The layer, built for such a batch."""
    layer.build(shape[1:], np.random.default_rng(0), "float32")
    return layer


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 7, 9, 5), (2, 200, 131, 3), (40, 13, 13, 200)])
def test_sums_of_pixels_are_those_of_fsum(shape):
    """Of every image, and of all, whatever the number of pixels and channels."""
    x = (200 + rng.choice([-1, 1], shape)).astype("float32") * np.float32(0.1)
    for name, kernels in KERNELS.items():
        part = x if name == "vectorized" else x[:, :5, :5]
        rows = part.reshape(-1, shape[-1]).astype(float)
        exact = [math.fsum(column) for column in rows.T]
        np.testing.assert_allclose(kernels.channel_sums(part), exact, rtol=RIGHT)
        sums = kernels.image_sums(part)
        assert (sums.shape, sums.dtype) == ((shape[0], shape[-1]), part.dtype)
        exact = part.astype(float).sum(axis=(1, 2))
        np.testing.assert_allclose(sums, exact, rtol=RIGHT)


@pytest.mark.parametrize("side", [224, 1024])
@pytest.mark.parametrize(
    "layer", [GlobalAvgPool, lambda: AvgPool(1024, padding="same"), lambda: AvgPool((224, 64))]
)
def test_the_mean_of_a_grey_page_is_its_grey(side, layer):
    """A mean over a million pixels of 0.1 is 0.1."""
    x = np.full((1, side, side, 3), 0.1, "float32")
    y, _ = built(layer(), x.shape).forward(x)
    np.testing.assert_allclose(y, np.full(y.shape, x[0, 0, 0, 0]), rtol=RIGHT)


def test_batchnorm_of_large_images_with_a_small_contrast():
    """The mean of images of 200 -+ 1 is 200, and their variance 1."""
    x = (200 + rng.choice([-1, 1], (2, 700, 700, 3))).astype("float32")
    layer = built(BatchNorm(), x.shape)
    _, cache = layer.forward(x, training=True)
    np.testing.assert_allclose(cache.mean, x.mean(axis=(0, 1, 2), dtype=float), rtol=RIGHT)
    np.testing.assert_allclose(cache.variance, x.var(axis=(0, 1, 2), dtype=float), rtol=RIGHT)
    dy = np.full(x.shape, 0.1, "float32")
    _, grads = layer.backward(dy, cache)
    np.testing.assert_allclose(grads["beta"], np.full(3, dy.sum(dtype=float) / 3), rtol=RIGHT)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Conv2D(4, 3),
        lambda: Conv2D(4, 3, strides=2, padding="same"),
        lambda: Conv2D(6, 3, dilation_rate=2),
        lambda: Conv2D(6, 3, groups=3),
        lambda: Conv2DTranspose(4, 3, strides=2),
        lambda: DepthwiseConv2D(3),
        lambda: Dense(4),
    ],
)
@pytest.mark.parametrize("shape", [(1, 700, 600, 3), (150, 32, 32, 3)])
def test_the_gradient_of_a_bias_is_the_sum_of_dy(layer, shape):
    """Over every pixel of all images."""
    x = rng.random(shape, "float32")
    made = built(layer(), shape)
    y, cache = made.forward(x, training=True)
    dy = np.full(y.shape, 0.1, "float32")
    _, grads = made.backward(dy, cache)
    exact = dy.reshape(-1, y.shape[-1]).sum(axis=0, dtype=float)
    np.testing.assert_allclose(grads["bias"], exact, rtol=RIGHT)


@pytest.mark.parametrize(
    "layer", [lambda: Conv2D(4, 3), lambda: DepthwiseConv2D(2), lambda: Dense(3)]
)
def test_the_gradient_of_a_kernel_over_many_pixels(layer):
    """Products of x = 0.1 and dy = 0.1 add up to as many of them as there are places.

    How many of these BLAS adds in single precision differs between processors."""
    x = np.full((1, 1024, 700, 3), 0.1, "float32")
    made = built(layer(), x.shape)
    y, cache = made.forward(x, training=True)
    _, grads = made.backward(np.full(y.shape, 0.1, "float32"), cache)
    places = y[..., 0].size
    kernel = next(iter(grads.values()))
    exact = np.full(kernel.shape, places * float(np.float32(0.1)) ** 2)
    np.testing.assert_allclose(kernel, exact, rtol=10 * RIGHT)


@pytest.mark.parametrize("pool", [AvgPool, MaxPool])
def test_gradients_that_meet_at_a_pixel(pool):
    """Where hundreds of windows overlap, dx is the sum of their shares."""
    x = np.zeros((1, 60, 60, 2), "float32")
    x[:, 30, 30] = 1
    layer = built(pool(30, strides=1), x.shape)
    y, cache = layer.forward(x)
    dx, _ = layer.backward(np.full(y.shape, 0.1, "float32"), cache)
    _, wide = layer.forward(x.astype(float))
    exact, _ = layer.backward(np.full(y.shape, float(np.float32(0.1))), wide)
    assert dx.dtype == np.float32
    np.testing.assert_allclose(dx, exact, rtol=RIGHT)


def test_softmax_upsampling_and_contrast_over_long_axes():
    """Sums along an axis that is not the last one."""
    x = np.full((1, 3000, 4, 2), 0.1, "float32")
    y, _ = built(Softmax(axis=1), x.shape).forward(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.sum(axis=1, dtype=float), np.ones((1, 4, 2)), rtol=RIGHT)
    layer = built(UpSampling2D(60), (1, 2, 2, 1))
    dy = np.full((1, 120, 120, 1), 0.1, "float32")
    dx, _ = layer.backward(dy, layer.forward(np.zeros((1, 2, 2, 1), "float32"))[1])
    assert dx.dtype == np.float32
    np.testing.assert_allclose(dx, np.full((1, 2, 2, 1), dy.sum(dtype=float) / 4), rtol=RIGHT)
    page = np.full((1, 900, 900, 1), 0.1, "float32")
    changed = built(RandomContrast(0.5, (0, 1)), page.shape).change(page, np.array([1.5]))
    np.testing.assert_allclose(changed, page, rtol=RIGHT)


def test_the_norm_of_a_large_gradient():
    """Clipping by the global norm divides by the root of all squares, however large these are."""
    for scale in (0.1, 1e25):
        grads = {"a": np.full((1000, 1000), scale, "float32"), "b": np.full(3, scale, "float32")}
        params = {name: np.zeros_like(grad) for name, grad in grads.items()}
        SGD(1.0, global_clipnorm=1e-3).step(params, grads)
        exact = -1e-3 / math.sqrt(1000 * 1000 + 3)
        np.testing.assert_allclose(params["a"], np.full((1000, 1000), exact), rtol=RIGHT)


@pytest.mark.parametrize(
    "metric", [metrics.BinaryAccuracy(), metrics.Precision(), metrics.Recall(), metrics.AUC(3),
               metrics.F1Score("micro", 0.5), metrics.MeanSquaredError()],
)  # fmt: skip
def test_counts_beyond_those_of_single_precision(metric):
    """From 2^24 on, single precision would not count any further."""
    y, p = np.array([[1.0]]), np.array([[0.75]], "float32")
    for _ in range(3):
        metric.update_state(y, p)
        metric.set_state(
            {name: np.asarray(value) * 2**24 if isinstance(value, np.ndarray) else value * 2**24
             for name, value in metric.get_state().items()}
        )  # fmt: skip
        before = {name: np.copy(value) for name, value in metric.get_state().items()}
        metric.update_state(y, p)
        after = metric.get_state()
        assert any(np.any(after[name] != before[name]) for name in after)
        metric.reset_state()


def test_the_mean_loss_of_many_samples():
    """A loss adds up its samples in double precision."""
    y = np.zeros((300_000, 1), "float32")
    p = np.full(y.shape, 0.1, "float32")
    exact = float(np.float32(0.1)) ** 2
    assert MeanSquaredError()(y, p) == pytest.approx(exact, rel=RIGHT)
