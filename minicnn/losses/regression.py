"""Losses between numbers: squared, absolute, and two between these."""

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.losses.base import Loss


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
