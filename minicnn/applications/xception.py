"""Xception: Inception's idea at its end, convolutions that look at places and at channels apart.

All but two of its convolutions are separable: a 3x3 one of each channel, and a 1x1 one that mixes
the channels. Blocks of them are residual; those that halve the image have a 1x1 convolution beside.
Chollet (2017), https://arxiv.org/abs/1610.02357.
"""

from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.layers import Activation, Add, BatchNorm, Conv2D, MaxPool, SeparableConv2D
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


@application(
    299,
    71,
    f"{PUBLISHED}/xception/xception_{KERNELS}",
    "0a58e3b7378bc2990ea3b43d5981f1f6",
    "b0042744bf5b25fce3cb969f33bebb97",
)
def Xception(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """Xception, as Keras has it: 22,910,480 parameters.

    >>> Xception(False, None, input_shape=(71, 71, 3)).output_shape
    (3, 3, 2048)
    """
    for i, (filters, strides) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{i}"
        x = Conv2D(filters, 3, strides=strides, use_bias=False, name=name)(x)
        x = Activation("relu", name=f"{name}_act")(BatchNorm(name=f"{name}_bn")(x))
    for block, channels in ((2, 128), (3, 256), (4, 728)):
        x = _halved(x, f"block{block}", (channels, channels))
    for block in range(5, 13):
        y = x
        for i in (1, 2, 3):
            y = _separable(_relu(y, f"block{block}_sepconv{i}"), f"block{block}_sepconv{i}", 728)
        x = Add()([y, x])
    x = _halved(x, "block13", (728, 1024))
    for i, filters in ((1, 1536), (2, 2048)):
        x = _relu(_separable(x, f"block14_sepconv{i}", filters), f"block14_sepconv{i}")
    return request.head(x, named=False)


def _halved(x: SymbolicTensor, name: str, filters: tuple[int, int]) -> SymbolicTensor:
    """Two separable convolutions and a pooling, and a 1x1 convolution beside them."""
    shortcut = Conv2D(filters[1], 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = BatchNorm()(shortcut)
    if name != "block2":  # whose input comes from a ReLU
        x = _relu(x, f"{name}_sepconv1")
    x = _separable(x, f"{name}_sepconv1", filters[0])
    x = _separable(_relu(x, f"{name}_sepconv2"), f"{name}_sepconv2", filters[1])
    x = MaxPool(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return Add()([x, shortcut])


def _separable(x: SymbolicTensor, name: str, filters: int) -> SymbolicTensor:
    x = SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return BatchNorm(name=f"{name}_bn")(x)


def _relu(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return Activation("relu", name=f"{name}_act")(x)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as Xception takes them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")
