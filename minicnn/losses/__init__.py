"""Losses: the number that training makes small, and its gradient.

``loss(y_true, y_pred)`` is the mean over the batch, ``loss.gradient(y_true,
y_pred)`` its derivative with respect to y_pred.

The cross-entropies take probabilities, or with ``from_logits=True`` what goes into the softmax or
sigmoid. The latter cannot overflow, and its gradient is (p - y) / N. A model that ends in a softmax
or sigmoid and is compiled with the cross-entropy that belongs to it is trained that way.
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
from minicnn.losses.functions import functions
from minicnn.losses.hinge import CategoricalHinge as CategoricalHinge
from minicnn.losses.hinge import Hinge as Hinge
from minicnn.losses.hinge import SquaredHinge as SquaredHinge
from minicnn.losses.overlap import Dice as Dice
from minicnn.losses.overlap import Tversky as Tversky
from minicnn.losses.probabilistic import KLDivergence as KLDivergence
from minicnn.losses.probabilistic import Poisson as Poisson
from minicnn.losses.regression import CosineSimilarity as CosineSimilarity
from minicnn.losses.regression import Huber as Huber
from minicnn.losses.regression import LogCosh as LogCosh
from minicnn.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from minicnn.losses.regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from minicnn.losses.regression import MeanSquaredError as MeanSquaredError
from minicnn.losses.regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from minicnn.losses.traced import of_function as _of_function

__getattr__ = asked("losses")

_BY_NAME = by_name(exported(Loss, globals(), "Reduction", "get").values())

FUNCTIONS = functions(_BY_NAME)
"""The losses as functions, by all names that Keras has for them."""
globals().update(FUNCTIONS)
__all__ += FUNCTIONS  # type: ignore[name-defined]  # noqa: F821


class Reduction:
    """Keras 2's names of what ``reduction=`` may be."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"


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
    if callable(value) and not isinstance(value, Loss | type) and not hasattr(value, "stands_for"):
        return _of_function(value)
    loss = find(who, "loss", value, Loss, _BY_NAME)
    if hasattr(loss, "call") and type(loss).per_sample is Loss.per_sample:
        return _of_function(loss)
    if loss.reduction != "sum_over_batch_size":
        raise ConfigError(
            f"{who}: expected a loss whose mean is trained, reduction='sum_over_batch_size', got "
            f"reduction={loss.reduction!r}. Such a loss can only be called."
        )
    return loss
