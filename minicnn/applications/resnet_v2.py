"""ResNetV2: residual blocks whose normalization and ReLU stand before the convolutions.

What a block adds to its input is then changed by nothing behind the addition, so that the input of
the first block reaches the last one as it is; this trains better the deeper the network is. In
Keras the last block of a stage halves the image, not the first one of the next. He et al. (2016),
"Identity mappings", https://arxiv.org/abs/1603.05027.
"""

from collections.abc import Sequence
from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.applications.resnet import EPSILON
from minicnn.layers import Activation, Add, BatchNorm, Conv2D, MaxPool, ZeroPadding2D
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]


@application(
    224,
    32,
    f"{PUBLISHED}/resnet/resnet50v2_{KERNELS}",
    "3ef43a0b657b3be2300d5770ece849e0",
    "fac2f116257151a9d068a22e544a4917",
)
def ResNet50V2(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """ResNet-50 with identity mappings, as Keras has it: 25,613,800 parameters.

    >>> ResNet50V2(False, None, input_shape=(32, 32, 3)).output_shape
    (1, 1, 2048)
    """
    return resnet_v2(x, request, (3, 4, 6, 3))


@application(
    224,
    32,
    f"{PUBLISHED}/resnet/resnet101v2_{KERNELS}",
    "6343647c601c52e1368623803854d971",
    "c0ed64b8031c3730f411d2eb4eea35b5",
)
def ResNet101V2(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """ResNet-101 with identity mappings, as Keras has it: 44,675,560 parameters."""
    return resnet_v2(x, request, (3, 4, 23, 3))


@application(
    224,
    32,
    f"{PUBLISHED}/resnet/resnet152v2_{KERNELS}",
    "a49b44d1979771252814e80f8ec446f9",
    "ed17cf2e0169df9d443503ef94b23b33",
)
def ResNet152V2(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """ResNet-152 with identity mappings, as Keras has it: 60,380,648 parameters."""
    return resnet_v2(x, request, (3, 8, 36, 3))


def resnet_v2(x: SymbolicTensor, request: Request, blocks: Sequence[int]) -> SymbolicTensor:
    """So many blocks in each of four stages, behind a 7x7 convolution and a pooling."""
    x = ZeroPadding2D(3, name="conv1_pad")(x)
    x = Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    x = MaxPool(3, strides=2, name="pool1_pool")(x)
    for stage, (filters, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True), 2):
        for i in range(1, count + 1):
            strides = 2 if stage < 5 and i == count else 1
            x = _block(x, f"conv{stage}_block{i}", filters, strides, first=i == 1)
    return request.head(_relu(x, "post"))


def _block(x: SymbolicTensor, name: str, filters: int, strides: int, first: bool) -> SymbolicTensor:
    """x + f(relu(x)); the first of a stage widens x, the last one halves it."""
    before = _relu(x, f"{name}_preact")
    if first:
        shortcut = Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(before)
    else:
        shortcut = MaxPool(1, strides=strides)(x) if strides > 1 else x
    y = Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(before)
    y = _relu(y, f"{name}_1")
    y = ZeroPadding2D(1, name=f"{name}_2_pad")(y)
    y = Conv2D(filters, 3, strides=strides, use_bias=False, name=f"{name}_2_conv")(y)
    y = _relu(y, f"{name}_2")
    y = Conv2D(4 * filters, 1, name=f"{name}_3_conv")(y)
    return Add(name=f"{name}_out")([shortcut, y])


def _relu(x: SymbolicTensor, name: str) -> SymbolicTensor:
    """A normalization and a ReLU."""
    return Activation("relu", name=f"{name}_relu")(BatchNorm(epsilon=EPSILON, name=f"{name}_bn")(x))


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as ResNetV2 takes them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")
