"""ResNet: blocks that add something to what they are given, so that 152 layers can be trained.

A block is a 1x1 convolution to few channels, a 3x3 one, and a 1x1 one back to many, whose output is
added to the block's input. The gradient flows through the addition as it is. The first block
of a stage halves the image and doubles the channels, and so does a 1x1 convolution beside it. He et
al. (2016), https://arxiv.org/abs/1512.03385.
"""

from collections.abc import Sequence
from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.layers import Activation, Add, BatchNorm, Conv2D, MaxPool, ZeroPadding2D
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

EPSILON = 1.001e-5


@application(
    224,
    32,
    f"{PUBLISHED}/resnet/resnet50_{KERNELS}",
    "2cb95161c43110f7111970584f804107",
    "4d473c1dd8becc155b73f8504c6f6626",
)
def ResNet50(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """ResNet-50, as Keras has it: 25,636,712 parameters.

    >>> ResNet50(False, None, input_shape=(32, 32, 3)).output_shape
    (1, 1, 2048)
    """
    return resnet(x, request, (3, 4, 6, 3))


@application(
    224,
    32,
    f"{PUBLISHED}/resnet/resnet101_{KERNELS}",
    "f1aeb4b969a6efcfb50fad2f0c20cfc5",
    "88cf7a10940856eca736dc7b7e228a21",
)
def ResNet101(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """ResNet-101, as Keras has it: 44,707,176 parameters."""
    return resnet(x, request, (3, 4, 23, 3))


@application(
    224,
    32,
    f"{PUBLISHED}/resnet/resnet152_{KERNELS}",
    "100835be76be38e30d865e96f2aaae62",
    "ee4c566cf9a93f14d82f913c2dc6dd0c",
)
def ResNet152(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """ResNet-152, as Keras has it: 60,419,944 parameters."""
    return resnet(x, request, (3, 8, 36, 3))


def resnet(x: SymbolicTensor, request: Request, blocks: Sequence[int]) -> SymbolicTensor:
    """So many blocks in each of four stages, behind a 7x7 convolution and a pooling."""
    x = ZeroPadding2D(3, name="conv1_pad")(x)
    x = _normed(x, "conv1", 64, 7, strides=2)
    x = Activation("relu", name="conv1_relu")(x)
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    x = MaxPool(3, strides=2, name="pool1_pool")(x)
    for stage, (filters, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True), 2):
        for i in range(1, count + 1):
            strides = 2 if stage > 2 and i == 1 else 1
            x = _block(x, f"conv{stage}_block{i}", filters, strides, first=i == 1)
    return request.head(x)


def _block(x: SymbolicTensor, name: str, filters: int, strides: int, first: bool) -> SymbolicTensor:
    """relu(x + f(x)), where the first of a stage brings x to the shape of f(x)."""
    shortcut = _normed(x, f"{name}_0", 4 * filters, 1, strides) if first else x
    y = _normed(x, f"{name}_1", filters, 1, strides)
    y = Activation("relu", name=f"{name}_1_relu")(y)
    y = _normed(y, f"{name}_2", filters, 3, padding="same")
    y = Activation("relu", name=f"{name}_2_relu")(y)
    y = _normed(y, f"{name}_3", 4 * filters, 1)
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, y]))


def _normed(
    x: SymbolicTensor, name: str, filters: int, size: int, strides: int = 1, padding: str = "valid"
) -> SymbolicTensor:
    """A convolution, with the bias that Keras gives it, and a normalization."""
    x = Conv2D(filters, size, strides=strides, padding=padding, name=f"{name}_conv")(x)
    return BatchNorm(epsilon=EPSILON, name=f"{name}_bn")(x)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as ResNet takes them: blue, green, red, less ImageNet's means."""
    return imagenet_utils.preprocess_input(x, data_format, mode="caffe")
