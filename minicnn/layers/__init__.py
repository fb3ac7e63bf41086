"""The layers, and Keras' names for them."""

from minicnn._keras.absent import asked
from minicnn.layers.activation import (
    ELU,
    GELU,
    Activation,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minicnn.layers.augmentation import (
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from minicnn.layers.base import Layer
from minicnn.layers.batchnorm import BatchNorm
from minicnn.layers.conv import Conv2D
from minicnn.layers.core import Flatten, Input, Permute, Rescaling, Reshape
from minicnn.layers.dense import Dense
from minicnn.layers.depthwise import DepthwiseConv2D, SeparableConv2D
from minicnn.layers.dropout import Dropout, SpatialDropout2D
from minicnn.layers.layernorm import LayerNorm
from minicnn.layers.noise import GaussianNoise
from minicnn.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from minicnn.layers.registry import LAYERS
from minicnn.layers.residual import Residual
from minicnn.layers.spatial import Cropping2D, UpSampling2D, ZeroPadding2D
from minicnn.layers.transpose import Conv2DTranspose

InputLayer = Input
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
SeparableConvolution2D = SeparableConv2D
MaxPooling2D = MaxPool2D = MaxPool
AveragePooling2D = AvgPool2D = AvgPool
GlobalAveragePooling2D = GlobalAvgPool2D = GlobalAvgPool
GlobalMaxPooling2D = GlobalMaxPool2D = GlobalMaxPool
BatchNormalization = BatchNorm
LayerNormalization = LayerNorm

__all__ = [
    "ELU",
    "GELU",
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
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalAvgPool",
    "GlobalAvgPool2D",
    "GlobalMaxPool",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNorm",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool",
    "MaxPool2D",
    "MaxPooling2D",
    "Permute",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpatialDropout2D",
    "Tanh",
    "UpSampling2D",
    "ZeroPadding2D",
]

__getattr__ = asked("layers")

LAYERS.update(
    (cls.keras_name or cls.__name__, cls)
    for cls in (
        Activation, AvgPool, BatchNorm, Conv2D, Conv2DTranspose, Cropping2D, Dense,
        DepthwiseConv2D, Dropout, ELU, Flatten, GaussianNoise, GlobalAvgPool, GlobalMaxPool, Input,
        LayerNorm, LeakyReLU, MaxPool, Permute, RandomBrightness, RandomContrast, RandomFlip,
        RandomRotation, RandomTranslation, RandomZoom, ReLU, Rescaling, Reshape, Residual,
        SeparableConv2D, Softmax, SpatialDropout2D, UpSampling2D, ZeroPadding2D,
    )
)  # fmt: skip
