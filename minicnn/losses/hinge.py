"""Losses that ask for a margin of 1 and are 0 beyond it."""

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import DataError
from minicnn.losses.base import Loss


class Hinge(Loss):
    """The mean of max(1 - y y_pred, 0) over all numbers, for labels y of -1 and 1.

    Labels of 0 and 1 are taken as -1 and 1.

    >>> Hinge()(np.array([0, 1]), np.array([[-2.0], [0.5]]))
    0.25
    """

    additive = True

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """Labels of -1 and 1, or of 0 and 1, which ``per_sample`` and ``slope`` make the same."""
        y_true = super().targets(y_true, output_shape)
        wrong = (np.abs(y_true) != 1) & (y_true != 0)
        if wrong.any() or ((y_true == 0).any() and (y_true == -1).any()):
            got = y_true[wrong][0] if wrong.any() else "all three"
            raise DataError(
                f"{type(self).__name__}: expected labels of -1 and 1, or of 0 and 1, got {got}."
            )
        return y_true

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        return np.asarray(np.maximum(self._lacking(y_true, y_pred), 0).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """-y inside the margin, 0 beyond it, over the length of the last axis."""
        inside = self._lacking(y_true, y_pred) > 0
        return np.asarray(-_signs(y_true) * inside / y_pred.shape[-1])

    def _lacking(self, y_true: Array, y_pred: Array) -> Array:
        return np.asarray(1 - _signs(y_true) * y_pred)


class SquaredHinge(Hinge):
    """The mean of max(1 - y y_pred, 0)^2 over all numbers, for labels y of -1 and 1.

    Labels of 0 and 1 are taken as -1 and 1.

    >>> SquaredHinge()(np.array([0, 1]), np.array([[-2.0], [0.5]]))
    0.125
    """

    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        return np.asarray(np.square(np.maximum(self._lacking(y_true, y_pred), 0)).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """-2 y max(1 - y y_pred, 0), over the length of the last axis."""
        lacking = np.maximum(self._lacking(y_true, y_pred), 0)
        return np.asarray(-2 * _signs(y_true) * lacking / y_pred.shape[-1])


class CategoricalHinge(Loss):
    """max(neg - pos + 1, 0), for one-hot labels y.

    pos = sum of y y_pred is the score of the right class, neg = max of (1 - y) y_pred the
    highest of the others, or 0 if that is higher: the right class counts as 0 among them,
    as in Keras.

    >>> CategoricalHinge()(np.array([[1, 0, 0]]), np.array([[0.5, 1.0, 0.1]]))
    1.5
    """

    additive = True

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """One row of numbers from 0 to 1 a sample."""
        return self.in_unit(super().targets(y_true, output_shape))

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """max(neg - pos + 1, 0)."""
        y_true = y_true.astype(y_pred.dtype)
        pos = np.sum(y_true * y_pred, axis=-1)
        neg = np.max((1 - y_true) * y_pred, axis=-1)
        return np.asarray(np.maximum(neg - pos + 1, 0), dtype=y_pred.dtype)

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """Within the margin -y, and 1 - y at the (first) place of neg."""
        y_true = y_true.astype(y_pred.dtype)
        wrong = (1 - y_true) * y_pred
        highest = np.zeros(y_pred.shape, bool)
        np.put_along_axis(highest, wrong.argmax(axis=-1)[..., None], True, axis=-1)
        inside = self.per_sample(y_true, y_pred)[..., None] > 0
        return np.asarray(inside * ((1 - y_true) * highest - y_true))


def _signs(y_true: Array) -> Array:
    return np.where(y_true == 1, 1, -1)
