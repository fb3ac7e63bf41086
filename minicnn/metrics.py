"""Metrics: what a user watches while a loss is being minimised.

A metric runs along: ``update_state`` takes a batch, ``result`` gives the figure
over all that came since ``reset_state``.
"""

import math
from typing import Any

import numpy as np

from minicnn.config import Configurable, by_name, find, number
from minicnn.errors import ConfigError, DataError
from minicnn.shapes import Array, Shape

__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Metric",
    "SparseCategoricalAccuracy",
    "get",
    "wilson_interval",
]


class Metric(Configurable):
    """A running figure over batches of labels and predictions."""

    keras_module = "keras.metrics"

    def __init__(self, name: str) -> None:
        self.name = name
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        raise TypeError(f"{type(self).__name__} defines no reset_state().")

    def update_state(self, y_true: Array, y_pred: Array) -> None:
        """Take in one batch."""
        raise TypeError(f"{type(self).__name__} defines no update_state(y_true, y_pred).")

    def result(self) -> float:
        """The figure so far; NaN before the first batch."""
        raise TypeError(f"{type(self).__name__} defines no result().")


class _Accuracy(Metric):
    def reset_state(self) -> None:
        self.right = 0
        self.seen = 0

    def update_state(self, y_true: Array, y_pred: Array) -> None:
        matches = self.matches(y_true, y_pred)
        self.right += int(np.count_nonzero(matches))
        self.seen += matches.size

    def result(self) -> float:
        return self.right / self.seen if self.seen else math.nan

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        raise TypeError(f"{type(self).__name__} defines no matches(y_true, y_pred).")

    def _expect(self, y_true: Array, shape: Shape) -> Array:
        """``y_true`` in ``shape``, from which it may differ by a last axis of 1."""
        if y_true.shape not in (shape, (*shape, 1)) and (*y_true.shape, 1) != shape:
            raise DataError(
                f"{type(self).__name__}: expected labels of shape {shape}, got {y_true.shape}."
            )
        return y_true.reshape(shape)


class BinaryAccuracy(_Accuracy):
    """The share of predictions on the right side of ``threshold`` (strictly above is 1).

    >>> metric = BinaryAccuracy()
    >>> metric.update_state(np.array([1, 0, 1]), np.array([[0.9], [0.2], [0.5]]))
    >>> round(metric.result(), 3)
    0.667
    """

    def __init__(self, threshold: float = 0.5, name: str = "binary_accuracy") -> None:
        super().__init__(name)
        number(type(self).__name__, "threshold", threshold)
        self.threshold = threshold

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction is right."""
        return np.asarray(self._expect(y_true, y_pred.shape) == (y_pred > self.threshold))


class CategoricalAccuracy(_Accuracy):
    """The share of predictions whose largest number is where the one-hot label has its 1.

    >>> metric = CategoricalAccuracy()
    >>> metric.update_state(np.array([[1, 0], [0, 1]]), np.array([[0.8, 0.2], [0.6, 0.4]]))
    >>> metric.result()
    0.5
    """

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name)

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction is right."""
        labels = self._expect(y_true, y_pred.shape).argmax(axis=-1)
        return np.asarray(labels == y_pred.argmax(axis=-1))


class SparseCategoricalAccuracy(_Accuracy):
    """The share of predictions whose largest number stands at the label's index.

    >>> metric = SparseCategoricalAccuracy()
    >>> metric.update_state(np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]]))
    >>> metric.result()
    0.5
    """

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction is right."""
        return np.asarray(self._expect(y_true, y_pred.shape[:-1]) == y_pred.argmax(axis=-1))


_BY_NAME = by_name((BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy))
_BY_SHAPE = ("accuracy", "acc")
"""Names that become one of the three when the shapes are known."""


def get(who: str, value: Any) -> Metric | str:
    """The metric that ``value`` is, names or describes; a name in ``_BY_SHAPE`` stays one.

    Raises ``ConfigError`` if it is none.

    >>> get("Sequential", "binary_accuracy")
    BinaryAccuracy()
    """
    if isinstance(value, str) and value in _BY_SHAPE:
        return value
    return find(who, "metrics", value, Metric, dict.fromkeys(_BY_SHAPE) | _BY_NAME)


def for_shapes(who: str, metric: Metric | str, labels_rank: int, output_shape: Shape) -> Metric:
    """A metric from ``get``, for labels and predictions of these shapes.

    "accuracy" is what Keras makes of it: binary when the last axis of the
    predictions is 1, sparse when the labels have an axis less, else categorical.
    ``labels_rank`` counts the batch axis, ``output_shape`` leaves it out. The metric
    bears the name that the user gave.

    >>> for_shapes("Sequential", "accuracy", labels_rank=1, output_shape=(6,))
    SparseCategoricalAccuracy(name='accuracy')
    """
    if isinstance(metric, Metric):
        return metric
    if output_shape[-1] == 1:
        return BinaryAccuracy(name=metric)
    if labels_rank < len(output_shape) + 1:
        return SparseCategoricalAccuracy(name=metric)
    return CategoricalAccuracy(name=metric)


def wilson_interval(right: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The 95% interval of a share of ``right`` out of ``total``.

        (p + z^2 / 2n  -+  z * sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Wilson (1927): honest near 0 and 1 and for few trials, where the usual
    p -+ 1.96 sqrt(p (1 - p) / n) is not.

    >>> [round(bound, 3) for bound in wilson_interval(114, 120)]
    [0.895, 0.977]
    """
    if not 0 <= right <= total or total == 0:
        raise ConfigError(
            f"wilson_interval: expected 0 <= right <= total and total above 0, "
            f"got {right} of {total}."
        )
    p = right / total
    centre = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + (z / (2 * total)) ** 2)
    scale = 1 + z * z / total
    # At 0 and 1 the interval ends there exactly, which rounding may miss.
    low = (centre - spread) / scale if right else 0.0
    high = (centre + spread) / scale if right < total else 1.0
    return low, high
