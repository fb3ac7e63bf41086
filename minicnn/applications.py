"""Networks ready to train, for images of one size and a number of classes."""

from minicnn.keras_names import asked
from minicnn.layers import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MaxPool,
    ReLU,
    Rescaling,
)
from minicnn.sequential import Sequential
from minicnn.shapes import Shape

__all__ = ["NETWORKS", "course", "small"]

__getattr__ = asked("applications")


def course(input_shape: Shape, classes: int, seed: int | None = None) -> Sequential:
    """The network of the course's SIGNS assignment: two convolutions, each pooled far down.

    ``input_shape`` is (H, W, C) of images in 0..255.

    >>> course((64, 64, 3), 6).output_shape
    (6,)
    """
    return Sequential(
        [
            Input(input_shape),
            Rescaling(1 / 255),
            Conv2D(8, 4, padding="same"),
            ReLU(),
            MaxPool(8, padding="same"),
            Conv2D(16, 2, padding="same"),
            ReLU(),
            MaxPool(4, padding="same"),
            Flatten(),
            Dense(classes, activation="softmax"),
        ],
        seed=seed,
    )


def small(input_shape: Shape, classes: int, seed: int | None = None) -> Sequential:
    """Four blocks of convolution, batch normalization, ReLU and pooling, for small images.

    The first convolution takes every other pixel, which makes all that follows four
    times cheaper. ``input_shape`` is (H, W, C) of images in 0..255.

    >>> small((64, 64, 3), 6).output_shape
    (6,)
    """
    return Sequential(
        [
            Input(input_shape),
            Rescaling(1 / 255),
            *_block(16, 5, strides=2),
            *_block(32, 3),
            *_block(64, 3),
            *_block(128, 3),
            Flatten(),
            Dropout(0.3),
            Dense(classes, activation="softmax"),
        ],
        seed=seed,
    )


def _block(filters: int, kernel_size: int, strides: int = 1) -> list[Layer]:
    # BatchNorm has a shift of its own, so the convolution needs no bias. Its moving
    # statistics must follow within the few hundred steps that small data sets take.
    return [
        Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False),
        BatchNorm(momentum=0.9),
        ReLU(),
        MaxPool(2, padding="same"),
    ]


NETWORKS = {"course": course, "small": small}
