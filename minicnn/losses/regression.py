"""Losses between numbers: squared, absolute, in percent, of logarithms, and between these."""

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.losses.base import EPSILON, Loss


class MeanSquaredError(Loss):
    """The mean of (y_pred - y_true)^2 over all numbers.

    >>> MeanSquaredError()(np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]]))
    0.5
    """

    aliases = ("mse", "MSE")
    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean square along the last axis."""
        return np.asarray(np.square(y_pred - y_true).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """2 (y_pred - y_true) / the length of the last axis."""
        return np.asarray(2 * (y_pred - y_true) / y_pred.shape[-1])


class MeanAbsoluteError(Loss):
    """The mean of |y_pred - y_true| over all numbers.

    >>> MeanAbsoluteError()(np.array([[0.0, 1.0]]), np.array([[3.0, 1.0]]))
    1.5
    """

    aliases = ("mae", "MAE")
    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean distance along the last axis."""
        return np.asarray(np.abs(y_pred - y_true).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """The sign of y_pred - y_true, 0 where they are equal, over the length of the last axis."""
        return np.asarray(np.sign(y_pred - y_true) / y_pred.shape[-1])


class MeanAbsolutePercentageError(Loss):
    """The mean of 100 |y_pred - y_true| / |y_true| over all numbers, |y_true| at least 1e-7.

    >>> MeanAbsolutePercentageError()(np.array([[2.0, 4.0]]), np.array([[3.0, 4.0]]))
    25.0
    """

    aliases = ("mape", "MAPE")
    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        return np.asarray(100 * np.abs((y_pred - y_true) / _size(y_true)).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """100 sign(y_pred - y_true) / |y_true|, over the length of the last axis."""
        return np.asarray(100 * np.sign(y_pred - y_true) / _size(y_true) / y_pred.shape[-1])


class MeanSquaredLogarithmicError(Loss):
    """The mean of (log(1 + y_pred) - log(1 + y_true))^2, of numbers that are at least 1e-7.

    >>> round(MeanSquaredLogarithmicError()(np.array([[1.0]]), np.array([[3.0]])), 4)
    0.4805
    """

    aliases = ("msle", "MSLE")
    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        return np.asarray(np.square(_log_ratio(y_true, y_pred)).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """2 (log - log) / (1 + y_pred) over the length of the last axis, and 0 below 1e-7."""
        slope = 2 * _log_ratio(y_true, y_pred) / (1 + np.maximum(y_pred, EPSILON))
        return np.asarray(slope * (y_pred >= EPSILON) / y_pred.shape[-1])


def _size(y_true: Array) -> Array:
    return np.maximum(np.abs(y_true), EPSILON)


def _log_ratio(y_true: Array, y_pred: Array) -> Array:
    return np.asarray(np.log1p(np.maximum(y_pred, EPSILON)) - np.log1p(np.maximum(y_true, EPSILON)))


class CosineSimilarity(Loss):
    """-(y / |y|) . (p / |p|) along the last axis: -1 where both point the same way, 0 across.

    A row of zeros has the similarity 0 with any other.

    >>> round(CosineSimilarity()(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]])), 4)
    -0.96
    """

    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """Of each row."""
        return np.asarray(-np.sum(_unit(y_true)[0] * _unit(y_pred)[0], axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """-(y - (y . p) p) / |p|, of unit rows y and p."""
        (y, _), (p, length) = _unit(y_true.astype(y_pred.dtype)), _unit(y_pred)
        return np.asarray(-(y - np.sum(y * p, axis=-1, keepdims=True) * p) / length)


def _unit(rows: Array) -> tuple[Array, Array]:
    """Rows of length 1, and the lengths that they had, at least 1e-12 as in Keras."""
    length = np.maximum(np.sqrt(np.sum(np.square(rows), axis=-1, keepdims=True)), 1e-12)
    return rows / length, length


class Huber(Loss):
    """The square for small errors, the distance for large ones, averaged over all numbers.

    With e = y_pred - y_true a number's loss is

        e^2 / 2                      where |e| <= delta
        delta |e| - delta^2 / 2      elsewhere,

    so that an outlier pulls no harder than ``delta``. Huber (1964).

    >>> Huber()(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    1.5
    """

    additive = True

    def __init__(self, delta: float = 1.0) -> None:
        number("Huber", "delta", delta, above=0)
        self.delta = delta

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        error, d = np.abs(y_pred - y_true), float(self.delta)
        loss = np.where(error <= d, error * error / 2, d * error - d * d / 2)
        return np.asarray(loss.mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """y_pred - y_true, held within -delta and delta, over the length of the last axis."""
        d = float(self.delta)
        return np.asarray(np.clip(y_pred - y_true, -d, d) / y_pred.shape[-1])


class LogCosh(Loss):
    """The mean of log(cosh(y_pred - y_true)): half the square of a small error, |e| of a large one.

    With e = y_pred - y_true a number's loss is |e| + log(1 + exp(-2 |e|)) - log(2), which cannot
    overflow, or log(1 + 2 sinh(e / 2)^2), which loses no digits of a small e.

    >>> LogCosh()(np.array([[0.0], [0.0]]), np.array([[1e-6], [1000.0]])) > 499.65
    True
    """

    aliases = ("logcosh",)
    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        error = np.abs(y_pred - y_true)
        large = error + np.log1p(np.exp(-2 * error)) - np.log(2).astype(error.dtype)
        small = np.log1p(2 * np.square(np.sinh(np.minimum(error, 1) / 2)))
        return np.asarray(np.where(error < 1, small, large).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """tanh(y_pred - y_true) over the length of the last axis."""
        return np.asarray(np.tanh(y_pred - y_true) / y_pred.shape[-1])
