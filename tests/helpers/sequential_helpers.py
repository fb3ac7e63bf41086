"""A small convolutional network, for the tests of the model and its training."""

import numpy as np

from minicnn import (
    Adam,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Sequential,
)

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
Y = (X[..., 0].mean(axis=(1, 2)) > X[..., 1].mean(axis=(1, 2))).astype(np.int64)


def network(seed=0, **options):
    return Sequential(
        [
            Input((8, 8, 3)),
            Rescaling(1 / 255),
            Conv2D(4, 3, padding="same", use_bias=False),
            BatchNorm(momentum=0.8),
            ReLU(),
            MaxPool(2),
            Conv2D(5, 2, activation="tanh"),
            AvgPool(2, padding="same"),
            Flatten(),
            Dropout(0.2),
            Dense(2, activation="softmax"),
        ],
        seed=seed,
        **options,
    )


def compiled(seed=0, optimizer=None, **options):
    model = network(seed, **options)
    model.compile(
        optimizer or Adam(1e-2), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
