"""A mini deep-learning framework on NumPy that reads like Keras, and can be read."""

from minicnn.history import History
from minicnn.layers import (
    Activation,
    AveragePooling2D,
    AvgPool,
    AvgPool2D,
    BatchNorm,
    BatchNormalization,
    Conv2D,
    Convolution2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalAvgPool,
    GlobalAvgPool2D,
    Input,
    InputLayer,
    Layer,
    MaxPool,
    MaxPool2D,
    MaxPooling2D,
    ReLU,
    Rescaling,
    Residual,
    Sigmoid,
    Softmax,
    Tanh,
)
from minicnn.optimizers import SGD, Adam
from minicnn.saving import load_model
from minicnn.sequential import Sequential
from minicnn.threads import get_threads, set_threads

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Activation",
    "Adam",
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
    "GlobalAveragePooling2D",
    "GlobalAvgPool",
    "GlobalAvgPool2D",
    "History",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPool",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "get_threads",
    "load_model",
    "set_threads",
]
