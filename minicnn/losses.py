"""Losses: the number that training makes small, and its gradient.

``loss(y_true, y_pred)`` is the mean over the batch, ``loss.gradient(y_true,
y_pred)`` its derivative with respect to y_pred.

The cross-entropies take probabilities, or with ``from_logits=True`` what goes
into the softmax or sigmoid. The latter cannot overflow, and its gradient is
simply (p - y) / N. A model that ends in a softmax or sigmoid and is compiled with
the cross-entropy that belongs to it is trained that way.
"""

import copy
from typing import Any, ClassVar, Self

import numpy as np

from minicnn.activations import sigmoid, softmax
from minicnn.config import Configurable, by_name, find, number
from minicnn.errors import DataError
from minicnn.shapes import Array, Shape

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1 before a logarithm, as in Keras."""


class Loss(Configurable):
    """A number that says how wrong predictions are, and its gradient."""

    keras_module = "keras.losses"

    activation: ClassVar[str] = ""
    """The last activation with which this loss can be fused."""

    def __call__(self, y_true: Array, y_pred: Array) -> float:
        """The mean loss of a batch. Raises ``DataError`` when the labels do not fit."""
        y_pred = self._predictions(y_pred)
        y_true = self.targets(y_true, y_pred.shape[1:])
        return float(np.mean(self.per_sample(y_true, y_pred), dtype=np.float64))

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """The derivative of the mean loss with respect to ``y_pred``, in its shape and dtype."""
        y_pred = self._predictions(y_pred)
        y_true = self.targets(y_true, y_pred.shape[1:])
        count = max(y_pred.size // y_pred.shape[-1], 1)
        slope = self.slope(y_true, y_pred)
        return np.asarray(slope / count, dtype=y_pred.dtype)

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """``y_true`` in the form the loss computes with, for predictions (N, *output_shape).

        Raises ``DataError`` when the labels cannot be that.
        """
        y_true = np.asarray(y_true)
        shape = (len(y_true), *output_shape) if y_true.ndim else output_shape
        if y_true.shape != shape and (*y_true.shape, 1) != shape:
            raise DataError(
                f"{type(self).__name__}: expected labels of shape {_show(output_shape)}, like the "
                f"predictions, got {y_true.shape}." + self._remedy(y_true)
            )
        return y_true.reshape(shape)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The loss of each sample."""
        raise TypeError(f"{type(self).__name__} defines no per_sample(y_true, y_pred).")

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """The derivative of each sample's own loss with respect to ``y_pred``."""
        raise TypeError(f"{type(self).__name__} defines no slope(y_true, y_pred).")

    def on_logits(self) -> Self:
        """The same loss with ``from_logits=True``."""
        fused = copy.copy(self)
        fused.from_logits = True  # type: ignore[attr-defined]
        return fused

    def _predictions(self, y_pred: Array) -> Array:
        y_pred = np.asarray(y_pred)
        if y_pred.dtype.kind != "f" or y_pred.ndim < 2:
            raise DataError(
                f"{type(self).__name__}: expected predictions as floating-point numbers of shape "
                f"(N, ..., outputs), got {y_pred.dtype} {y_pred.shape}."
            )
        return y_pred

    def _remedy(self, y_true: Array) -> str:
        return ""


class MeanSquaredError(Loss):
    """The mean of (y_pred - y_true)^2 over all numbers.

    >>> MeanSquaredError()(np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]]))
    0.5
    """

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean square along the last axis."""
        return np.asarray(np.square(y_pred - y_true).mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """2 (y_pred - y_true) / the length of the last axis."""
        return np.asarray(2 * (y_pred - y_true) / y_pred.shape[-1])


class BinaryCrossentropy(Loss):
    """-(y log p + (1 - y) log(1 - p)), averaged over all numbers.

    p is ``y_pred``, or its sigmoid with ``from_logits``, when the loss is computed as
    max(z, 0) - z y + log(1 + exp(-|z|)). ``label_smoothing`` s moves labels from
    0 and 1 to s / 2 and 1 - s / 2.

    >>> round(BinaryCrossentropy()(np.array([1, 0]), np.array([[0.5], [0.5]])), 4)
    0.6931
    """

    activation = "sigmoid"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = _check_smoothing(self, label_smoothing)

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """Labels between 0 and 1, smoothed by ``per_sample`` and ``slope``."""
        return _check_unit(self, super().targets(y_true, output_shape))

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The mean along the last axis."""
        y = self._smoothed(y_true, y_pred)
        if self.from_logits:
            z = y_pred
            loss = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
        else:
            p = _clipped(y_pred)
            loss = -(y * np.log(p) + (1 - y) * np.log1p(-p))
        return np.asarray(loss.mean(axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """(p - y), over p (1 - p) for probabilities, over the length of the last axis."""
        y = self._smoothed(y_true, y_pred)
        if self.from_logits:
            return np.asarray((sigmoid(y_pred) - y) / y_pred.shape[-1])
        p = _clipped(y_pred)
        return np.asarray((p == y_pred) * (p - y) / (p * (1 - p)) / y_pred.shape[-1])

    def _smoothed(self, y_true: Array, y_pred: Array) -> Array:
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

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = _check_smoothing(self, label_smoothing)

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """One row of probabilities a sample."""
        return _check_unit(self, super().targets(y_true, output_shape))

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """-(sum of y log p)."""
        y = self._smoothed(y_true, y_pred)
        return np.asarray(-np.sum(y * _log_probabilities(y_pred, self.from_logits), axis=-1))

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """(sum of y) p - y for logits, else carried back through the division and the clip."""
        y = self._smoothed(y_true, y_pred)
        if self.from_logits:
            return np.asarray(y.sum(axis=-1, keepdims=True) * softmax(y_pred) - y)
        return _slope_on_probabilities(y, y_pred)

    def _smoothed(self, y_true: Array, y_pred: Array) -> Array:
        s = float(self.label_smoothing)
        return np.asarray(y_true.astype(y_pred.dtype) * (1 - s) + s / y_pred.shape[-1])

    def _remedy(self, y_true: Array) -> str:
        return (
            " Labels that are class numbers go with 'sparse_categorical_crossentropy'."
            if y_true.ndim == 1
            else ""
        )


class SparseCategoricalCrossentropy(Loss):
    """-(log p of the right class), for labels that are class numbers from 0.

    p is ``y_pred`` divided by its sum, or the softmax of ``y_pred`` with ``from_logits``.

    >>> round(SparseCategoricalCrossentropy()(np.array([1]), np.array([[0.5, 0.5]])), 4)
    0.6931
    """

    activation = "softmax"

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """Whole numbers of shape (N, *output_shape[:-1]), each below the number of classes."""
        y_true = np.asarray(y_true)
        shape = (len(y_true), *output_shape[:-1]) if y_true.ndim else output_shape[:-1]
        if y_true.shape not in (shape, (*shape, 1)):
            remedy = ""
            if y_true.shape == (*shape, output_shape[-1]):
                remedy = " Labels that are one-hot go with 'categorical_crossentropy'."
            raise DataError(
                f"{type(self).__name__}: expected labels that are class numbers, of shape "
                f"{_show(output_shape[:-1])}, got {y_true.shape}.{remedy}"
            )
        y_true, classes = y_true.reshape(shape), output_shape[-1]
        wrong = (y_true < 0) | (y_true >= classes) | (y_true != np.floor(y_true))
        if wrong.any():
            raise DataError(
                f"{type(self).__name__}: expected labels from 0 to {classes - 1}, as the model "
                f"has {classes} outputs, got {y_true[wrong][0]}."
            )
        return y_true.astype(np.intp, copy=False)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """-(log p of the label)."""
        log_p = _log_probabilities(y_pred, self.from_logits)
        return np.asarray(-np.take_along_axis(log_p, y_true[..., None], axis=-1)[..., 0])

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """Softmax minus one-hot for logits, else carried back through division and clip."""
        y = np.zeros_like(y_pred)
        np.put_along_axis(y, y_true[..., None], 1, axis=-1)
        if self.from_logits:
            return np.asarray(softmax(y_pred) - y)
        return _slope_on_probabilities(y, y_pred)


def _log_probabilities(y_pred: Array, from_logits: bool) -> Array:
    if from_logits:
        shifted = y_pred - y_pred.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    return np.asarray(np.log(_clipped(y_pred / y_pred.sum(axis=-1, keepdims=True))))


def _slope_on_probabilities(y: Array, y_pred: Array) -> Array:
    total = y_pred.sum(axis=-1, keepdims=True)
    p = y_pred / total
    inside = _clipped(p) == p
    per_p = -y * inside / np.where(inside, p, 1)
    return np.asarray((per_p - np.sum(per_p * p, axis=-1, keepdims=True)) / total)


def _clipped(p: Array) -> Array:
    return np.asarray(np.clip(p, EPSILON, 1 - EPSILON))


def _check_smoothing(loss: Loss, smoothing: float) -> float:
    number(type(loss).__name__, "label_smoothing", smoothing, least=0, most=1)
    return smoothing


def _check_unit(loss: Loss, y_true: Array) -> Array:
    wrong = ~((y_true >= 0) & (y_true <= 1))
    if wrong.any():
        raise DataError(
            f"{type(loss).__name__}: expected labels from 0 to 1, got {y_true[wrong][0]}."
        )
    return y_true


def _show(shape: Shape) -> str:
    return f"({', '.join(['N', *map(str, shape)])}{'' if shape else ','})"


_BY_NAME = by_name(
    (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        MeanSquaredError,
        SparseCategoricalCrossentropy,
    ),
    mse=MeanSquaredError,
)


def get(who: str, value: Any) -> Loss:
    """The loss that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Sequential", "mse")
    MeanSquaredError()
    """
    return find(who, "loss", value, Loss, _BY_NAME)
