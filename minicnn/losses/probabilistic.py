"""Losses between distributions and counts."""

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.losses.base import EPSILON, Loss


class KLDivergence(Loss):
    """The sum of y log(y / p) over the classes, for rows of probabilities y and p.

    Both are kept at 1e-7 or more, and at 1 or less. Kullback & Leibler (1951).

    >>> round(KLDivergence()(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])), 4)
    0.1438
    """

    aliases = ("kld", "KLD", "kullback_leibler_divergence")
    additive = True

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """One row of probabilities a sample."""
        return self.in_unit(super().targets(y_true, output_shape))

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The sum along the last axis."""
        y, p = (np.clip(values, EPSILON, 1) for values in (y_true.astype(y_pred.dtype), y_pred))
        return np.asarray(np.sum(y * np.log(y / p), axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """-y / p, and 0 where p is cut off."""
        y, p = (np.clip(values, EPSILON, 1) for values in (y_true.astype(y_pred.dtype), y_pred))
        return np.asarray(-(y / p) * (p == y_pred))


class Poisson(Loss):
    """The mean of p - y log(p + 1e-7): how unlikely counts y are, where p are expected.

    >>> round(Poisson()(np.array([[2.0]]), np.array([[1.5]])), 4)
    0.6891
    """

    additive = True

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        return np.asarray((y_pred - y_true * np.log(y_pred + EPSILON)).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """1 - y / (p + 1e-7), over the length of the last axis."""
        return np.asarray((1 - y_true / (y_pred + EPSILON)) / y_pred.shape[-1])
