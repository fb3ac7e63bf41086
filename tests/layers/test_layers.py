"""Every exported layer passes every check of ``minicnn.testing``."""

import numpy as np
import pytest

import minicnn.layers
from minicnn import (
    ELU,
    GELU,
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool,
    Permute,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)
from minicnn.activations import ACTIVATIONS, silu
from minicnn.errors import ConfigError, ShapeError
from minicnn.initializers import left_unset
from minicnn.layers.building import walk
from minicnn.models.fusing import FusedConv, fused
from minicnn.models.saved import adopt
from minicnn.testing import CHECKS, LayerCase

CASES = {
    "input": LayerCase(lambda: Input((3, 4, 2)), (3, 4, 2)),
    "rescaling": LayerCase(lambda: Rescaling(1 / 127.5, -1.0), (3, 4, 2)),
    "rescaling without offset": LayerCase(lambda: Rescaling(2), (3,)),
    "flatten": LayerCase(lambda: Flatten(), (3, 4, 2)),
    "reshape": LayerCase(lambda: Reshape((2, 12)), (3, 4, 2)),
    "reshape with a free axis": LayerCase(lambda: Reshape((4, -1, 2)), (24,)),
    "permute": LayerCase(lambda: Permute((3, 1, 2)), (3, 4, 2)),
    "permute two": LayerCase(lambda: Permute((2, 1)), (3, 4)),
    "zero padding": LayerCase(lambda: ZeroPadding2D(), (3, 4, 2)),
    "zero padding, one number": LayerCase(lambda: ZeroPadding2D(2), (2, 3, 2)),
    "zero padding, a pair": LayerCase(lambda: ZeroPadding2D((0, 2)), (2, 3, 2)),
    "zero padding, four sides": LayerCase(lambda: ZeroPadding2D(((1, 0), (2, 3))), (2, 3, 2)),
    "cropping none": LayerCase(lambda: Cropping2D(), (3, 4, 2)),
    "cropping, one number": LayerCase(lambda: Cropping2D(1), (3, 4, 2)),
    "cropping, a pair": LayerCase(lambda: Cropping2D((0, 1)), (3, 4, 2)),
    "cropping, four sides": LayerCase(lambda: Cropping2D(((1, 0), (1, 2))), (3, 4, 2)),
    "upsampling": LayerCase(lambda: UpSampling2D(), (3, 4, 2)),
    "upsampling, two factors": LayerCase(lambda: UpSampling2D((1, 3)), (3, 2, 2)),
    "upsampling bilinear": LayerCase(lambda: UpSampling2D(interpolation="bilinear"), (3, 4, 2)),
    "upsampling bilinear, two factors": LayerCase(
        lambda: UpSampling2D((3, 1), interpolation="bilinear"), (2, 3, 2)
    ),
    "upsampling bilinear, one pixel": LayerCase(
        lambda: UpSampling2D(2, interpolation="bilinear"), (1, 1, 2)
    ),
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
    "conv gelu": LayerCase(lambda: Conv2D(2, 2, activation="gelu"), (3, 3, 1)),
    "conv tanh": LayerCase(lambda: Conv2D(2, 2, activation="tanh"), (3, 3, 1)),
    "conv dilated": LayerCase(lambda: Conv2D(2, (2, 3), dilation_rate=(3, 2)), (6, 7, 2)),
    "conv dilated same": LayerCase(
        lambda: Conv2D(2, 3, padding="same", dilation_rate=2, use_bias=False), (4, 5, 2)
    ),
    "conv dilated explicit": LayerCase(
        lambda: Conv2D(2, 2, padding=((1, 3), (0, 2)), dilation_rate=(1, 3)), (2, 3, 1)
    ),
    "conv groups": LayerCase(lambda: Conv2D(4, 3, groups=2), (4, 5, 6)),
    "conv many groups": LayerCase(
        lambda: Conv2D(6, 2, strides=2, padding="same", groups=6, activation="tanh"), (4, 3, 12)
    ),
    "conv groups of one": LayerCase(lambda: Conv2D(6, 2, groups=3, use_bias=False), (3, 3, 3)),
    "conv groups dilated": LayerCase(
        lambda: Conv2D(4, 2, padding="same", dilation_rate=2, groups=2), (4, 4, 4)
    ),
    "depthwise": LayerCase(lambda: DepthwiseConv2D(3), (4, 5, 2)),
    "depthwise same strides": LayerCase(
        lambda: DepthwiseConv2D((3, 2), strides=(2, 3), padding="same"), (5, 6, 2)
    ),
    "depthwise multiplied": LayerCase(
        lambda: DepthwiseConv2D(2, depth_multiplier=3, activation="tanh"), (3, 3, 2)
    ),
    "depthwise dilated": LayerCase(
        lambda: DepthwiseConv2D(2, padding="same", dilation_rate=(2, 1), use_bias=False), (4, 4, 2)
    ),
    "depthwise dilated strides": LayerCase(
        lambda: DepthwiseConv2D(3, strides=2, padding=2, depth_multiplier=2, dilation_rate=2),
        (5, 4, 2),
    ),
    "separable": LayerCase(lambda: SeparableConv2D(3, 2), (4, 4, 2)),
    "separable in full": LayerCase(
        lambda: SeparableConv2D(
            3, (2, 3), strides=2, padding="same", depth_multiplier=2, activation="tanh"
        ),
        (5, 4, 2),
    ),
    "separable no bias": LayerCase(
        lambda: SeparableConv2D(2, 2, dilation_rate=2, use_bias=False), (4, 4, 2)
    ),
    "transpose": LayerCase(lambda: Conv2DTranspose(2, 3), (3, 4, 2)),
    "transpose same strides": LayerCase(
        lambda: Conv2DTranspose(2, (4, 3), strides=2, padding="same", activation="tanh"), (3, 2, 2)
    ),
    "transpose stride over kernel": LayerCase(
        lambda: Conv2DTranspose(2, 2, strides=3, use_bias=False), (2, 3, 2)
    ),
    "transpose same stride over kernel": LayerCase(
        lambda: Conv2DTranspose(2, 2, strides=3, padding="same"), (2, 3, 2)
    ),
    "transpose output padding": LayerCase(
        lambda: Conv2DTranspose(1, 3, strides=(2, 3), output_padding=(0, 2)), (2, 3, 2)
    ),
    "transpose same output padding": LayerCase(
        lambda: Conv2DTranspose(1, (3, 2), strides=2, padding="same", output_padding=(0, 1)),
        (2, 3, 2),
    ),
    "transpose dilated": LayerCase(
        lambda: Conv2DTranspose(2, (2, 3), padding="same", dilation_rate=2), (3, 4, 2)
    ),
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
    "residual": LayerCase(
        lambda: Residual([Conv2D(2, 3, padding="same", activation="tanh"), Conv2D(2, 1)]), (4, 3, 2)
    ),
    "residual with shortcut": LayerCase(
        lambda: Residual(
            [
                Conv2D(3, 3, strides=2, padding="same", use_bias=False),
                BatchNorm(),
                Activation("tanh"),
            ],
            [Conv2D(3, 1, strides=2), BatchNorm(momentum=0.5)],
        ),
        (4, 5, 2),
        batch=4,
    ),
    "residual within residual": LayerCase(
        lambda: Residual([Residual([Dense(3), Dropout(0.3)]), Dense(3)]), (3,)
    ),
    "residual without arrays": LayerCase(lambda: Residual([Activation("tanh")], []), (3,)),
    "global max pool": LayerCase(lambda: GlobalMaxPool(), (3, 4, 5)),
    "global max pool kept": LayerCase(lambda: GlobalMaxPool(keepdims=True), (3, 4, 5)),
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
        for name in ACTIVATIONS
    },
    "gelu": LayerCase(lambda: GELU(), (3, 2)),
    "silu": LayerCase(lambda: SiLU(), (3, 2)),
    "softplus": LayerCase(lambda: Softplus(), (3, 2)),
    "leaky relu": LayerCase(lambda: LeakyReLU(), (3, 2)),
    "leaky relu, other slope": LayerCase(lambda: LeakyReLU(negative_slope=0), (3, 2)),
    "elu": LayerCase(lambda: ELU(), (3, 2)),
    "elu alpha": LayerCase(lambda: ELU(alpha=1.7), (3, 2)),
    "dense": LayerCase(lambda: Dense(4), (5,)),
    "dense softmax": LayerCase(lambda: Dense(4, activation="softmax"), (5,)),
    "dense relu, no bias": LayerCase(lambda: Dense(3, activation="relu", use_bias=False), (4,)),
    "dense silu": LayerCase(lambda: Dense(3, activation=silu), (4,)),
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
    "layer norm": LayerCase(lambda: LayerNorm(), (3, 2, 4)),
    "layer norm dense": LayerCase(lambda: LayerNorm(epsilon=1e-5), (4,)),
    "layer norm axis": LayerCase(lambda: LayerNorm(axis=1), (3, 2, 2)),
    "layer norm axes": LayerCase(lambda: LayerNorm(axis=(3, 1)), (3, 2, 2)),
    "layer norm of images": LayerCase(lambda: LayerNorm(axis=(-3, -2, -1)), (3, 2, 2)),
    "layer norm without gamma": LayerCase(lambda: LayerNorm(scale=False), (3,)),
    "layer norm bare": LayerCase(lambda: LayerNorm(center=False, scale=False), (2, 3)),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CASES)
def test_layer_keeps_the_contract(name, check):
    """Each layer, in each of its forms, keeps each promise of the layer contract."""
    CHECKS[check](CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_layer_can_be_built_without_memory(name):
    """Built with its arrays left unset, a layer has the same ones, which take no memory."""
    made, unset = CASES[name].make(), CASES[name].make()
    made.build(CASES[name].input_shape, np.random.default_rng(0), "float32")
    with left_unset():
        unset.build(CASES[name].input_shape, np.random.default_rng(0), "float32")
    known = {key: (array.shape, array.dtype) for key, array in made.arrays().items()}
    assert {key: (array.shape, array.dtype) for key, array in unset.arrays().items()} == known
    assert not any(any(array.strides) for array in unset.arrays().values())
    adopt(unset, made.weights)
    for array, other in zip(unset.weights, made.weights, strict=True):
        np.testing.assert_array_equal(array, other)
        assert array.flags.writeable


def test_no_layer_is_exported_without_checks():
    """A layer that is exported and not in the table above fails this test."""
    exported = {getattr(minicnn.layers, name) for name in minicnn.layers.__all__} - {Layer}
    checked = {type(case.make()) for case in CASES.values()}
    assert exported == checked


def test_batches_of_none_and_one():
    """Batches of no image and of one image go forward and back like any other."""
    for name, case in CASES.items():
        for n in (0, 1):
            if n == 0 and any(isinstance(part, BatchNorm) for part in walk([case.make()])):
                continue  # the mean of no image is not a number
            layer = case.built()
            x = np.ones((n, *case.input_shape))
            y, cache = case.forward(layer, x, training=True)
            assert y.shape == (n, *layer.output_shape(case.input_shape)), name
            assert layer.backward(y, cache)[0].shape == x.shape, name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2D(4, 3, strides=2, dilation_rate=(1, 2)), "strides or dilation_rate to be 1"),
        (lambda: Conv2D(4, 3, dilation_rate=0), "dilation_rate as one whole number of at least 1"),
        (lambda: Conv2D(4, 3, groups=3), "filters that fall into 3 equal groups, got 4"),
        (lambda: Conv2D(4, 3, groups=0), "groups as a whole number of at least 1, got 0"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier as a whole number"),
        (lambda: DepthwiseConv2D(3, depthwise_initializer="he"), "expected depthwise_initializer"),
        (lambda: SeparableConv2D(0, 3), "filters as a whole number of at least 1, got 0"),
        (lambda: SeparableConv2D(3, 3, depth_multiplier=True), "depth_multiplier as a whole"),
        (lambda: SeparableConv2D(3, 3, pointwise_regularizer="l3"), "pointwise_regularizer"),
        (lambda: Conv2DTranspose(3, 3, padding=1), "padding 'valid' or 'same', got 1"),
        (lambda: Conv2DTranspose(3, 3, strides=2, dilation_rate=2), "to be 1, got strides 2"),
        (lambda: Conv2DTranspose(3, 3, 2, output_padding=2), r"below the strides \(2, 2\), got 2"),
        (lambda: Conv2DTranspose(3, 2, 2, "same", 0), "above 0 for even kernels, got 0"),
    ],
)
def test_arguments_of_convolutions_that_make_no_sense(make, message):
    """What no convolution can do is refused when the layer is made, naming the argument."""
    with pytest.raises(ConfigError, match=message):
        make()


def test_channels_must_fall_into_groups():
    """Five channels do not make two groups, and the reach of a dilated kernel must fit."""
    with pytest.raises(ShapeError, match=r"2 equal groups, got input of shape \(N, 4, 4, 5\)"):
        Conv2D(4, 3, groups=2).output_shape((4, 4, 5))
    with pytest.raises(ShapeError, match="an image of at least 7x4 pixels"):
        Conv2D(4, (3, 2), dilation_rate=3).output_shape((6, 6, 1))


def test_multiply_adds_are_counted():
    """Each layer's work is that of its kernel, at every place where it goes."""
    for layer, work in (
        (Conv2D(8, 3), 6 * 6 * 8 * 9 * 4),
        (Conv2D(8, 3, dilation_rate=2, groups=2), 4 * 4 * 8 * 9 * 2),
        (DepthwiseConv2D(3, depth_multiplier=2), 6 * 6 * 8 * 9),
        (SeparableConv2D(5, 3), 6 * 6 * 4 * 9 + 6 * 6 * 4 * 5),
        (Conv2DTranspose(5, 3, strides=2), 8 * 8 * 4 * 5 * 9),
    ):
        assert layer.multiply_adds((8, 8, 4)) == work, layer


def test_regularizers_go_with_their_arrays():
    """A regularizer belongs to the array that its argument names; one for no bias to none."""
    for make, held in (
        (lambda: DepthwiseConv2D(2, depthwise_regularizer="l2"), ["kernel"]),
        (lambda: DepthwiseConv2D(2, use_bias=False, bias_regularizer="l2"), []),
        (lambda: SeparableConv2D(2, 2, depthwise_regularizer="l1"), ["depthwise_kernel"]),
        (lambda: SeparableConv2D(2, 2, pointwise_regularizer="l1"), ["pointwise_kernel"]),
        (lambda: Conv2DTranspose(2, 2, bias_regularizer="l1"), ["bias"]),
    ):
        assert list(LayerCase(make, (4, 4, 2)).built().regularizers()) == held


def test_only_plain_convolutions_are_fused():
    """A convolution with groups or dilation is computed by itself."""
    for conv, alone in (
        (Conv2D(4, 2), False),
        (Conv2D(4, 2, groups=2), True),
        (Conv2D(4, 2, dilation_rate=(1, 2)), True),
    ):
        conv.build((4, 4, 2), np.random.default_rng(0), "float32")
        assert [type(step) for step in fused([conv, ReLU()])] == (
            [Conv2D, ReLU] if alone else [FusedConv]
        )


def test_arrays_of_a_residual_are_in_keras_order():
    """A layer's moving statistics stand beside its parameters, as in Keras' nested layers."""
    layer = LayerCase(
        lambda: Residual([BatchNorm(), Residual([Dense(2)])], [BatchNorm(scale=False)]), (2,)
    ).built()
    assert list(layer.arrays()) == [
        *(f"batch_normalization.{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")),
        "residual.dense.kernel",
        "residual.dense.bias",
        *(f"batch_normalization_1.{name}" for name in ("beta", "moving_mean", "moving_variance")),
    ]
