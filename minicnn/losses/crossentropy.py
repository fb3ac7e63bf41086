"""The cross-entropies, of probabilities or of what goes into the softmax or sigmoid."""

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array, Shape
from minicnn.activations import sigmoid, softmax
from minicnn.errors import ConfigError, DataError
from minicnn.losses.base import (
    BINARY,
    CATEGORICAL,
    EPSILON,
    FLATTEN,
    Loss,
    one_hot,
    show,
)


class BinaryCrossentropy(Loss):
    """-(y log p + (1 - y) log(1 - p)), averaged over all numbers.

    p is ``y_pred``, or its sigmoid with ``from_logits``, when the loss is computed as
    max(z, 0) - z y + log(1 + exp(-|z|)). ``label_smoothing`` s moves labels from
    0 and 1 to s / 2 and 1 - s / 2.

    >>> round(BinaryCrossentropy()(np.array([1, 0]), np.array([[0.5], [0.5]])), 4)
    0.6931
    """

    aliases = ("bce", "BCE")

    activation = "sigmoid"
    passes = Loss.passes | {"each", "each_slope"}
    additive = True

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = check_smoothing(self, label_smoothing)

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """Labels between 0 and 1, smoothed by ``per_sample`` and ``slope``."""
        return self.in_unit(super().targets(y_true, output_shape))

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        return np.asarray(self.each(self.smoothed(y_true, y_pred), y_pred).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """(p - y), over p (1 - p) for probabilities, over the length of the last axis."""
        slopes = self.each_slope(self.smoothed(y_true, y_pred), y_pred)
        return np.asarray(slopes / y_pred.shape[-1])

    def each(self, y: Array, y_pred: Array) -> Array:
        """-(y log p + (1 - y) log(1 - p)) of every number, for smoothed labels."""
        if self.from_logits:
            z = y_pred
            return np.asarray(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))
        p = clipped(y_pred)
        return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))

    def each_slope(self, y: Array, y_pred: Array) -> Array:
        """The derivative of ``each`` with respect to ``y_pred``."""
        if self.from_logits:
            return np.asarray(sigmoid(y_pred) - y)
        p = clipped(y_pred)
        return np.asarray((p == y_pred) * (p - y) / (p * (1 - p)))

    def smoothed(self, y_true: Array, y_pred: Array) -> Array:
        """The labels in the dtype of the predictions, moved by ``label_smoothing``."""
        s = float(self.label_smoothing)
        return np.asarray(y_true.astype(y_pred.dtype) * (1 - s) + s / 2)


class CategoricalCrossentropy(Loss):
    """-(sum over the classes of y log p), for one-hot labels y.

    p is ``y_pred`` divided by its sum, or the softmax of ``y_pred`` with
    ``from_logits``. ``label_smoothing`` s moves labels from 0 and 1 to s / classes and
    1 - s + s / classes.

    >>> round(CategoricalCrossentropy()(np.eye(2), np.array([[0.5, 0.5], [0.5, 0.5]])), 4)
    0.6931
    """

    activation = "softmax"
    additive = True

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = check_smoothing(self, label_smoothing)

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """One row of probabilities a sample."""
        return self.in_unit(super().targets(y_true, output_shape))

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """-(sum of y log p)."""
        y = self.smoothed(y_true, y_pred)
        return np.asarray(-np.sum(y * log_probabilities(y_pred, self.from_logits), axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """(sum of y) p - y for logits, else carried back through the division and the clip."""
        return back_through_log(-self.smoothed(y_true, y_pred), y_pred, self.from_logits)

    def smoothed(self, y_true: Array, y_pred: Array) -> Array:
        """The labels in the dtype of the predictions, moved by ``label_smoothing``."""
        s = float(self.label_smoothing)
        return np.asarray(y_true.astype(y_pred.dtype) * (1 - s) + s / y_pred.shape[-1])


class SparseCategoricalCrossentropy(Loss):
    """-(log p of the right class), for labels that are class numbers from 0.

    p is ``y_pred`` divided by its sum, or the softmax of ``y_pred`` with ``from_logits``.
    Places whose label is ``ignore_class`` cost nothing, and the mean is over the others.

    >>> round(SparseCategoricalCrossentropy()(np.array([1]), np.array([[0.5, 0.5]])), 4)
    0.6931
    >>> loss = SparseCategoricalCrossentropy(ignore_class=-1)
    >>> round(loss(np.array([1, -1]), np.array([[0.5, 0.5], [0.9, 0.1]])), 4)
    0.6931
    """

    activation = "softmax"
    additive = True

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None) -> None:
        if ignore_class is not None and (
            not isinstance(ignore_class, int | np.integer) or isinstance(ignore_class, bool)
        ):
            raise ConfigError(
                "SparseCategoricalCrossentropy: expected ignore_class as a whole number or None, "
                f"got {ignore_class!r}."
            )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        if ignore_class is not None:
            self.additive = False  # each shard would divide by another number of losses

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """Whole numbers of shape (N, *output_shape[:-1]), each below the number of classes."""
        y_true = self._numbers("labels", y_true)
        shape = (len(y_true), *output_shape[:-1]) if y_true.ndim else output_shape[:-1]
        if y_true.shape not in (shape, (*shape, 1)):
            remedy = ""
            if one_hot(y_true) or y_true.shape == (*shape, output_shape[-1]):
                remedy = f" Labels that are one-hot go with {CATEGORICAL}."
            elif len(output_shape) > 1 and y_true.ndim <= 2:
                raise DataError(
                    f"{type(self).__name__}: the model's outputs have shape {show(output_shape)}, "
                    f"and labels of shape {y_true.shape} go with (N, classes).{FLATTEN}"
                )
            raise DataError(
                f"{type(self).__name__}: expected labels that are class numbers, of shape "
                f"{show(output_shape[:-1])}, got {y_true.shape}.{remedy}"
            )
        y_true, classes = y_true.reshape(shape), output_shape[-1]
        whole = y_true.dtype.kind in "iu" and y_true.size
        if whole and y_true.min() >= 0 and y_true.max() < classes:
            return y_true.astype(np.intp, copy=False)
        wrong = (y_true < 0) | (y_true >= classes) | (y_true != np.floor(y_true))
        wrong &= ~self._ignored(y_true)
        if wrong.any():
            raise DataError(
                f"{type(self).__name__}: expected whole labels from 0 to {classes - 1}, as the "
                f"model has {classes} output{'s' * (classes > 1)}, got {y_true[wrong][0]}."
                + _out_of_range(y_true[~self._ignored(y_true)], classes)
            )
        return y_true.astype(np.intp, copy=False)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """-(log p of the label), 0 where that is to be ignored."""
        log_p = log_probabilities(y_pred, self.from_logits)
        losses = -log_p[self._places(y_true)]
        return losses if self.ignore_class is None else np.where(self._ignored(y_true), 0, losses)

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """Softmax minus one-hot for logits, else carried back through division and clip."""
        if self.from_logits:
            slope = softmax(y_pred)
            slope[self._places(y_true)] -= 1
        else:
            per_log_p = np.zeros_like(y_pred)
            per_log_p[self._places(y_true)] = -1
            slope = back_through_log(per_log_p, y_pred, False)
        if self.ignore_class is None:
            return slope
        return np.where(self._ignored(y_true)[..., None], 0, slope)

    def _places(self, y_true: Array) -> tuple[Array, ...]:
        """Where the numbers of the labels stand among those of all classes."""
        labels = y_true if self.ignore_class is None else np.where(self._ignored(y_true), 0, y_true)
        return *np.indices(labels.shape, sparse=True), labels

    def count(self, y_true: Array, y_pred: Array) -> int:
        """How many labels are not ignored, at least 1."""
        if self.ignore_class is None:
            return super().count(y_true, y_pred)
        return max(y_true.size - int(np.count_nonzero(self._ignored(y_true))), 1)

    def _ignored(self, y_true: Array) -> Array:
        if self.ignore_class is None:
            return np.zeros(y_true.shape, bool)
        return np.asarray(y_true == self.ignore_class)


def _out_of_range(y: Array, classes: int) -> str:
    """The remedy for labels that are no numbers of that many classes."""
    least, most = y.min(), y.max()
    if (y != np.floor(y)).any():
        return " For numbers that are no classes (regression) take 'mean_squared_error'."
    if classes == 1 and least == 0 and most == 1:
        return f" Two classes take Dense(1, 'sigmoid') and {BINARY}, or Dense(2, 'softmax')."
    if least == 1 and most == classes:
        return " Count the classes from 0: y - 1."
    if set(np.unique(y)) == {-1, 1}:
        return " Of -1 and 1 make 0 and 1: (y + 1) // 2."
    if least < 0:
        return " A label that says 'none' is ignored with ignore_class=."
    return f" Labels up to {most:.0f} take {most + 1:.0f} outputs: Dense({most + 1:.0f})."


def log_probabilities(y_pred: Array, from_logits: bool) -> Array:
    """log p along the last axis: of a softmax, or of numbers divided by their sum."""
    if from_logits:
        shifted = y_pred - y_pred.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    return np.asarray(np.log(clipped(y_pred / y_pred.sum(axis=-1, keepdims=True))))


def back_through_log(per_log_p: Array, y_pred: Array, from_logits: bool) -> Array:
    """The derivative by ``y_pred`` of a function whose derivative by log p is ``per_log_p``.

    For the softmax that is per_log_p - p (sum of per_log_p). For probabilities

        (per_log_p / p - sum of per_log_p) / sum of y_pred,

    of those that ``clipped`` leaves as they are.
    """
    if from_logits:
        return np.asarray(per_log_p - softmax(y_pred) * per_log_p.sum(axis=-1, keepdims=True))
    total = y_pred.sum(axis=-1, keepdims=True)
    p = y_pred / total
    inside = clipped(p) == p
    per_p = per_log_p * inside / np.where(inside, p, 1)
    return np.asarray((per_p - np.sum(per_p * p, axis=-1, keepdims=True)) / total)


def clipped(p: Array) -> Array:
    """Probabilities at least ``EPSILON`` from 0 and 1."""
    return np.asarray(np.clip(p, EPSILON, 1 - EPSILON))


def check_smoothing(loss: Loss, smoothing: float) -> float:
    """``smoothing``; raises ``ConfigError`` unless it is from 0 to 1."""
    number(type(loss).__name__, "label_smoothing", smoothing, least=0, most=1)
    return smoothing
