"""Losses of how far predicted and true pixels overlap, for segmentation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError
from minicnn.losses.base import EPSILON, Loss

Axis = int | Sequence[int] | None


class Tversky(Loss):
    """1 - I / (I + alpha M + beta F): how much of y and p, numbers from 0 to 1, is not common.

    I = sum of y p is what both have, M = sum of y (1 - p) is missed, F = sum of (1 - y) p is found
    too much; 1e-7 is added to what is divided by. The sums are over the whole batch, or along
    ``axis``: (1, 2, 3) for a loss of each image. Of whole batches the mean of an epoch depends on
    what is in which. No ``sample_weight`` is taken: ``DataError``. Salehi et al. (2017).

    >>> y, p = np.array([[1.0, 0.0, 1.0]]), np.array([[0.5, 0.5, 1.0]])
    >>> round(Tversky()(y, p), 6)
    0.25
    """

    additive = True

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None) -> None:
        number("Tversky", "alpha", alpha, least=0)
        number("Tversky", "beta", beta, least=0)
        self.alpha = alpha
        self.beta = beta
        self._along(axis)

    def _along(self, axis: Axis) -> None:
        who = type(self).__name__
        axes: Any = axis if isinstance(axis, tuple | list) else [0 if axis is None else axis]
        for one in axes:
            whole_number(who, "axis", one, least=-32, most=31)
        if not axes or len(set(axes)) < len(axes):
            raise ConfigError(f"{who}: expected axis as different numbers, got {axis!r}.")
        self.axis = axis
        self.additive = all(one > 0 or one == -1 for one in axes)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """Of the whole batch, or of each place that ``axis`` leaves."""
        both, all_of_them = self._sums(y_true.astype(y_pred.dtype), y_pred)
        return np.asarray(1 - np.squeeze(both / all_of_them, self._axes(y_pred)))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """(I D' - y D) / D^2, where D is what is divided by and D' = y - alpha y + beta (1 - y)."""
        y = y_true.astype(y_pred.dtype)
        both, whole = self._sums(y, y_pred)
        steeper = y - float(self.alpha) * y + float(self.beta) * (1 - y)
        return np.asarray((both * steeper - y * whole) / np.square(whole))

    def count(self, y_true: Array, y_pred: Array) -> int:
        """How many losses there are."""
        axes = self._axes(y_pred)
        return int(np.prod([n for i, n in enumerate(y_pred.shape) if i not in axes], dtype=int))

    def _sums(self, y: Array, p: Array) -> tuple[Array, Array]:
        axes = self._axes(p)
        both = np.sum(y * p, axis=axes, keepdims=True)
        missed = np.sum(y * (1 - p), axis=axes, keepdims=True)
        too_much = np.sum((1 - y) * p, axis=axes, keepdims=True)
        return both, both + float(self.alpha) * missed + float(self.beta) * too_much + EPSILON

    def _axes(self, y_pred: Array) -> tuple[int, ...]:
        """The axes that are summed over, counted from the first."""
        if self.axis is None:
            return tuple(range(y_pred.ndim))
        given = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        if any(not -y_pred.ndim <= one < y_pred.ndim for one in given):
            raise DataError(
                f"{type(self).__name__}: expected predictions that have the axis {self.axis!r}, "
                f"got shape {y_pred.shape}."
            )
        return tuple(one % y_pred.ndim for one in given)

    def _weights(self, sample_weight: Array, losses: Array) -> Array:
        raise DataError(
            f"{type(self).__name__}: expected no sample_weight or class_weight, as the loss is not "
            "a mean over samples."
        )


class Dice(Tversky):
    """1 - 2 I / (sum of y + sum of p), where I = sum of y p: ``Tversky`` with halves.

    Milletari et al. (2016), with sums instead of sums of squares, as in Keras.

    >>> y, p = np.array([[1.0, 0.0, 1.0]]), np.array([[0.5, 0.5, 1.0]])
    >>> round(Dice()(y, p), 6)
    0.25
    """

    additive = True

    def __init__(self, axis: Axis = None) -> None:
        self._along(axis)

    def _sums(self, y: Array, p: Array) -> tuple[Array, Array]:
        axes = self._axes(p)
        both = np.sum(y * p, axis=axes, keepdims=True)
        whole = np.sum(y, axis=axes, keepdims=True) + np.sum(p, axis=axes, keepdims=True)
        return 2 * both, whole + EPSILON

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """(2 I - 2 y D) / D^2, where D is the sum of y and p."""
        y = y_true.astype(y_pred.dtype)
        twice, whole = self._sums(y, y_pred)
        return np.asarray((twice - 2 * y * whole) / np.square(whole))
