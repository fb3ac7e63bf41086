"""VGG16: 3x3 convolutions one after another, five blocks of them, and three dense layers.

Two 3x3 convolutions see as much of an image as a 5x5 one, with fewer weights and a ReLU more; that
depth alone helps was the finding. Each block ends in a pooling that halves the image, and the next
has twice the filters. 124 of the 138 million parameters are in the dense layers. Simonyan &
Zisserman (2015), https://arxiv.org/abs/1409.1556.
"""

from collections.abc import Sequence
from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.layers import Conv2D, Dense, Flatten, MaxPool
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]


@application(
    224,
    32,
    f"{PUBLISHED}/vgg16/vgg16_{KERNELS}",
    "64373286793e3c8b2b4e3219cbf3544b",
    "6d6bbae143d832006294945121d1f1fc",
)
def VGG16(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """VGG16, as Keras has it: 13 convolutions and 3 dense layers, 138,357,544 parameters.

    >>> VGG16(False, None, input_shape=(32, 32, 3), pooling="avg").output_shape
    (512,)
    """
    return vgg(x, request, (2, 2, 3, 3, 3))


def vgg(x: SymbolicTensor, request: Request, convolutions: Sequence[int]) -> SymbolicTensor:
    """So many convolutions in each block, and the dense layers."""
    for block, (filters, count) in enumerate(
        zip((64, 128, 256, 512, 512), convolutions, strict=True), 1
    ):
        for i in range(1, count + 1):
            name = f"block{block}_conv{i}"
            x = Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = MaxPool(2, name=f"block{block}_pool")(x)
    if not request.include_top:
        return request.pooled(x)
    x = Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = Dense(4096, activation="relu", name=name)(x)
    return request.predictions(x)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as VGG16 takes them: blue, green, red, less ImageNet's means."""
    return imagenet_utils.preprocess_input(x, data_format, mode="caffe")
