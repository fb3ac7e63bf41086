"""Activation functions, and their derivatives in terms of what they return.

Each derivative below can be written in y = f(x) alone, so a layer need remember
only its output: for the sigmoid, dx = dy * y * (1 - y).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.config import did_you_mean
from minicnn.errors import ConfigError
from minicnn.shapes import Array

__all__ = ["ACTIVATIONS", "Function", "get", "linear", "relu", "sigmoid", "softmax", "tanh"]


def linear(x: Array) -> Array:
    """x itself."""
    return x


def relu(x: Array) -> Array:
    """max(x, 0).

    >>> relu(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return np.asarray(np.maximum(x, 0))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow for large negative x.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def tanh(x: Array) -> Array:
    """The hyperbolic tangent.

    >>> tanh(np.array([0.0])).tolist()
    [0.0]
    """
    return np.asarray(np.tanh(x))


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) / sum of exp(x) along ``axis``, shifted by the maximum so nothing overflows.

    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def softmax_gradient(dy: Array, y: Array, axis: int = -1) -> Array:
    """The gradient through softmax: dx = y * (dy - sum of dy * y)."""
    return np.asarray(y * (dy - np.sum(dy * y, axis=axis, keepdims=True)))


class Function(NamedTuple):
    """An activation function and its derivative."""

    forward: Callable[[Array], Array]
    gradient: Callable[[Array, Array], Array]
    """(dy, y) -> dx."""


ACTIVATIONS: dict[str, Function] = {
    "linear": Function(linear, lambda dy, y: dy),
    "relu": Function(relu, lambda dy, y: dy * (y > 0)),
    "sigmoid": Function(sigmoid, lambda dy, y: dy * y * (1 - y)),
    "softmax": Function(softmax, softmax_gradient),
    "tanh": Function(tanh, lambda dy, y: dy * (1 - y * y)),
}


def get(who: str, name: str | None) -> Function:
    """The activation called ``name``; None is linear. Raises ``ConfigError`` for any other.

    >>> get("Dense", "relu").forward is relu
    True
    """
    key = "linear" if name is None else name
    if not isinstance(key, str) or key not in ACTIVATIONS:
        raise ConfigError(
            f"{who}: expected activation to be one of {', '.join(ACTIVATIONS)} or None, "
            f"got {name!r}.{did_you_mean(name, ACTIVATIONS)}"
        )
    return ACTIVATIONS[key]
