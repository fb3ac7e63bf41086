"""VGG19: VGG16 with one more convolution in each of its last three blocks.

Simonyan & Zisserman (2015), https://arxiv.org/abs/1409.1556.
"""

from typing import Any

from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions
from minicnn.applications.request import KERNELS, PUBLISHED, Request, application
from minicnn.applications.vgg16 import vgg
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]


@application(
    224,
    32,
    f"{PUBLISHED}/vgg19/vgg19_{KERNELS}",
    "cbe5617147190e668d6c5d5026f83318",
    "253f8cb515780f3b799900260a226db6",
)
def VGG19(x: SymbolicTensor, request: Request) -> SymbolicTensor:  # noqa: N802 - as in Keras
    """VGG19, as Keras has it: 16 convolutions and 3 dense layers, 143,667,240 parameters.

    >>> VGG19(False, None, input_shape=(32, 32, 3)).output_shape
    (1, 1, 512)
    """
    return vgg(x, request, (2, 2, 4, 4, 4))


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images of 0..255 as VGG19 takes them: blue, green, red, less ImageNet's means."""
    return imagenet_utils.preprocess_input(x, data_format, mode="caffe")
