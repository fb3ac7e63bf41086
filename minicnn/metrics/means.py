"""Losses as metrics: their means over the samples."""

import math

import numpy as np

from minicnn import losses
from minicnn._core.shapes import Array
from minicnn.losses import Loss
from minicnn.metrics.base import Metric, predictions, weights_like


class _MeanLoss(Metric):
    def __init__(self, loss: Loss, name: str) -> None:
        super().__init__(name)
        self._loss = loss

    def reset_state(self) -> None:
        self.total = 0.0
        self.seen: float = 0

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        y_pred = predictions(self, y_pred)
        labels = self._loss.targets(y_true, y_pred.shape[1:])
        # A row of zeros, with which training tries a metric, makes no probabilities.
        with np.errstate(divide="ignore", invalid="ignore"):
            values = self._loss.per_sample(labels, y_pred)
        seen: float = values.size
        if sample_weight is not None:
            weights = weights_like(self, sample_weight, values) * self._weighed(labels)
            values, seen = values * weights, float(weights.sum())
        self.total += float(np.sum(values, dtype=np.float64))
        self.seen += seen

    def _weighed(self, labels: Array) -> Array | int:
        """Which of the labels count in a mean with weights."""
        return 1

    def result(self) -> float:
        return self.total / self.seen if self.seen else math.nan


class MeanSquaredError(_MeanLoss):
    """The mean of (y_pred - y_true)^2.

    >>> metric = MeanSquaredError()
    >>> metric.update_state(np.array([0.0, 1.0]), np.array([[2.0], [1.0]]))
    >>> metric.result()
    2.0
    """

    aliases = ("mse", "MSE")

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(losses.MeanSquaredError(), name)


class MeanAbsoluteError(_MeanLoss):
    """The mean of |y_pred - y_true|.

    >>> metric = MeanAbsoluteError()
    >>> metric.update_state(np.array([0.0, 1.0]), np.array([[2.0], [1.0]]))
    >>> metric.result()
    1.0
    """

    aliases = ("mae", "MAE")

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(losses.MeanAbsoluteError(), name)


class BinaryCrossentropy(_MeanLoss):
    """The mean of -(y log p + (1 - y) log(1 - p)), as the loss of that name.

    >>> metric = BinaryCrossentropy()
    >>> metric.update_state(np.array([1, 0]), np.array([[0.5], [0.5]]))
    >>> round(metric.result(), 4)
    0.6931
    """

    aliases = ("bce", "BCE")

    def __init__(
        self,
        name: str = "binary_crossentropy",
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(_MeanLoss):
    """The mean of -(sum over the classes of y log p), as the loss of that name.

    >>> metric = CategoricalCrossentropy()
    >>> metric.update_state(np.eye(2), np.array([[0.5, 0.5], [0.5, 0.5]]))
    >>> round(metric.result(), 4)
    0.6931
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing), name)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class SparseCategoricalCrossentropy(_MeanLoss):
    """The mean of -(log p of the right class), as the loss of that name.

    Labels of ``ignore_class`` cost nothing but are counted in the mean, as in Keras' metric
    and unlike its loss; where samples have weights they are not.

    >>> metric = SparseCategoricalCrossentropy()
    >>> metric.update_state(np.array([1, 0]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    >>> round(metric.result(), 4)
    0.6931
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        from_logits: bool = False,
        ignore_class: int | None = None,
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, ignore_class), name)
        self.from_logits = from_logits
        self.ignore_class = ignore_class

    def _weighed(self, labels: Array) -> Array | int:
        return 1 if self.ignore_class is None else np.asarray(labels != self.ignore_class)
