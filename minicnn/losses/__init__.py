"""Losses: the number that training makes small, and its gradient.

``loss(y_true, y_pred)`` is the mean over the batch, ``loss.gradient(y_true,
y_pred)`` its derivative with respect to y_pred.

The cross-entropies take probabilities, or with ``from_logits=True`` what goes
into the softmax or sigmoid. The latter cannot overflow, and its gradient is
simply (p - y) / N. A model that ends in a softmax or sigmoid and is compiled with
the cross-entropy that belongs to it is trained that way.
"""

from typing import Any

from minicnn._core.config import by_name, find
from minicnn._keras.absent import asked
from minicnn.errors import ConfigError
from minicnn.losses.base import Loss
from minicnn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from minicnn.losses.focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from minicnn.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from minicnn.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "get",
]

__getattr__ = asked("losses")

_BY_NAME = by_name(
    (
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        CategoricalHinge,
        Hinge,
        Huber,
        MeanAbsoluteError,
        MeanSquaredError,
        SparseCategoricalCrossentropy,
        SquaredHinge,
    ),
    bce=BinaryCrossentropy,
    BCE=BinaryCrossentropy,
    mae=MeanAbsoluteError,
    MAE=MeanAbsoluteError,
    mse=MeanSquaredError,
    MSE=MeanSquaredError,
)


def get(who: str, value: Any) -> Loss:
    """The loss that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Sequential", "mse")
    MeanSquaredError()
    """
    if isinstance(value, str) and value.lower().replace("_", "") == "crossentropy":
        raise ConfigError(
            f"{who}: expected loss as Loss or one of binary_crossentropy (labels of 0 and 1), "
            "categorical_crossentropy (one-hot labels), sparse_categorical_crossentropy (class "
            f"numbers) and others; got {value!r}."
        )
    return find(who, "loss", value, Loss, _BY_NAME)
