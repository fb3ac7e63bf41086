"""MobileNet: convolutions in two steps, for telephones.

A depthwise 3x3 convolution filters each channel by itself, a 1x1 one mixes the channels: eight to
nine times fewer multiplications than a 3x3 convolution of all. ``alpha`` makes all layers narrower.
Howard et al. (2017), https://arxiv.org/abs/1704.04861.

Called, the module is our small network of that name: ``mobilenet((32, 32, 3), 10)``.
"""

import sys
from typing import Any

from minicnn._core.arguments import number, whole_number
from minicnn._core.signatures import checked
from minicnn.activations import NameOrFunction
from minicnn.applications import imagenet_utils
from minicnn.applications.both import NetworkModule
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import PUBLISHED, Request
from minicnn.errors import ConfigError, shown
from minicnn.layers import (
    Activation,
    BatchNorm,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAvgPool,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.model import Model

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

sys.modules[__name__].__class__ = NetworkModule

BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""Filters and strides of each pair of convolutions."""

SIZES = (128, 160, 192, 224)
"""The images for which there are trained weights, and the widths, as Keras' files spell them."""
WIDTHS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}


@checked
def MobileNet(  # noqa: N802 - as in Keras
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: SymbolicTensor | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: NameOrFunction | None = "softmax",
    name: str | None = None,
) -> Model:
    """MobileNet, as Keras has it: 4,253,864 parameters at ``alpha=1``.

    >>> MobileNet((32, 32, 3), alpha=0.25, include_top=False, weights=None).output_shape
    (1, 1, 256)
    """
    request = Request(
        "MobileNet", include_top, weights, input_tensor, input_shape, pooling, classes,
        classifier_activation,
    )  # fmt: skip
    number("MobileNet", "alpha", alpha, above=0)
    whole_number("MobileNet", "depth_multiplier", depth_multiplier)
    if request.imagenet and (alpha not in WIDTHS or depth_multiplier != 1):
        raise ConfigError(
            f"MobileNet: expected alpha of {', '.join(map(str, WIDTHS))} and depth_multiplier=1 "
            f'with weights="imagenet", got {shown(alpha)} and {depth_multiplier}.'
        )
    size = request.trained_size(SIZES)
    image = request.image(size, 32)
    x = Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(image)
    x = _relu(x, "conv1")
    for i, (filters, strides) in enumerate(BLOCKS, 1):
        x = _block(x, i, int(filters * alpha), strides, depth_multiplier)
    if include_top:
        x = Dropout(dropout, name="dropout")(GlobalAvgPool(keepdims=True)(x))
        x = Conv2D(classes, 1, padding="same", name="conv_preds")(x)
        x = Reshape((classes,), name="reshape_2")(x)
        x = Activation(classifier_activation or "linear", name="predictions")(x)
    else:
        x = request.pooled(x)
    file = f"mobilenet_{WIDTHS.get(alpha)}_{size}_tf{'' if include_top else '_no_top'}.h5"
    rows = size if request.imagenet else request.shape(size, 32)[0]
    name = name or f"mobilenet_{alpha:0.2f}_{rows}"
    return request.model(image, x, name, f"{PUBLISHED}/mobilenet/{file}", None)


def _block(
    x: SymbolicTensor, i: int, filters: int, strides: int, depth_multiplier: int
) -> SymbolicTensor:
    """A depthwise convolution and one of 1x1."""
    if strides > 1:
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{i}")(x)
    x = DepthwiseConv2D(
        3,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        depth_multiplier=depth_multiplier,
        use_bias=False,
        name=f"conv_dw_{i}",
    )(x)
    x = _relu(x, f"conv_dw_{i}")
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{i}")(x)
    return _relu(x, f"conv_pw_{i}")


def _relu(x: SymbolicTensor, name: str) -> SymbolicTensor:
    """A normalization and a ReLU that ends at 6."""
    return ReLU(max_value=6, name=f"{name}_relu")(BatchNorm(name=f"{name}_bn")(x))


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as MobileNet takes them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")
