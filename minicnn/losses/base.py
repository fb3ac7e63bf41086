"""The base class of losses: a mean over the batch, and its gradient."""

import copy
import math
from typing import Any, ClassVar, Self

import numpy as np

from minicnn._core.arguments import check_array
from minicnn._core.config import Configurable
from minicnn._core.shapes import Array, Shape
from minicnn.data.arrays import as_array
from minicnn.errors import ConfigError, DataError, shown
from minicnn.layers.whole import WholeTensor

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1 before a logarithm, as in Keras."""

REDUCTIONS: dict[str | None, str] = {
    **dict.fromkeys(("sum_over_batch_size", "auto", "mean"), "sum_over_batch_size"),
    "sum": "sum",
    "none": "none",
    None: "none",
}
"""What ``reduction`` may be, and what it means."""

SPARSE = "'sparse_categorical_crossentropy'"
CATEGORICAL = "'categorical_crossentropy'"
BINARY = "'binary_crossentropy'"
FLATTEN = " Put Flatten() or GlobalAvgPool() before the last Dense."


class Loss(Configurable):
    """A number that says how wrong predictions are, and its gradient.

    With predictions of shape (N, ..., outputs) there is one loss L for each place along
    all axes but the last. The loss is

        sum of sample_weight * L / the number of losses,

    which is not divided by the sum of the weights, as in Keras. With ``reduction="sum"`` a call
    gives the sum alone, with "none" the losses in an array; only the mean can be trained. A custom
    loss defines ``per_sample`` and ``slope``:

    >>> class FourthPower(Loss):
    ...     def per_sample(self, y_true, y_pred):
    ...         return ((y_pred - y_true) ** 4).mean(axis=-1)
    ...     def slope(self, y_true, y_pred):
    ...         return 4 * (y_pred - y_true) ** 3 / y_pred.shape[-1]
    >>> FourthPower()(np.array([[0.0], [0.0]]), np.array([[1.0], [2.0]]))
    8.5
    """

    keras_module = "keras.losses"
    settable: ClassVar = {"reduction": "reduction"}

    _reduction = "sum_over_batch_size"

    activation: ClassVar[str] = ""
    """The last activation with which this loss can be fused."""

    passes: ClassVar[frozenset[str]] = frozenset(
        ("__call__", "gradient", "targets", "per_sample", "slope", "count")
    )
    """The methods that ``additive`` depends on."""

    additive: bool = False
    """Whether the loss of a batch is the mean over its shards, weighted by their sizes. A subclass
    that overrides one of ``passes`` must declare it again."""

    @property
    def reduction(self) -> str:
        """What a call makes of the losses: "sum_over_batch_size" (their mean), "sum" or "none"."""
        return self._reduction

    @reduction.setter
    def reduction(self, value: Any) -> None:
        if not isinstance(value, str | None) or value not in REDUCTIONS:
            raise ConfigError(
                f"{type(self).__name__}: expected reduction as 'sum_over_batch_size', 'sum' or "
                f"'none', got {shown(value)}."
            )
        self._reduction = REDUCTIONS[value]

    def __call__(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
        """The mean loss of a batch; ``sample_weight`` (N,) or one for each of the losses.

        Raises ``DataError`` when the labels or the weights do not fit.
        """
        if isinstance(y_pred, WholeTensor):  # within a function that is a loss itself
            return y_pred.losses(self, y_true).mean()
        y_pred = self._predictions(y_pred)
        y_true = self.targets(y_true, y_pred.shape[1:])
        losses = self.per_sample(y_true, y_pred)
        if sample_weight is not None:
            losses = losses * self._weights(sample_weight, losses)
        if self.reduction == "none":
            return losses  # type: ignore[return-value]
        count = 1 if self.reduction == "sum" else self.count(y_true, y_pred)
        return float(np.sum(losses, dtype=np.float64) / count)

    def gradient(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Array:
        """The derivative of the mean loss with respect to ``y_pred``, in its shape and dtype."""
        y_pred = self._predictions(y_pred)
        y_true = self.targets(y_true, y_pred.shape[1:])
        slope = self.slope(y_true, y_pred)
        if sample_weight is not None:
            slope = slope * self._weights(sample_weight, y_pred[..., 0])[..., None]
        return np.asarray(slope / self.count(y_true, y_pred), dtype=y_pred.dtype)

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """``y_true`` in the form the loss computes with, for predictions (N, *output_shape).

        Raises ``DataError`` when the labels cannot be that.
        """
        y_true = self._numbers("labels", y_true)
        shape = (len(y_true), *output_shape) if y_true.ndim else output_shape
        if y_true.shape != shape and (*y_true.shape, 1) != shape:
            raise DataError(
                f"{type(self).__name__}: expected labels of shape {show(output_shape)}, like the "
                f"predictions, got {y_true.shape}." + self._remedy(y_true, output_shape)
            )
        return y_true.reshape(shape)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """The loss of each sample."""
        if hasattr(self, "call"):  # as Keras has it: see losses/traced.py
            return np.asarray(self.call(y_true, y_pred))
        raise TypeError(f"{type(self).__name__} defines no per_sample(y_true, y_pred).")

    def slope(self, y_true: Array, y_pred: Array) -> Array:
        """The derivative of each sample's loss with respect to ``y_pred``."""
        raise TypeError(f"{type(self).__name__} defines no slope(y_true, y_pred).")

    def count(self, y_true: Array, y_pred: Array) -> int:
        """The number of losses in the mean, at least 1."""
        return max(math.prod(y_pred.shape[:-1]), 1)

    def on_logits(self) -> Self:
        """The same loss with ``from_logits=True``."""
        fused = copy.copy(self)
        vars(fused)["from_logits"] = True
        return fused

    def _predictions(self, y_pred: Array) -> Array:
        check_array(type(self).__name__, y_pred)
        y_pred = np.asarray(y_pred)
        if y_pred.dtype.kind != "f" or y_pred.ndim < 2:
            raise DataError(
                f"{type(self).__name__}: expected predictions as floating-point numbers of shape "
                f"(N, ..., outputs), got {y_pred.dtype} {y_pred.shape}."
            )
        return y_pred

    def _weights(self, sample_weight: Array, losses: Array) -> Array:
        """The weights in the dtype of the losses, with axes of 1 where they have fewer."""
        weight = self._numbers("sample_weight", sample_weight)
        shape = losses.shape
        if weight.shape not in (shape, (*shape, 1), shape[:1]):
            raise DataError(
                f"{type(self).__name__}: expected sample_weight of shape ({len(losses)},), one "
                f"for each sample, or {shape}, got {weight.shape}."
            )
        if not np.isfinite(weight).all():
            raise DataError(
                f"{type(self).__name__}: expected sample_weight as finite numbers, got "
                f"{weight[~np.isfinite(weight)][0]}."
            )
        if weight.size == len(losses):
            shape = (len(losses), *(1,) * (losses.ndim - 1))
        return weight.reshape(shape).astype(losses.dtype, copy=False)

    def in_unit(self, y_true: Array) -> Array:
        """``y_true``; raises ``DataError`` unless all of it lies between 0 and 1."""
        wrong = ~((y_true >= 0) & (y_true <= 1))
        if wrong.any():
            raise DataError(
                f"{type(self).__name__}: expected labels from 0 to 1, got {y_true[wrong][0]}."
                + _beyond_unit(y_true)
            )
        return y_true

    def _numbers(self, what: str, values: Array) -> Array:
        values = as_array(type(self).__name__, values, what)
        if values.dtype.kind not in "buif":
            raise DataError(
                f"{type(self).__name__}: expected {what} as numbers, got {values.dtype}."
            )
        return values

    def _remedy(self, y_true: Array, output_shape: Shape) -> str:
        """The remedy for labels of another shape than the predictions', or ""."""
        got = y_true.shape[1:-1] if y_true.shape[-1:] == (1,) else y_true.shape[1:]
        outputs = output_shape[-1]
        if len(output_shape) > 1 and len(got) < len(output_shape) - 1:
            return FLATTEN
        if got == output_shape[:-1] and outputs > 1:
            return self._of_class_numbers(y_true, outputs)
        if len(got) == len(output_shape) == 1 and outputs == 1 and one_hot(y_true):
            return f" One-hot labels take Dense({got[0]}, 'softmax') and {CATEGORICAL}."
        if len(got) == len(output_shape) and got[:-1] == output_shape[:-1]:
            return f" Labels of {got[-1]} columns take {got[-1]} outputs: Dense({got[-1]})."
        return ""

    def _of_class_numbers(self, y_true: Array, outputs: int) -> str:
        """The remedy for one number a sample beside several outputs."""
        if (y_true != np.floor(y_true)).any():
            return " One number for each sample takes one output: Dense(1)."
        return f" Labels that are class numbers go with {SPARSE}, or become np.eye({outputs})[y]."


def _beyond_unit(y_true: Array) -> str:
    if y_true.shape[-1] > 1 or (y_true != np.floor(y_true)).any():
        return " For other numbers (regression) take 'mean_squared_error'."
    if set(np.unique(y_true)) <= {-1, 1}:
        return " Of -1 and 1 make 0 and 1: (y + 1) / 2."
    if set(np.unique(y_true)) <= {1, 2}:
        return " Count the classes from 0: y - 1."
    return f" Class numbers of more than two classes take Dense(classes, 'softmax') and {SPARSE}."


def one_hot(y: Array) -> bool:
    """Whether the labels are rows with a single 1 in each."""
    return bool(y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def show(shape: Shape) -> str:
    """A shape without its batch axis, with N for that."""
    return f"({', '.join(['N', *map(str, shape)])}{'' if shape else ','})"
