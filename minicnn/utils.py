"""Small functions, where Keras has them."""

from importlib import import_module
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.random_seed import set_random_seed
from minicnn._core.shapes import Array
from minicnn._keras.public_names import asked
from minicnn.data.arrays import as_array
from minicnn.errors import DataError

_DRAWN = ["model_to_dot", "plot_model"]

__all__ = [*_DRAWN, "set_random_seed", "to_categorical"]


def __getattr__(name: str) -> Any:
    """Pictures are drawn by a module that is loaded when it is asked for."""
    if name in _DRAWN:
        return getattr(import_module("minicnn.plots.networks"), name)
    return asked("utils")(name)


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers as one-hot rows: (...,) becomes (..., num_classes), as float64.

    A last axis of 1 is dropped. Raises ``DataError`` for labels that are not class numbers.

    >>> to_categorical([0, 2, 1]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    labels = as_array("to_categorical", x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.dtype.kind not in "biuf" or not labels.size or (labels != np.floor(labels)).any():
        raise DataError(
            f"to_categorical: expected class numbers, got {labels.dtype} {labels.shape}."
        )
    labels = labels.astype(np.intp)
    most = int(labels.max()) + 1
    classes = (
        most if num_classes is None else whole_number("to_categorical", "num_classes", num_classes)
    )
    if labels.min() < 0 or most > classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(
            f"to_categorical: expected class numbers from 0 to {classes - 1}, got {wrong}."
        )
    return np.eye(classes)[labels]
