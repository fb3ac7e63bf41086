"""Metrics as functions under Keras' names, which give the value of each sample."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minicnn import losses
from minicnn._core.shapes import Array
from minicnn._core.signatures import arguments_of
from minicnn.losses.functions import named, rows
from minicnn.metrics.accuracy import _Accuracy
from minicnn.metrics.base import Metric


def functions(classes: Mapping[str, type[Metric]]) -> dict[str, Callable[..., Array]]:
    """The losses that are metrics too, and a function for each accuracy: right 1, wrong 0."""
    found = {name: one for name, one in losses.FUNCTIONS.items() if name in classes}
    for name, cls in classes.items():
        if issubclass(cls, _Accuracy) and name != cls.__name__:
            found[name] = _function(name, cls)
    return found


def _function(name: str, cls: type[_Accuracy]) -> Callable[..., Array]:
    def function(y_true: Any, y_pred: Any, **arguments: Any) -> Array:
        y_true, y_pred = rows(y_true, y_pred)
        alone = y_pred.ndim == 1
        if alone:
            y_true, y_pred = y_true[None], y_pred[None]
        values = cls(name=name, **arguments).matches(y_true, y_pred).astype(np.float32)
        return np.asarray(values[0] if alone else values)

    about = f"Which samples are right, as ``metrics.{cls.__name__}`` counts them."
    return named(function, name, about, list(arguments_of(cls).values()))
