"""MobileNetV2: residual blocks that are wide inside and narrow at their ends.

A block widens its input by a 1x1 convolution, filters each channel by a depthwise 3x3 one, and
narrows it again, without an activation that would lose what few channels hold; what is added is
narrow, so that little memory is needed. Sandler et al. (2018), https://arxiv.org/abs/1801.04381.
"""

from typing import Any

from minicnn._core.arguments import number
from minicnn._core.signatures import checked
from minicnn.activations import NameOrFunction
from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, halving, rounded
from minicnn.errors import ConfigError, shown
from minicnn.layers import (
    Add,
    BatchNorm,
    Conv2D,
    DepthwiseConv2D,
    GlobalAvgPool,
    ReLU,
    ZeroPadding2D,
)
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.model import Model

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

STAGES = ((16, 1, 1), (24, 2, 2), (32, 2, 3), (64, 2, 4), (96, 1, 3), (160, 2, 3), (320, 1, 1))
"""Filters, strides of the first block, and blocks."""

SIZES = (96, 128, 160, 192, 224)
"""The images for which there are trained weights, and the widths."""
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


@checked
def MobileNetV2(  # noqa: N802 - as in Keras
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: SymbolicTensor | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: NameOrFunction | None = "softmax",
    name: str | None = None,
) -> Model:
    """MobileNetV2, as Keras has it: 3,538,984 parameters at ``alpha=1``.

    >>> MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None).output_shape
    (1, 1, 1280)
    """
    request = Request(
        "MobileNetV2", include_top, weights, input_tensor, input_shape, pooling, classes,
        classifier_activation,
    )  # fmt: skip
    number("MobileNetV2", "alpha", alpha, above=0)
    if request.imagenet and alpha not in WIDTHS:
        raise ConfigError(
            f"MobileNetV2: expected alpha of {', '.join(map(str, WIDTHS))} with "
            f'weights="imagenet", got {shown(alpha)}.'
        )
    size = request.trained_size(SIZES, by_tensor=True)
    image = request.image(size, 32)
    x = Conv2D(
        rounded(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1"
    )(image)  # fmt: skip
    x = ReLU(max_value=6, name="Conv1_relu")(_norm(x, "bn_Conv1"))
    i = 0
    for filters, first, blocks in STAGES:
        for block in range(blocks):
            x = _block(x, i, rounded(int(filters * alpha)), 1 if block else first)
            i += 1
    x = Conv2D(rounded(1280 * max(alpha, 1.0)), 1, use_bias=False, name="Conv_1")(x)
    x = ReLU(max_value=6, name="out_relu")(_norm(x, "Conv_1_bn"))
    x = request.predictions(GlobalAvgPool()(x)) if include_top else request.pooled(x)
    file = f"mobilenet_v2_{KERNELS}_{float(alpha)}_{size}{'' if include_top else '_no_top'}.h5"
    rows = size if request.imagenet else request.shape(size, 32)[0]
    name = name or f"mobilenetv2_{alpha:0.2f}_{rows}"
    return request.model(image, x, name, f"{PUBLISHED}/mobilenet_v2/{file}", None)


def _block(x: SymbolicTensor, i: int, filters: int, strides: int) -> SymbolicTensor:
    """Wide, filtered, narrow; the first block of all is not widened."""
    name, y = f"block_{i}" if i else "expanded_conv", x
    if i:
        y = Conv2D(6 * x.sizes[-1], 1, padding="same", use_bias=False, name=f"{name}_expand")(y)
        y = ReLU(max_value=6, name=f"{name}_expand_relu")(_norm(y, f"{name}_expand_BN"))
    if strides > 1:
        y = ZeroPadding2D(halving(y, 3), name=f"{name}_pad")(y)
    y = DepthwiseConv2D(
        3,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        use_bias=False,
        name=f"{name}_depthwise",
    )(y)
    y = ReLU(max_value=6, name=f"{name}_depthwise_relu")(_norm(y, f"{name}_depthwise_BN"))
    y = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_project")(y)
    y = _norm(y, f"{name}_project_BN")
    return Add(name=f"{name}_add")([x, y]) if strides == 1 and x.sizes == y.sizes else y


def _norm(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return BatchNorm(momentum=0.999, name=name)(x)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as MobileNetV2 takes them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")
