"""Regularizers: penalties on a layer's parameters, added to the loss.

A layer takes them as ``kernel_regularizer=L2(1e-4)`` or by name ("l2"). The penalty counts in
the loss that training and evaluation report, as in Keras, and its gradient is added to the
parameter's.
"""

from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.config import Configurable, by_name, exported, find
from minicnn._core.shapes import Array
from minicnn._keras.public_names import asked

__getattr__ = asked("regularizers")


class Regularizer(Configurable):
    """A penalty on the size of a parameter's numbers."""

    keras_module = "keras.regularizers"

    def __call__(self, x: Array) -> float:
        """The penalty."""
        raise TypeError(f"{type(self).__name__} defines no __call__(x).")

    def gradient(self, x: Array) -> Array:
        """Its derivative with respect to x, in the shape and dtype of x."""
        raise TypeError(f"{type(self).__name__} defines no gradient(x).")


class L1L2(Regularizer):
    """l1 * sum of |x| + l2 * sum of x^2 (without a half, as in Keras).

    At 0 the derivative of |x| is taken as 0. Raises ``ConfigError`` unless both are 0 or more.

    >>> penalty = L1L2(l1=0.1, l2=0.01)
    >>> x = np.array([1.0, -2.0])
    >>> round(penalty(x), 6), penalty.gradient(x).round(6).tolist()
    (0.35, [0.12, -0.14])
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        number(type(self).__name__, "l1", l1, least=0)
        number(type(self).__name__, "l2", l2, least=0)
        self.l1 = l1
        self.l2 = l2

    def __call__(self, x: Array) -> float:
        """The penalty, summed in double precision."""
        absolute = float(np.abs(x).sum(dtype=np.float64)) if self.l1 else 0.0
        return float(self.l1) * absolute + float(self.l2) * float(
            np.square(x).sum(dtype=np.float64)
        )

    def gradient(self, x: Array) -> Array:
        """l1 * sign(x) + 2 * l2 * x."""
        slope = x * (2 * float(self.l2))
        if self.l1:
            slope += float(self.l1) * np.sign(x)
        return np.asarray(slope)


class L1(L1L2):
    """l1 * sum of |x|.

    >>> L1(0.1)(np.array([1.0, -2.0]))
    0.30000000000000004
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2 * sum of x^2.

    >>> L2(0.1)(np.array([1.0, -2.0]))
    0.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


l1, l2, l1_l2 = L1, L2, L1L2

_BY_NAME = by_name(exported(Regularizer, globals(), "get").values())


def get(who: str, argument: str, value: Any) -> Regularizer:
    """The regularizer that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Dense", "kernel_regularizer", "l2")
    L2()
    """
    return find(who, argument, value, Regularizer, _BY_NAME)
