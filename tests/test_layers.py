"""Every exported layer passes every check of ``minicnn.testing``."""

import numpy as np
import pytest

import minicnn.layers
from minicnn import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    Input,
    Layer,
    MaxPool,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Sigmoid,
    Softmax,
    SpatialDropout2D,
    Tanh,
)
from minicnn.testing import CHECKS, LayerCase

CASES = {
    "input": LayerCase(lambda: Input((3, 4, 2)), (3, 4, 2)),
    "rescaling": LayerCase(lambda: Rescaling(1 / 127.5, -1.0), (3, 4, 2)),
    "rescaling without offset": LayerCase(lambda: Rescaling(2), (3,)),
    "flatten": LayerCase(lambda: Flatten(), (3, 4, 2)),
    "conv": LayerCase(lambda: Conv2D(3, 3), (5, 6, 2)),
    "conv same, even kernel": LayerCase(lambda: Conv2D(2, 4, padding="same"), (5, 5, 2)),
    "conv 2x2 same": LayerCase(lambda: Conv2D(2, 2, padding="same"), (4, 4, 3)),
    "conv strides": LayerCase(lambda: Conv2D(2, (3, 2), strides=(2, 1)), (6, 5, 2)),
    "conv same strides": LayerCase(
        lambda: Conv2D(2, (2, 3), strides=(2, 3), padding="same"), (5, 7, 2)
    ),
    "conv stride over kernel": LayerCase(lambda: Conv2D(2, 2, strides=3), (7, 7, 1)),
    "conv explicit": LayerCase(lambda: Conv2D(2, 3, padding=((1, 0), (2, 1))), (3, 4, 2)),
    "conv padded wide": LayerCase(lambda: Conv2D(2, 2, padding=3), (2, 2, 1)),
    "conv kernel over image": LayerCase(lambda: Conv2D(2, 5, padding="same"), (2, 3, 2)),
    "conv 1x1": LayerCase(lambda: Conv2D(4, 1), (3, 3, 3)),
    "conv one pixel": LayerCase(lambda: Conv2D(4, 1, activation="relu"), (1, 1, 3)),
    "conv no bias": LayerCase(
        lambda: Conv2D(2, 2, use_bias=False, kernel_initializer="he_normal"), (3, 3, 1)
    ),
    "conv tanh": LayerCase(lambda: Conv2D(2, 2, activation="tanh"), (3, 3, 1)),
    "max pool": LayerCase(lambda: MaxPool(), (4, 6, 2)),
    "max pool same": LayerCase(lambda: MaxPool(3, padding="same"), (7, 5, 2)),
    "max pool overlapping": LayerCase(lambda: MaxPool((3, 2), strides=(1, 2)), (5, 5, 2)),
    "max pool with gaps": LayerCase(lambda: MaxPool(2, strides=3), (8, 8, 1)),
    "max pool padded": LayerCase(lambda: MaxPool(3, strides=2, padding=1), (5, 5, 2)),
    "avg pool": LayerCase(lambda: AvgPool(), (4, 6, 2)),
    "avg pool same": LayerCase(lambda: AvgPool(3, padding="same"), (7, 5, 2)),
    "avg pool overlapping": LayerCase(lambda: AvgPool((3, 2), strides=(1, 2)), (5, 5, 2)),
    "avg pool padded": LayerCase(lambda: AvgPool(3, 2, padding=((1, 1), (0, 2))), (5, 5, 2)),
    "global avg pool": LayerCase(lambda: GlobalAvgPool(), (3, 4, 5)),
    "global avg pool kept": LayerCase(lambda: GlobalAvgPool(keepdims=True), (3, 4, 5)),
    "relu": LayerCase(lambda: ReLU(), (3, 4, 2)),
    "relu 6": LayerCase(lambda: ReLU(max_value=1.0), (3, 4, 2)),
    "relu leaky": LayerCase(lambda: ReLU(negative_slope=0.2), (3, 4, 2)),
    "relu threshold": LayerCase(
        lambda: ReLU(max_value=1.5, negative_slope=0.1, threshold=0.5), (3, 4, 2)
    ),
    "sigmoid": LayerCase(lambda: Sigmoid(), (3, 2)),
    "tanh": LayerCase(lambda: Tanh(), (3, 2)),
    "softmax": LayerCase(lambda: Softmax(), (3, 4)),
    "softmax over rows": LayerCase(lambda: Softmax(axis=1), (3, 4)),
    **{
        f"activation {name}": LayerCase(lambda name=name: Activation(name), (2, 3))
        for name in ("linear", "relu", "sigmoid", "softmax", "tanh")
    },
    "dense": LayerCase(lambda: Dense(4), (5,)),
    "dense softmax": LayerCase(lambda: Dense(4, activation="softmax"), (5,)),
    "dense relu, no bias": LayerCase(lambda: Dense(3, activation="relu", use_bias=False), (4,)),
    "dense on images": LayerCase(lambda: Dense(3), (2, 3, 4)),
    "dropout": LayerCase(lambda: Dropout(0.4), (5, 3)),
    "dropout none": LayerCase(lambda: Dropout(0), (5,)),
    "dropout of rows": LayerCase(lambda: Dropout(0.4, noise_shape=(None, 1, None)), (5, 3)),
    "dropout of pixels": LayerCase(lambda: Dropout(0.4, (None, None, None, 1)), (3, 4, 2)),
    "dropout for the batch": LayerCase(lambda: Dropout(0.4, noise_shape=(1, None)), (5,)),
    "spatial dropout": LayerCase(lambda: SpatialDropout2D(0.4, seed=3), (3, 4, 5)),
    "spatial dropout none": LayerCase(lambda: SpatialDropout2D(0), (3, 4, 5)),
    "gaussian noise": LayerCase(lambda: GaussianNoise(0.3, seed=3), (3, 4)),
    "gaussian noise none": LayerCase(lambda: GaussianNoise(0), (3, 4)),
    **{
        f"random flip {mode}": LayerCase(lambda mode=mode: RandomFlip(mode), (3, 4, 2))
        for mode in ("horizontal", "vertical", "horizontal_and_vertical")
    },
    **{
        f"random {what} {fill} {how}": LayerCase(
            lambda cls=cls, args=args, fill=fill, how=how: cls(*args, fill, how, None, 0.5), shape
        )
        for what, cls, args, shape in (
            ("translation", RandomTranslation, (0.8, (0.1, 0.3)), (3, 4, 2)),
            ("rotation", RandomRotation, (0.5,), (4, 3, 2)),
            ("zoom", RandomZoom, (0.9, (-0.4, 1.0)), (3, 5, 1)),
            ("zoom alike", RandomZoom, (0.3, None), (4, 4, 4)),
        )
        for fill in ("reflect", "wrap", "constant", "nearest")
        for how in ("bilinear", "nearest")
    },
    "random rotation of a pixel": LayerCase(lambda: RandomRotation(0.3), (1, 1, 2)),
    "random contrast": LayerCase(lambda: RandomContrast(0.9, (-2.1, 2.1)), (3, 4, 2)),
    "random contrast clipped": LayerCase(lambda: RandomContrast((0.1, 0.9), (-1, 1)), (3, 4, 2)),
    "random brightness": LayerCase(lambda: RandomBrightness(0.2, (-9, 9)), (3, 4, 2)),
    "random brightness clipped": LayerCase(
        lambda: RandomBrightness((-0.1, 0.4), (-1, 1), seed=3), (3, 4, 2)
    ),
    "batch norm": LayerCase(lambda: BatchNorm(), (3, 3, 2), batch=4),
    "batch norm dense": LayerCase(lambda: BatchNorm(momentum=0.5, epsilon=1e-5), (4,), batch=5),
    "batch norm axis": LayerCase(lambda: BatchNorm(axis=1), (3, 2, 2), batch=4),
    "batch norm bare": LayerCase(lambda: BatchNorm(center=False, scale=False), (3,), batch=4),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CASES)
def test_layer_keeps_the_contract(name, check):
    """Each layer, in each of its forms, keeps each promise of the layer contract."""
    CHECKS[check](CASES[name])


def test_no_layer_is_exported_without_checks():
    """A layer that is exported and not in the table above fails this test."""
    exported = {getattr(minicnn.layers, name) for name in minicnn.layers.__all__} - {Layer}
    checked = {type(case.make()) for case in CASES.values()}
    assert exported == checked


def test_batches_of_none_and_one():
    """Batches of no image and of one image go forward and back like any other."""
    for name, case in CASES.items():
        for n in (0, 1):
            if n == 0 and "batch norm" in name:
                continue  # the mean of no image is not a number
            layer = case.built()
            x = np.ones((n, *case.input_shape))
            y, cache = case.forward(layer, x, training=True)
            assert y.shape == (n, *layer.output_shape(case.input_shape)), name
            assert layer.backward(y, cache)[0].shape == x.shape, name
