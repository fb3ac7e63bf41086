"""The focal losses: cross-entropies in which right predictions count less.

Lin et al. (2017), "Focal Loss for Dense Object Detection", weigh the cross-entropy of a
prediction by (1 - its probability of the truth)^gamma. Where Keras clips probabilities that
come from logits at 1e-7, these do not: a sure and wrong answer keeps its gradient.
"""

from collections.abc import Sequence

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array, Shape
from minicnn.activations import sigmoid
from minicnn.errors import ConfigError
from minicnn.losses.base import EPSILON
from minicnn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    back_through_log,
    log_probabilities,
)


class BinaryFocalCrossentropy(BinaryCrossentropy):
    """w q^gamma times the binary cross-entropy, averaged over all numbers.

    q = y (1 - p) + (1 - y) p is the probability of the wrong answer; w = 1, or with
    ``apply_class_balancing`` w = y alpha + (1 - y)(1 - alpha). p, ``from_logits`` and
    ``label_smoothing`` are those of ``BinaryCrossentropy``, which this is for gamma = 0.

    >>> round(BinaryFocalCrossentropy()(np.array([1, 0]), np.array([[0.5], [0.5]])), 4)
    0.1733
    """

    additive = True

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(from_logits, label_smoothing)
        number("BinaryFocalCrossentropy", "alpha", alpha, least=0, most=1)
        number("BinaryFocalCrossentropy", "gamma", gamma, least=0)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma

    def each(self, y: Array, y_pred: Array) -> Array:
        """w q^gamma times the cross-entropy of every number, for smoothed labels."""
        q = self._wrong(y, y_pred)
        focal = q ** float(self.gamma) * super().each(y, y_pred)
        return np.asarray(self._balance(y) * focal)

    def each_slope(self, y: Array, y_pred: Array) -> Array:
        """The derivative of ``each``, by the product rule; by the logit dp = p (1 - p)."""
        q, gamma = self._wrong(y, y_pred), float(self.gamma)
        dp = sigmoid(y_pred) * sigmoid(-y_pred) if self.from_logits else 1
        # Where gamma < 1 the first factor would be infinite at q = 0.
        of_power = gamma * np.maximum(q, EPSILON) ** (gamma - 1) * (1 - 2 * y) * dp
        slope = of_power * super().each(y, y_pred) + q**gamma * super().each_slope(y, y_pred)
        return np.asarray(self._balance(y) * slope)

    def _wrong(self, y: Array, y_pred: Array) -> Array:
        if self.from_logits:
            return np.asarray(y * sigmoid(-y_pred) + (1 - y) * sigmoid(y_pred))
        return np.asarray(y * (1 - y_pred) + (1 - y) * y_pred)

    def _balance(self, y: Array) -> Array | int:
        alpha = float(self.alpha)
        return y * alpha + (1 - y) * (1 - alpha) if self.apply_class_balancing else 1


class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """-(sum over the classes of alpha (1 - p)^gamma y log p), for one-hot labels y.

    ``alpha`` is a number or one for each class. p, ``from_logits`` and ``label_smoothing``
    are those of ``CategoricalCrossentropy``, which this is for alpha = 1 and gamma = 0.

    >>> loss = CategoricalFocalCrossentropy()
    >>> round(loss(np.eye(2), np.array([[0.5, 0.5], [0.5, 0.5]])), 4)
    0.0433
    """

    additive = True

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(from_logits, label_smoothing)
        for weight in alpha if isinstance(alpha, Sequence) else (alpha,):
            number("CategoricalFocalCrossentropy", "alpha", weight, least=0)
        number("CategoricalFocalCrossentropy", "gamma", gamma, least=0)
        self.alpha = alpha
        self.gamma = gamma

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """One row of probabilities a sample; raises ``ConfigError`` where alpha does not fit."""
        if isinstance(self.alpha, Sequence) and len(self.alpha) != output_shape[-1]:
            raise ConfigError(
                f"CategoricalFocalCrossentropy: expected alpha as a number or {output_shape[-1]} "
                f"of them, one for each class, got {len(self.alpha)}."
            )
        return super().targets(y_true, output_shape)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """-(sum of alpha (1 - p)^gamma y log p)."""
        log_p = log_probabilities(y_pred, self.from_logits)
        weighted = self._alpha_y(y_true, y_pred) * _other(log_p) ** float(self.gamma)
        return np.asarray(-np.sum(weighted * log_p, axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """Back through log p from alpha y (gamma (1 - p)^(gamma - 1) p log p - (1 - p)^gamma)."""
        log_p = log_probabilities(y_pred, self.from_logits)
        q, gamma = _other(log_p), float(self.gamma)
        # Where gamma < 1 the power would be infinite at q = 0.
        of_power = gamma * np.maximum(q, EPSILON) ** (gamma - 1) * np.exp(log_p) * log_p
        per_log_p = self._alpha_y(y_true, y_pred) * (of_power - q**gamma)
        return back_through_log(per_log_p, y_pred, self.from_logits)

    def _alpha_y(self, y_true: Array, y_pred: Array) -> Array:
        alpha = np.asarray(self.alpha, y_pred.dtype)
        return np.asarray(alpha * self.smoothed(y_true, y_pred))


def _other(log_p: Array) -> Array:
    """1 - p, exact where p is almost 1."""
    return np.asarray(-np.expm1(log_p))
