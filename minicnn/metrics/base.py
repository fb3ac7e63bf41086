"""The base class of metrics: a value that is updated batch by batch."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn._core.arguments import check_array, check_name, check_state
from minicnn._core.config import Configurable, attributes
from minicnn._core.shapes import Array, Shape
from minicnn.data.arrays import as_array
from minicnn.errors import DataError


class Metric(Configurable):
    """A running value over batches of labels and predictions."""

    keras_module = "keras.metrics"

    def __init__(self, name: str) -> None:
        check_name(type(self).__name__, name, in_paths=False)
        self.name = name
        self.reset_state()

    def reset_state(self) -> None:
        """Reset to no batches."""
        raise TypeError(f"{type(self).__name__} defines no reset_state().")

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add one batch, in which each sample counts ``sample_weight`` times, (m,); None: once.

        A metric that takes no weights leaves the third argument out.
        """
        raise TypeError(f"{type(self).__name__} defines no update_state(y_true, y_pred).")

    def __call__(self, *batch: Any, **weights: Any) -> Any:
        """Add one batch, as ``update_state``, and give the value so far."""
        self.update_state(*batch, **weights)
        return self.result()

    def reset_states(self) -> None:
        """``reset_state``, as older scripts call it."""
        self.reset_state()

    def result(self) -> Any:
        """The value so far: a float, or an array of several numbers.

        Before the first batch a mean is NaN, and a ratio of counts is 0, as in Keras.
        """
        raise TypeError(f"{type(self).__name__} defines no result().")

    def get_state(self) -> dict[str, Any]:
        """Its counts, for a checkpoint in mid-epoch: numbers, texts, lists, arrays.

        These are its attributes, without the constructor's arguments and the library's objects,
        such as losses; a metric among them gives its own state. A metric that remembers anything
        else overrides this and ``set_state``.
        """
        given = inspect.signature(type(self)).parameters
        return {
            name: value.get_state() if isinstance(value, Metric) else copy.copy(value)
            for name, value in attributes(self).items()
            if isinstance(value, Metric) or not (name in given or isinstance(value, Configurable))
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what ``get_state`` returned."""
        check_state(type(self).__name__, self.get_state(), state)
        for name, value in state.items():
            part = getattr(self, name)
            if isinstance(part, Metric):
                part.set_state(value)
            else:
                vars(self)[name] = value


def predictions(metric: Metric, y_pred: Any) -> Array:
    """``y_pred`` as an array; raises ``DataError`` if it is masked or complex."""
    check_array(type(metric).__name__, y_pred)
    return np.asarray(y_pred)


def weights_like(metric: Metric, sample_weight: Any, values: Array) -> Array:
    """(m,) weights of samples, as those of all their ``values``.

    Raises ``DataError`` unless there is one for each sample.
    """
    weights = as_array(type(metric).__name__, sample_weight, "sample_weight")
    if weights.dtype.kind not in "biuf" or weights.reshape(-1).shape != values.shape[:1]:
        raise DataError(
            f"{type(metric).__name__}: expected sample_weight as {len(values)} numbers, one for "
            f"each sample, got {weights.dtype} {weights.shape}."
        )
    weights = weights.astype(np.float64).reshape(-1, *(1,) * (values.ndim - 1))
    return np.broadcast_to(weights, values.shape)


def expect(metric: Metric, y_true: Array, shape: Shape, remedy: str = "") -> Array:
    """``y_true`` in ``shape``, from which it may differ by a last axis of 1.

    Raises ``DataError`` for any other.
    """
    y_true = as_array(type(metric).__name__, y_true, "labels")
    check_array(type(metric).__name__, y_true)
    if y_true.shape not in (shape, (*shape, 1)) and (*y_true.shape, 1) != shape:
        raise DataError(
            f"{type(metric).__name__}: expected labels of shape {shape}, got {y_true.shape}."
            f"{remedy or _remedy(y_true.shape, shape)}"
        )
    return y_true.reshape(shape)


def _remedy(got: Shape, wanted: Shape) -> str:
    """The remedy for labels of another form, which mostly suit another metric."""
    if len(wanted) == 1 < len(got) and got[0] == wanted[0]:
        return " For one-hot labels take 'categorical_accuracy', or just 'accuracy'."
    if len(got) == 1 < len(wanted) and got[0] == wanted[0]:
        return " For class numbers take 'sparse_categorical_accuracy', or just 'accuracy'."
    return ""


def expect_bits(metric: Metric, y_true: Array, shape: Shape) -> Array:
    """``y_true`` in ``shape``, as booleans. Raises ``DataError`` unless all are 0 or 1."""
    remedy = " Class numbers become one-hot rows with np.eye(classes)[y]." * (len(shape) > 1)
    bits = expect(metric, y_true, shape, remedy)
    wrong = (bits != 0) & (bits != 1)
    if wrong.any():
        raise DataError(
            f"{type(metric).__name__}: expected labels of 0 and 1, got {bits[wrong][0]}."
        )
    return bits.astype(bool)
