"""Every exported layer passes every check of ``minicnn.testing``."""

import numpy as np
import pytest

from minicnn import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Input,
    InputLayer,
    ReLU,
    Residual,
    SeparableConv2D,
    Sequential,
)
from minicnn.errors import ConfigError, ShapeError
from minicnn.initializers import left_unset
from minicnn.layers import Layer
from minicnn.layers.building import walk
from minicnn.models.fusing import FusedConv, fused
from minicnn.models.saved import adopt
from minicnn.testing import CHECKS, LayerCase
from minicnn.testing.cases import LAYERS, MERGING
from minicnn.testing.comparing import mapped


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", LAYERS + MERGING, ids=repr)
def test_layer_keeps_the_contract(case, check):
    """Each layer, in each of its forms, keeps each promise of the layer contract."""
    CHECKS[check](case)


@pytest.mark.parametrize("case", LAYERS + MERGING, ids=repr)
def test_a_layer_can_be_built_without_memory(case):
    """Built with its arrays left unset, a layer has the same ones, which take no memory."""
    made, unset = case.make(), case.make()
    made.build(case.input_shape, np.random.default_rng(0), "float32")
    with left_unset():
        unset.build(case.input_shape, np.random.default_rng(0), "float32")
    known = {key: (array.shape, array.dtype) for key, array in made.arrays().items()}
    assert {key: (array.shape, array.dtype) for key, array in unset.arrays().items()} == known
    assert not any(any(array.strides) for array in unset.arrays().values())
    adopt(unset, made.weights)
    for array, other in zip(unset.weights, made.weights, strict=True):
        np.testing.assert_array_equal(array, other)
        assert array.flags.writeable


def test_a_call_of_tensors_is_answered():
    """Layers that are written as in Keras say which methods take the place of call."""

    class Scaled(Layer):
        def __init__(self, **options):
            super().__init__(**options)

        def call(self, x):
            return 2 * x

    class Both(Scaled):
        def forward(self, x, *, training=False, rng=None):
            return 2 * x, None

    with pytest.raises(ConfigError, match=r"Scaled: its call .* Define forward\(x\) and backward"):
        Scaled()
    assert Both().forward(np.ones(2))[0].tolist() == [2, 2]


def test_batches_of_none_and_one():
    """Batches of no image and of one image go forward and back like any other."""
    for case in LAYERS + MERGING:
        for n in (0, 1):
            if n == 0 and any(isinstance(part, BatchNorm) for part in walk([case.make()])):
                continue  # the mean of no image is not a number
            layer = case.built()
            x = mapped(lambda a, n=n: a[:n], case.x())
            y, cache = case.forward(layer, x, training=True)
            assert y.shape == (n, *layer.output_shape(case.input_shape)), case
            assert mapped(np.shape, layer.backward(y, cache)[0]) == mapped(np.shape, x), case


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
        model = Sequential([Input((4, 4, 2)), conv, ReLU()], kernels="vectorized")
        planned = fused(model.graph())
        assert [type(node.layer) for node in planned.nodes] == (
            [InputLayer, Conv2D, ReLU] if alone else [FusedConv]
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
