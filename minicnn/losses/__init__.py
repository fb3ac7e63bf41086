"""Losses: the number that training makes small, and its gradient.

``loss(y_true, y_pred)`` is the mean over the batch, ``loss.gradient(y_true,
y_pred)`` its derivative with respect to y_pred.

The cross-entropies take probabilities, or with ``from_logits=True`` what goes
into the softmax or sigmoid. The latter cannot overflow, and its gradient is
simply (p - y) / N. A model that ends in a softmax or sigmoid and is compiled with
the cross-entropy that belongs to it is trained that way.
"""

from typing import Any

from minicnn._core.config import by_name, exported, find
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError
from minicnn.losses.base import Loss as Loss
from minicnn.losses.crossentropy import BinaryCrossentropy as BinaryCrossentropy
from minicnn.losses.crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
from minicnn.losses.crossentropy import (
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
)
from minicnn.losses.focal import BinaryFocalCrossentropy as BinaryFocalCrossentropy
from minicnn.losses.focal import CategoricalFocalCrossentropy as CategoricalFocalCrossentropy
from minicnn.losses.hinge import CategoricalHinge as CategoricalHinge
from minicnn.losses.hinge import Hinge as Hinge
from minicnn.losses.hinge import SquaredHinge as SquaredHinge
from minicnn.losses.regression import Huber as Huber
from minicnn.losses.regression import LogCosh as LogCosh
from minicnn.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from minicnn.losses.regression import MeanSquaredError as MeanSquaredError

__getattr__ = asked("losses")

_BY_NAME = by_name(exported(Loss, globals(), "get").values())


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
