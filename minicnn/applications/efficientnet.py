"""EfficientNet: one network found by a search, and made larger in all directions together.

Its blocks are MobileNetV2's that also weigh their channels: each is multiplied by a number between
0 and 1 that two 1x1 convolutions make of the means of all (squeeze and excitation). B1 to B7 have
more layers, more channels and larger images, in a fixed proportion. In training whole blocks are
left out now and then. The images' preparation is part of the network, which takes 0..255.
Tan & Le (2019), https://arxiv.org/abs/1905.11946.
"""

import math
from typing import Any

from minicnn._core.settings import channels_last
from minicnn.applications.imagenet_utils import DEVIATIONS, decode_predictions
from minicnn.applications.request import Request, application, halving, rounded
from minicnn.initializers import VarianceScaling
from minicnn.layers import (
    Activation,
    Add,
    BatchNorm,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAvgPool,
    Multiply,
    Normalization,
    Rescaling,
    Reshape,
    ZeroPadding2D,
)
from minicnn.layers.symbolic import SymbolicTensor

__all__ = [*(f"EfficientNetB{i}" for i in range(8)), "decode_predictions", "preprocess_input"]

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of B0: blocks, window, strides of the first, factor of widening, channels."""

URL = "https://storage.googleapis.com/keras-applications"

DROPPED = 0.2
"""How often the last block is left out in training; those before it less often."""


@application(
    224, 32, f"{URL}/efficientnetb0",
    "902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d",
)  # fmt: skip
def EfficientNetB0(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B0 for images of 224x224, as Keras has it: 5,330,571 parameters.

    >>> EfficientNetB0(False, None, input_shape=(32, 32, 3)).output_shape
    (1, 1, 1280)
    """
    return efficientnet(x, request, width=1.0, depth=1.0, dropout=0.2)


@application(
    240, 32, f"{URL}/efficientnetb1",
    "1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432",
)  # fmt: skip
def EfficientNetB1(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B1 for images of 240x240, as Keras has it: 7,856,239 parameters."""
    return efficientnet(x, request, width=1.0, depth=1.1, dropout=0.2)


@application(
    260, 32, f"{URL}/efficientnetb2",
    "b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39",
)  # fmt: skip
def EfficientNetB2(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B2 for images of 260x260, as Keras has it: 9,177,569 parameters."""
    return efficientnet(x, request, width=1.1, depth=1.2, dropout=0.3)


@application(
    300, 32, f"{URL}/efficientnetb3",
    "ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226",
)  # fmt: skip
def EfficientNetB3(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B3 for images of 300x300, as Keras has it: 12,320,535 parameters."""
    return efficientnet(x, request, width=1.2, depth=1.4, dropout=0.3)


@application(
    380, 32, f"{URL}/efficientnetb4",
    "18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba",
)  # fmt: skip
def EfficientNetB4(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B4 for images of 380x380, as Keras has it: 19,466,823 parameters."""
    return efficientnet(x, request, width=1.4, depth=1.8, dropout=0.4)


@application(
    456, 32, f"{URL}/efficientnetb5",
    "ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f",
)  # fmt: skip
def EfficientNetB5(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B5 for images of 456x456, as Keras has it: 30,562,527 parameters."""
    return efficientnet(x, request, width=1.6, depth=2.2, dropout=0.4)


@application(
    528, 32, f"{URL}/efficientnetb6",
    "165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743",
)  # fmt: skip
def EfficientNetB6(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B6 for images of 528x528, as Keras has it: 43,265,143 parameters."""
    return efficientnet(x, request, width=1.8, depth=2.6, dropout=0.5)


@application(
    600, 32, f"{URL}/efficientnetb7",
    "8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a",
)  # fmt: skip
def EfficientNetB7(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802
    """EfficientNet-B7 for images of 600x600, as Keras has it: 66,658,687 parameters."""
    return efficientnet(x, request, width=2.0, depth=3.1, dropout=0.5)


def efficientnet(
    x: SymbolicTensor, request: Request, width: float, depth: float, dropout: float
) -> SymbolicTensor:
    """B0 with its channels and its layers multiplied by ``width`` and ``depth``."""
    x = Normalization()(Rescaling(1 / 255)(x))
    if request.imagenet:  # the published weights have learned from (x - mean) / variance
        x = Rescaling([1 / math.sqrt(deviation) for deviation in DEVIATIONS])(x)
    x = ZeroPadding2D(halving(x, 3), name="stem_conv_pad")(x)
    x = _conv(x, "stem_conv", rounded(32 * width), 3, 2, "valid")
    x = _silu(x, "stem_bn", "stem_activation")
    counts = [math.ceil(depth * blocks) for blocks, *_ in STAGES]
    done = 0
    for stage, (_, size, first, factor, filters) in enumerate(STAGES, 1):
        for i in range(counts[stage - 1]):
            dropped, strides = DROPPED * done / sum(counts), 1 if i else first
            name = f"block{stage}{chr(ord('a') + i)}_"
            x = _block(x, name, size, strides, factor, rounded(filters * width), dropped)
            done += 1
    x = _conv(x, "top_conv", rounded(1280 * width), 1)
    x = _silu(x, "top_bn", "top_activation")
    if not request.include_top:
        return request.pooled(x, named=True)
    x = Dropout(dropout, name="top_dropout")(GlobalAvgPool(name="avg_pool")(x))
    return request.predictions(x, kernel_initializer=VarianceScaling(1 / 3, "fan_out", "uniform"))


def _block(
    x: SymbolicTensor, name: str, size: int, strides: int, factor: int, filters: int, dropped: float
) -> SymbolicTensor:
    """Wide, filtered, weighed, narrow."""
    before = x.sizes[-1]
    wide, y = before * factor, x
    if factor > 1:
        y = _conv(y, f"{name}expand_conv", wide, 1)
        y = _silu(y, f"{name}expand_bn", f"{name}expand_activation")
    if strides > 1:
        y = ZeroPadding2D(halving(y, size), name=f"{name}dwconv_pad")(y)
    y = DepthwiseConv2D(
        size,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        use_bias=False,
        depthwise_initializer=VarianceScaling(2.0, "fan_out"),
        name=f"{name}dwconv",
    )(y)
    y = _silu(y, f"{name}bn", f"{name}activation")
    weights = GlobalAvgPool(name=f"{name}se_squeeze")(y)
    with channels_last():
        weights = Reshape((1, 1, wide), name=f"{name}se_reshape")(weights)
    for part, channels, activation in (
        ("reduce", max(1, before // 4), "silu"),
        ("expand", wide, "sigmoid"),
    ):
        weights = Conv2D(
            channels,
            1,
            padding="same",
            activation=activation,
            kernel_initializer=VarianceScaling(2.0, "fan_out"),
            name=f"{name}se_{part}",
        )(weights)
    y = Multiply(name=f"{name}se_excite")([y, weights])
    y = BatchNorm(name=f"{name}project_bn")(_conv(y, f"{name}project_conv", filters, 1))
    if strides > 1 or before != filters:
        return y
    if dropped:
        y = Dropout(dropped, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(y)
    return Add(name=f"{name}add")([y, x])


def _conv(
    x: SymbolicTensor, name: str, filters: int, size: int, strides: int = 1, padding: str = "same"
) -> SymbolicTensor:
    return Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=VarianceScaling(2.0, "fan_out"),
        name=name,
    )(x)


def _silu(x: SymbolicTensor, norm: str, activation: str) -> SymbolicTensor:
    return Activation("silu", name=activation)(BatchNorm(name=norm)(x))


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """x itself: EfficientNet takes images of 0..255."""
    return x
