"""DenseNet: each layer reads all that the layers before it in its block have found.

A layer is a 1x1 convolution to 128 channels and a 3x3 one to 32, each behind a normalization and a
ReLU; its 32 channels are put beside its input. Between blocks a 1x1 convolution halves the channels
and a pooling the image. Features are used again instead of being learned anew, so that few
parameters go far. Huang et al. (2017), https://arxiv.org/abs/1608.06993.

Called, the module is our small network of that name: ``densenet((32, 32, 3), 10)``.
"""

import sys
from collections.abc import Sequence
from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.both import NetworkModule
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.layers import (
    Activation,
    AvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    MaxPool,
    ZeroPadding2D,
)
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

sys.modules[__name__].__class__ = NetworkModule


@application(
    224,
    32,
    f"{PUBLISHED}/densenet/densenet121_{KERNELS}",
    "9d60b8095a5708f2dcce2bca79d332c7",
    "30ee3e1110167f948a6b9946edeeb738",
)
def DenseNet121(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """DenseNet of 121 layers, as Keras has it: 8,062,504 parameters.

    >>> DenseNet121(False, None, input_shape=(32, 32, 3)).output_shape
    (1, 1, 1024)
    """
    return dense_blocks(x, request, (6, 12, 24, 16))


@application(
    224,
    32,
    f"{PUBLISHED}/densenet/densenet169_{KERNELS}",
    "d699b8f76981ab1b30698df4c175e90b",
    "b8c4d4c20dd625c148057b9ff1c1176b",
)
def DenseNet169(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """DenseNet of 169 layers, as Keras has it: 14,307,880 parameters."""
    return dense_blocks(x, request, (6, 12, 32, 32))


@application(
    224,
    32,
    f"{PUBLISHED}/densenet/densenet201_{KERNELS}",
    "1ceb130c1ea1b78c3bf6114dbdfd8807",
    "c13680b51ded0fb44dff2d8f86ac8bb1",
)
def DenseNet201(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """DenseNet of 201 layers, as Keras has it: 20,242,984 parameters."""
    return dense_blocks(x, request, (6, 12, 48, 32))


def dense_blocks(x: SymbolicTensor, request: Request, layers: Sequence[int]) -> SymbolicTensor:
    """So many layers in each of four blocks, behind a 7x7 convolution and a pooling."""
    x = _conv(ZeroPadding2D(3)(x), "conv1_conv", 64, 7, strides=2)
    x = _relu(x, "conv1_bn", "conv1_relu")
    x = MaxPool(3, strides=2, name="pool1")(ZeroPadding2D(1)(x))
    for block, count in enumerate(layers, 2):
        for i in range(1, count + 1):
            x = _layer(x, f"conv{block}_block{i}")
        if block < 5:
            name = f"pool{block}"
            y = _relu(x, f"{name}_bn", f"{name}_relu")
            y = _conv(y, f"{name}_conv", x.sizes[-1] // 2, 1)
            x = AvgPool(2, name=f"{name}_pool")(y)
    return request.head(_relu(x, "bn", "relu"))


def _layer(x: SymbolicTensor, name: str) -> SymbolicTensor:
    """x with 32 channels more."""
    y = _conv(_relu(x, f"{name}_0_bn", f"{name}_0_relu"), f"{name}_1_conv", 128, 1)
    y = _conv(_relu(y, f"{name}_1_bn", f"{name}_1_relu"), f"{name}_2_conv", 32, 3)
    return Concatenate(name=f"{name}_concat")([x, y])


def _relu(x: SymbolicTensor, norm: str, relu: str) -> SymbolicTensor:
    return Activation("relu", name=relu)(BatchNorm(epsilon=1.001e-5, name=norm)(x))


def _conv(
    x: SymbolicTensor, name: str, filters: int, size: int, strides: int = 1
) -> SymbolicTensor:
    padding = "same" if size == 3 else "valid"
    return Conv2D(
        filters, size, strides=strides, padding=padding, use_bias=False, name=name
    )(x)  # fmt: skip


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as DenseNet takes them: 0..1, less ImageNet's means, by its deviations."""
    return imagenet_utils.preprocess_input(x, data_format, mode="torch")
