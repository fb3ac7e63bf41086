"""What a classifier gives each class, and the labels that go with it."""

from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.activations import ACTIVATIONS
from minicnn.data import Dataset
from minicnn.errors import ConfigError, DataError
from minicnn.models.base import BaseModel

ROUNDING = 1e-3
"""How far from 1 the sum of probabilities may be."""


def probabilities(model: Any, x: Any) -> Array:
    """The probability of each class for each sample: (N, classes).

    ``model`` is a model of one output, or what such a model predicted. A single output is the
    probability of class 1; where the loss takes logits, their softmax or sigmoid is taken. Raises
    ``ConfigError`` for a model of several inputs or outputs, ``DataError`` for predictions that are
    no probabilities.

    >>> probabilities(np.array([[0.25], [1.0]]), None).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    outputs = _outputs(model, x) if isinstance(model, BaseModel) else np.asarray(model)
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.ndim != 2 or outputs.dtype.kind != "f":
        raise DataError(
            "probabilities: expected predictions (N, classes), floating-point numbers, got "
            f"{outputs.dtype} {outputs.shape}."
        )
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    if not (outputs >= -ROUNDING).all() or not (abs(outputs.sum(axis=1) - 1) < ROUNDING).all():
        raise DataError(
            "probabilities: expected numbers from 0 that add up to 1 for each sample, got "
            f"{outputs.min():.3g} to {outputs.max():.3g}. Compile the model with "
            "from_logits=True, or end it in activation='softmax'."
        )
    return outputs


def _outputs(model: BaseModel, x: Any) -> Array:
    if len(model.outputs) > 1 or len(model.inputs) > 1:
        raise ConfigError(
            f"{model.name}: expected a model of one input and one output, that names classes, got "
            f"{len(model.inputs)} and {len(model.outputs)}."
        )
    loss: Any = getattr(model, "loss", None)
    outputs: Array = model.predict(x)
    if getattr(loss, "from_logits", False):
        outputs = ACTIVATIONS[loss.activation].forward(outputs)
    return outputs


def pairs(who: str, x: Any, y: Any = None) -> tuple[Any, Array]:
    """(x, y) of a data set or of two arrays, with y as class numbers; one-hot rows become them.

    Raises ``DataError`` for labels that are none.
    """
    if isinstance(x, Dataset):
        x, y = x.x, x.y
    elif y is None and isinstance(x, tuple) and len(x) == 2:
        x, y = x
    if y is None:
        raise DataError(f"{who}: expected a data set, (x, y), or x and y; got no labels.")
    return x, class_numbers(who, y)


def class_numbers(who: str, y: Any) -> Array:
    """Labels (N,), (N, 1) or one-hot (N, classes) as class numbers (N,)."""
    y = np.asarray(y)
    if y.ndim == 2:
        y = y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)
    if y.ndim != 1 or y.dtype.kind not in "buif" or (y != np.floor(y)).any() or (y < 0).any():
        raise DataError(
            f"{who}: expected class numbers (N,) or one-hot labels (N, classes), got {y.dtype} "
            f"{y.shape}."
        )
    return np.asarray(y, np.intp)


def check_labels(who: str, y: Array, scores: Array) -> None:
    """Raise ``DataError`` unless there is a label for each prediction, of a class it has."""
    if len(y) != len(scores) or not len(y):
        raise DataError(
            f"{who}: expected a label for each prediction, and at least one, got {len(y)} labels "
            f"and {len(scores)} predictions."
        )
    if y.max() >= scores.shape[1]:
        raise DataError(
            f"{who}: expected labels from 0 to {scores.shape[1] - 1}, as many as the predictions "
            f"have classes, got {y.max()}."
        )
