"""A loss made of the user's own function of labels and predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import ConfigError, MiniCNNError, shown
from minicnn.layers.whole import BATCHES, WholeTensor, follow
from minicnn.losses.base import Loss
from minicnn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)

REMEDY = "Derive a class from minicnn.losses.Loss instead: docs/write_your_own.md."


def of_function(function: Callable[[Any, Any], Any]) -> Loss:
    """The loss that is a function (y_true, y_pred): its mean is trained.

    The function gives one number, or one for each sample or place. What it does with ``y_pred``
    must be arithmetic, slicing, losses of minicnn's or functions of ``minicnn.ops`` and
    ``minicnn.backend`` whose gradient is known: these become nodes, whose backward passes are their
    own. With ``y_true`` it may do anything. ``compile(loss=function)`` calls this. Raises
    ``ConfigError`` for a function that does anything else.

    >>> def dice_loss(y_true, y_pred):
    ...     both = ops.sum(y_true * y_pred)
    ...     return 1 - 2 * both / (ops.sum(y_true) + ops.sum(y_pred))
    >>> loss = of_function(dice_loss)
    >>> y, p = np.array([[1.0], [0.0]]), np.array([[0.5], [0.5]])
    >>> loss(y, p), loss.gradient(y, p).ravel().tolist()
    (0.5, [-0.75, 0.25])
    """
    return _FunctionLoss(function)


class _FunctionLoss(Loss):
    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"Loss: expected a function, got {shown(function)}.")
        self.function = function

    @property
    def who(self) -> str:
        """The name of the function, or of the class that has it."""
        named = getattr(self.function, "__name__", None)
        return str(named or type(self.function).__name__)

    def __repr__(self) -> str:
        return f"of_function({self.who})"

    def description(self) -> Any:
        """The name of a function, by which ``custom_objects`` has it; of a loss its description."""
        given = self.function
        return given.description() if isinstance(given, Loss) else self.who

    def targets(self, y_true: Array, output_shape: Shape) -> Array:
        """The labels, with as many axes as the predictions if one of size 1 is all they lack."""
        y_true = self._numbers("labels", y_true)
        rank = len(output_shape) + 1
        if y_true.ndim == rank - 1 and output_shape[-1:] == (1,):
            return y_true[..., None]
        return y_true[..., 0] if y_true.ndim == rank + 1 and y_true.shape[-1] == 1 else y_true

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """What the function gives."""
        return np.asarray(self._called(y_true, y_pred), y_pred.dtype)

    def __call__(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
        """The mean of what the function gives, times the weights."""
        y_pred = self._predictions(y_pred)
        y_true = self.targets(y_true, y_pred.shape[1:]).astype(y_pred.dtype, copy=False)
        values = self.per_sample(y_true, y_pred)
        weights = self._spread(values, y_pred, sample_weight)
        return float(np.sum(values * weights, dtype=np.float64))

    def gradient(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Array:
        """The derivative of the mean with respect to ``y_pred``."""
        y_pred = self._predictions(y_pred)
        y_true = self.targets(y_true, y_pred.shape[1:]).astype(y_pred.dtype, copy=False)
        with np.errstate(all="ignore"):
            found = follow(self.who, lambda x: self._called(y_true, x), y_pred)
            weights = self._spread(found.value, y_pred, sample_weight)
            return found.backward(np.broadcast_to(weights, found.value.shape))

    def _spread(self, values: Array, y_pred: Array, sample_weight: Array | None) -> Array:
        """What each value counts in the mean."""
        if sample_weight is None:
            return np.full(values.shape, 1 / max(values.size, 1), y_pred.dtype)
        if not values.ndim:
            return np.asarray(np.mean(self._weights(sample_weight, y_pred[..., 0])))
        weights = self._weights(sample_weight, values)
        return np.asarray(weights / values.dtype.type(max(values.size, 1)))

    def _called(self, y_true: Array, y_pred: Any) -> Any:
        try:
            call = self.function.call if isinstance(self.function, Loss) else self.function
            return call(y_true, y_pred)
        except MiniCNNError as error:
            raise ConfigError(f"{self.who}: {error}") from None
        except Exception as error:
            raise ConfigError(
                f"{self.who}: the loss cannot be called: {type(error).__name__}: {error} {REMEDY}"
            ) from None


def _crossentropy(cls: type[Loss]) -> Callable[..., WholeTensor]:
    """That of ``minicnn.ops``, for the predictions of a whole batch."""

    def function(
        target: Any, output: WholeTensor, from_logits: bool = False, axis: int = -1
    ) -> WholeTensor:
        return output.losses(cls(from_logits=from_logits), target)  # type: ignore[call-arg]

    return function


def _each(target: Any, output: WholeTensor, from_logits: bool = False) -> WholeTensor:
    """The binary cross-entropy of every number."""
    loss = BinaryCrossentropy(from_logits)

    def slope(dy: Array, true: Array, pred: Array) -> Array:
        return loss.slope(true[..., None], pred[..., None])[..., 0] * dy

    return output.node(
        lambda true, pred: loss.per_sample(true[..., None], pred[..., None]), slope, target
    )


BATCHES |= {
    "binary_crossentropy": _each,
    "categorical_crossentropy": _crossentropy(CategoricalCrossentropy),
    "sparse_categorical_crossentropy": _crossentropy(SparseCategoricalCrossentropy),
}
