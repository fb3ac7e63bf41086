"""Accuracies: fractions of predictions that are right, or nearly."""

import math

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn.errors import DataError
from minicnn.metrics.base import Metric, expect, predictions, weights_like


class _Accuracy(Metric):
    def reset_state(self) -> None:
        self.right: float = 0
        self.seen: float = 0

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        y_pred = predictions(self, y_pred)
        matches = self.matches(y_true, y_pred)
        if sample_weight is None:
            self.right += int(np.count_nonzero(matches))
            self.seen += matches.size
        else:
            weights = weights_like(self, sample_weight, matches)
            self.right += float(weights[matches].sum())
            self.seen += float(weights.sum())

    def result(self) -> float:
        return self.right / self.seen if self.seen else math.nan

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        raise TypeError(f"{type(self).__name__} defines no matches(y_true, y_pred).")


class BinaryAccuracy(_Accuracy):
    """The fraction of predictions on the right side of ``threshold`` (strictly above is 1).

    >>> metric = BinaryAccuracy()
    >>> metric.update_state(np.array([1, 0, 1]), np.array([[0.9], [0.2], [0.5]]))
    >>> round(metric.result(), 3)
    0.667
    """

    def __init__(self, name: str = "binary_accuracy", threshold: float = 0.5) -> None:
        super().__init__(name)
        number(type(self).__name__, "threshold", threshold)
        self.threshold = threshold

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction is right."""
        return np.asarray(expect(self, y_true, y_pred.shape) == (y_pred > self.threshold))


class CategoricalAccuracy(_Accuracy):
    """The fraction of predictions whose largest number is where the one-hot label has its 1.

    >>> metric = CategoricalAccuracy()
    >>> metric.update_state(np.array([[1, 0], [0, 1]]), np.array([[0.8, 0.2], [0.6, 0.4]]))
    >>> metric.result()
    0.5
    """

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name)

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction is right."""
        labels = expect(self, y_true, y_pred.shape).argmax(axis=-1)
        return np.asarray(labels == y_pred.argmax(axis=-1))


class SparseCategoricalAccuracy(_Accuracy):
    """The fraction of predictions whose largest number stands at the label's index.

    >>> metric = SparseCategoricalAccuracy()
    >>> metric.update_state(np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]]))
    >>> metric.result()
    0.5
    """

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction is right."""
        return np.asarray(expect(self, y_true, y_pred.shape[:-1]) == y_pred.argmax(axis=-1))


class TopKCategoricalAccuracy(_Accuracy):
    """The fraction of predictions where fewer than k numbers exceed that of the one-hot label.

    >>> metric = TopKCategoricalAccuracy(k=2)
    >>> metric.update_state(np.eye(3)[[0, 1]], np.array([[0.3, 0.1, 0.6], [0.3, 0.1, 0.6]]))
    >>> metric.result()
    0.5
    """

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        super().__init__(name)
        self.k = whole_number(type(self).__name__, "k", k, least=1)

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction has the label among its k largest."""
        return _in_top(expect(self, y_true, y_pred.shape).argmax(axis=-1), y_pred, self.k)


class SparseTopKCategoricalAccuracy(_Accuracy):
    """The fraction of predictions where fewer than k numbers exceed the one at the label's index.

    >>> metric = SparseTopKCategoricalAccuracy(k=2)
    >>> metric.update_state(np.array([0, 1]), np.array([[0.3, 0.1, 0.6], [0.3, 0.1, 0.6]]))
    >>> metric.result()
    0.5
    """

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy") -> None:
        super().__init__(name)
        self.k = whole_number(type(self).__name__, "k", k, least=1)

    def matches(self, y_true: Array, y_pred: Array) -> Array:
        """Whether each prediction has the label among its k largest."""
        labels, classes = expect(self, y_true, y_pred.shape[:-1]), y_pred.shape[-1]
        wrong = (labels < 0) | (labels >= classes) | (labels != np.floor(labels))
        if wrong.any():
            raise DataError(
                f"{type(self).__name__}: expected labels from 0 to {classes - 1}, "
                f"got {labels[wrong][0]}."
            )
        return _in_top(labels.astype(np.intp), y_pred, self.k)


def _in_top(labels: Array, y_pred: Array, k: int) -> Array:
    scores = np.take_along_axis(y_pred, labels[..., None], axis=-1)
    # Negated, so that NaN is not among the largest.
    return np.asarray(np.count_nonzero(~(y_pred <= scores), axis=-1) < k)
