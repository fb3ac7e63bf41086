"""Losses as functions under Keras' names, which give the loss of each sample.

    mean_squared_error(y_true, y_pred)         (N, ..., outputs) -> (N, ...)

They are made of the classes, whose arguments they take. Where a loss or a metric is asked for, as
in ``compile(loss=losses.mse)``, a function stands for the class of its name.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.signatures import arguments_of, checked
from minicnn.layers.whole import WholeTensor
from minicnn.losses.base import Loss

ENDS = [
    inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for name in ("y_true", "y_pred")
]
"""The first arguments of each function."""


def functions(classes: Mapping[str, type[Loss]]) -> dict[str, Callable[..., Array]]:
    """A function for each name of a class that is not the class's own."""
    return {name: _function(name, cls) for name, cls in classes.items() if name != cls.__name__}


def _function(name: str, cls: type[Loss]) -> Callable[..., Array]:
    def function(y_true: Any, y_pred: Any, **arguments: Any) -> Array:
        loss = cls(**arguments)
        if isinstance(y_pred, WholeTensor):
            return y_pred.losses(loss, y_true)  # type: ignore[return-value]
        y_true, y_pred = rows(y_true, y_pred)
        alone = y_pred.ndim == 1
        if alone:
            y_true, y_pred = y_true[None], y_pred[None]
        values = loss.per_sample(loss.targets(y_true, y_pred.shape[1:]), y_pred)
        return np.asarray(values[0] if alone and values.ndim else values, y_pred.dtype)

    about = f"The loss of each sample, of ``losses.{cls.__name__}``."
    return named(function, name, about, list(arguments_of(cls).values()))


def rows(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Labels, and predictions as floating-point numbers."""
    y_pred = np.asarray(y_pred)
    return np.asarray(y_true), y_pred if y_pred.dtype.kind == "f" else y_pred.astype(np.float32)


def named(
    function: Callable[..., Array], name: str, about: str, others: list[inspect.Parameter]
) -> Callable[..., Array]:
    """A function with the name, the text and the arguments that it has in Keras."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = about
    arguments = [one for one in others if one.name != "name"]
    function.__signature__ = inspect.Signature([*ENDS, *arguments])  # type: ignore[attr-defined]
    found = checked(function)
    vars(found)["stands_for"] = name
    return found
