"""Windows whose pixels lie far apart: the same numbers, at the cost of image and output."""

import tracemalloc

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, Sequential
from minicnn.errors import ShapeError
from minicnn.kernels import apart
from minicnn.kernels.vectorized.workspace import LARGEST_KEPT
from minicnn.layers import (
    AvgPool,
    Conv2DTranspose,
    DepthwiseConv2D,
    MaxPool,
    SeparableConv2D,
    UpSampling2D,
)

rng = np.random.default_rng(0)


def there_and_back(make, shape):
    """The output, dx and the gradients of a layer with always the same numbers."""
    layer = make()
    layer.build(shape, np.random.default_rng(1), "float64")
    y, cache = layer.forward(np.random.default_rng(2).standard_normal((2, *shape)))
    dx, grads = layer.backward(np.random.default_rng(3).standard_normal(y.shape), cache)
    return [y, dx, *grads.values()]


PADDINGS = ["valid", "same", 2, ((1, 2), (0, 3))]
KINDS = {
    "Conv2D": lambda **given: Conv2D(4, **given),
    "groups": lambda **given: Conv2D(4, groups=2, **given),
    "DepthwiseConv2D": lambda **given: DepthwiseConv2D(depth_multiplier=2, **given),
    "SeparableConv2D": lambda **given: SeparableConv2D(3, **given),
    "Conv2DTranspose": lambda **given: Conv2DTranspose(3, **given),
}


@pytest.mark.parametrize("kind", KINDS)
def test_laid_side_by_side_or_not_the_numbers_are_the_same(kind, monkeypatch):
    """Forward and backward of random windows agree with those that move over the padded image."""
    compared = 0
    for _ in range(40):
        size, strides, dilation = (tuple(map(int, rng.integers(1, 5, 2))) for _ in range(3))
        strides, dilation = ((strides, (1, 1)), ((1, 1), dilation))[rng.integers(2)]
        padding = PADDINGS[rng.integers(2 if kind == "Conv2DTranspose" else 4)]
        shape = (*map(int, rng.integers(1, 9, 2)), 2)
        found = []
        for far in (False, True):
            monkeypatch.setattr(apart, "far", lambda *_, far=far: far)
            given = {"kernel_size": size, "strides": strides, "padding": padding}
            try:
                make = lambda: KINDS[kind](**given, dilation_rate=dilation)  # noqa: B023, E731
                found.append(there_and_back(make, shape))
            except ShapeError:
                break
        if len(found) == 2:
            compared += 1
            for one, other in zip(*found, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    assert compared > 10


CHEAP = {
    "one pixel, dilation": Conv2D(4, 1, dilation_rate=2**40),
    "one column, dilation": Conv2D(4, (1, 3), padding="same", dilation_rate=(2**40, 2)),
    "dilation": Conv2D(4, 3, padding="same", dilation_rate=3000),
    "dilation, depthwise": DepthwiseConv2D(3, padding="same", dilation_rate=3000),
    "dilation, separable": SeparableConv2D(4, 2, padding="same", dilation_rate=3000),
    "dilation, transposed": Conv2DTranspose(4, 3, padding="same", dilation_rate=3000),
    "strides": Conv2D(4, 3, strides=2**60, padding="same"),
    "strides and padding": Conv2D(4, 3, strides=8000, padding=7000, activation="relu"),
    "strides, depthwise": DepthwiseConv2D(3, strides=2**60, padding="same"),
    "maximum": MaxPool(15_000, padding="same"),
    "maximum, step by step": MaxPool(15_000, strides=1, padding="same"),
    "mean": AvgPool(15_000, padding="same"),
    "mean, step by step": AvgPool(15_000, strides=1, padding="same"),
    "strides of pooling": MaxPool(2, strides=2**60),
}


@pytest.mark.parametrize("what", CHEAP)
def test_what_a_window_claims_costs_nothing(what):
    """An image of 8x8 takes a few MB beside the workspace, however far a window reaches."""
    layer = CHEAP[what]
    model = Sequential([Input((8, 8, 3)), layer], seed=0)
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 3))
    tracemalloc.start()
    model.predict(x)
    y, caches = model.forward(x, training=True)
    model.backward(y, caches)
    assert tracemalloc.get_traced_memory()[1] < LARGEST_KEPT + (4 << 20)
    tracemalloc.stop()


def test_far_dilation_by_hand():
    """With "same", the middle of a kernel of 3 x 3 is all that an image meets; of 2 x 2 nothing."""
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 3))
    for size, seen in ((3, True), (2, False)):
        layer = Conv2D(4, size, padding="same", dilation_rate=3000)
        layer.build((8, 8, 3), np.random.default_rng(1), "float64")
        wanted = x @ layer.params["kernel"][1, 1] * seen
        np.testing.assert_allclose(layer.forward(x)[0], wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("strides", [None, 1, 3])
def test_a_pool_larger_than_the_image(strides):
    """Its margin is left out; the numbers are those of the whole window, met pixel by pixel."""
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 2))
    image = np.full((2, 5 + 60, 6 + 60, 2), np.nan)
    for kind, reduce in ((MaxPool, np.nanmax), (AvgPool, np.nanmean)):
        layer = kind(21, strides=strides, padding="same")
        layer.build((5, 6, 2), np.random.default_rng(1), "float64")
        s = strides or 21
        (oh, ow), image[:, 30:35, 30:36] = layer.output_shape((5, 6, 2))[:2], x
        top, left = (30 - max((out - 1) * s + 21 - n, 0) // 2 for out, n in ((oh, 5), (ow, 6)))
        wanted = [
            [
                reduce(image[:, top + i * s :][:, :21, left + j * s :][:, :, :21], axis=(1, 2))
                for j in range(ow)
            ]
            for i in range(oh)
        ]
        wanted = np.moveaxis(np.array(wanted), 2, 0)
        np.testing.assert_allclose(layer.forward(x)[0], wanted, rtol=1e-12)


def test_padding_out_of_proportion_is_refused():
    """Pixels of padding that a pool would go through, and that are a million times the image's."""
    with pytest.raises(ShapeError, match="expected padding in proportion to the image"):
        Sequential([Input((8, 8, 3)), MaxPool(8000, strides=1, padding=7999)])


def test_a_long_image_is_enlarged():
    """What "bilinear" takes goes with the image and not with the square of its height."""
    model = Sequential([Input((2**16, 1, 1)), UpSampling2D(2, "bilinear"), Flatten(), Dense(1)])
    assert model.predict(np.ones((1, 2**16, 1, 1))).shape == (1, 1)
