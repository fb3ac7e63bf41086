"""The layers, and Keras' names for them."""

from minicnn.layers.activation import Activation, ReLU, Sigmoid, Softmax, Tanh
from minicnn.layers.base import Layer
from minicnn.layers.batchnorm import BatchNorm
from minicnn.layers.conv import Conv2D
from minicnn.layers.core import Flatten, Input, Rescaling
from minicnn.layers.dense import Dense
from minicnn.layers.depthwise import DepthwiseConv2D, SeparableConv2D
from minicnn.layers.dropout import Dropout
from minicnn.layers.pooling import AvgPool, GlobalAvgPool, MaxPool
from minicnn.layers.transpose import Conv2DTranspose

InputLayer = Input
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
SeparableConvolution2D = SeparableConv2D
MaxPooling2D = MaxPool2D = MaxPool
AveragePooling2D = AvgPool2D = AvgPool
GlobalAveragePooling2D = GlobalAvgPool2D = GlobalAvgPool
BatchNormalization = BatchNorm

__all__ = [
    "Activation",
    "AveragePooling2D",
    "AvgPool",
    "AvgPool2D",
    "BatchNorm",
    "BatchNormalization",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool",
    "GlobalAvgPool2D",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPool",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Sigmoid",
    "Softmax",
    "Tanh",
]

LAYERS: dict[str, type[Layer]] = {
    cls.keras_name or cls.__name__: cls
    for cls in (
        Activation, AvgPool, BatchNorm, Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, Dropout,
        Flatten, GlobalAvgPool, Input, MaxPool, ReLU, Rescaling, SeparableConv2D, Softmax,
    )
}  # fmt: skip
"""The classes that a model file may name, by their names in Keras: a closed table."""
