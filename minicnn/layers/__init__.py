"""The layers, and Keras' names for them."""

from minicnn.layers.activation import Activation, ReLU, Sigmoid, Softmax, Tanh
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
from minicnn.layers.core import Flatten, Input, Rescaling
from minicnn.layers.dense import Dense
from minicnn.layers.dropout import Dropout, SpatialDropout2D
from minicnn.layers.noise import GaussianNoise
from minicnn.layers.pooling import AvgPool, GlobalAvgPool, MaxPool

InputLayer = Input
Convolution2D = Conv2D
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
    "Convolution2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalAvgPool",
    "GlobalAvgPool2D",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPool",
    "MaxPool2D",
    "MaxPooling2D",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Sigmoid",
    "Softmax",
    "SpatialDropout2D",
    "Tanh",
]

LAYERS: dict[str, type[Layer]] = {
    cls.keras_name or cls.__name__: cls
    for cls in (
        Activation, AvgPool, BatchNorm, Conv2D, Dense, Dropout, Flatten, GaussianNoise,
        GlobalAvgPool, Input, MaxPool, RandomBrightness, RandomContrast, RandomFlip,
        RandomRotation, RandomTranslation, RandomZoom, ReLU, Rescaling, Softmax, SpatialDropout2D,
    )
}  # fmt: skip
"""The classes that a model file may name, by their names in Keras: a closed table."""
