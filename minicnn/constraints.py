"""Constraints: where a layer's parameters are put back to after each update, under Keras' names.

A layer takes them as ``kernel_constraint=MaxNorm(3)`` or by name ("max_norm"). A norm is the root
of the sum of squares along ``axis``: of all that one unit takes with axis=0 for the kernel of a
``Dense``, with axis=[0, 1, 2] for that of a ``Conv2D``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.config import Configurable, by_name, exported, find
from minicnn._core.shapes import Array
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError

__getattr__ = asked("constraints")

EPSILON = 1e-7
"""What is added to a norm before dividing by it, as in Keras."""

Axis = int | Sequence[int]


class Constraint(Configurable):
    """Where a parameter is put back to after each update.

    A custom one defines ``__call__``, which gives the new array:

    >>> class Even(Constraint):
    ...     def __call__(self, w):
    ...         return w - w.mean()
    >>> Even()(np.array([1.0, 3.0])).tolist()
    [-1.0, 1.0]
    """

    keras_module = "keras.constraints"

    def __call__(self, w: Array) -> Array:
        """The array that takes the place of ``w``, of its shape."""
        raise TypeError(f"{type(self).__name__} defines no __call__(w).")


class NonNeg(Constraint):
    """max(w, 0).

    >>> NonNeg()(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    aliases = ("nonneg",)

    def __call__(self, w: Array) -> Array:
        """Negative numbers become 0."""
        return np.maximum(w, 0)


class MaxNorm(Constraint):
    """A norm of ``max_value`` at most: w * min(|w|, max_value) / |w|.

    Srivastava et al. (2014). Raises ``ConfigError`` for arguments that make no sense.

    >>> MaxNorm(1.0)(np.array([[3.0, 0.3], [4.0, 0.4]])).round(4).tolist()
    [[0.6, 0.3], [0.8, 0.4]]
    """

    aliases = ("maxnorm",)

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        number("MaxNorm", "max_value", max_value, least=0)
        self.max_value = max_value
        self.axis = _checked("MaxNorm", axis)

    def __call__(self, w: Array) -> Array:
        """Units that are too long are cut."""
        norms = _norms(self, w, self.axis)
        return np.asarray(w * (np.minimum(norms, self.max_value) / (EPSILON + norms)), w.dtype)


class UnitNorm(Constraint):
    """A norm of 1: w / |w|.

    >>> UnitNorm()(np.array([[3.0], [4.0]])).round(4).tolist()
    [[0.6], [0.8]]
    """

    aliases = ("unitnorm",)

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = _checked("UnitNorm", axis)

    def __call__(self, w: Array) -> Array:
        """Every unit of length 1, but those of zeros."""
        return np.asarray(w / (EPSILON + _norms(self, w, self.axis)), w.dtype)


class MinMaxNorm(Constraint):
    """A norm from ``min_value`` to ``max_value``, or ``rate`` of the way there.

        w * (rate min(max(|w|, min_value), max_value) + (1 - rate) |w|) / |w|

    >>> MinMaxNorm(1.0, 2.0, rate=0.5)(np.array([[3.0], [4.0]])).round(4).tolist()
    [[2.1], [2.8]]
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        number("MinMaxNorm", "min_value", min_value, least=0)
        number("MinMaxNorm", "max_value", max_value, least=min_value)
        number("MinMaxNorm", "rate", rate, least=0, most=1)
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = _checked("MinMaxNorm", axis)

    def __call__(self, w: Array) -> Array:
        """Units that are too short or too long are brought nearer to what is allowed."""
        norms = _norms(self, w, self.axis)
        wanted = self.rate * np.clip(norms, self.min_value, self.max_value)
        wanted = wanted + (1 - self.rate) * norms
        return np.asarray(w * (wanted / (EPSILON + norms)), w.dtype)


def _checked(who: str, axis: Axis) -> Axis:
    """``axis``, a number or several of them; raises ``ConfigError`` for anything else."""
    axes = axis if isinstance(axis, tuple | list) else [axis]
    for one in axes:
        whole_number(who, "axis", one, least=-32, most=31)
    if not axes or len(set(axes)) < len(axes):
        raise ConfigError(f"{who}: expected axis as different numbers, got {axis!r}.")
    return axis


def _norms(constraint: Constraint, w: Array, axis: Axis) -> Array:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if any(not -w.ndim <= one < w.ndim for one in axes):
        who = type(constraint).__name__
        raise ConfigError(f"{who}: expected axis of an array of shape {w.shape}, got {axis!r}.")
    return np.asarray(np.sqrt(np.sum(np.square(w), axis=axes, keepdims=True)))


# Keras has each class under its name in snake case as well.
max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
# And of old.
maxnorm, nonneg, unitnorm = MaxNorm, NonNeg, UnitNorm

_BY_NAME = by_name(exported(Constraint, globals(), "get").values())


def get(who: str, argument: str, value: Any) -> Constraint:
    """The constraint that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Dense", "kernel_constraint", "max_norm")
    MaxNorm()
    """
    return find(who, argument, value, Constraint, _BY_NAME)
