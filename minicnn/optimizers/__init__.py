"""The optimizers; rate, clipping and weight decay, which all of them have, are in base.py."""

from typing import Any

from minicnn._core.config import find
from minicnn._keras.absent import asked
from minicnn.optimizers.adagrad import Adagrad
from minicnn.optimizers.adam import Adam, AdamW
from minicnn.optimizers.base import Optimizer
from minicnn.optimizers.lion import Lion
from minicnn.optimizers.nadam import Nadam
from minicnn.optimizers.rmsprop import RMSprop
from minicnn.optimizers.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Nadam", "Optimizer", "RMSprop", "get"]

__getattr__ = asked("optimizers")

_CLASSES = (Adagrad, Adam, AdamW, Lion, Nadam, RMSprop, SGD)
_BY_NAME = {name: cls for cls in _CLASSES for name in (cls.__name__.lower(), cls.__name__)}
"""Keras writes these in small letters without underscores: "rmsprop", "adamw"."""


def get(who: str, value: Any) -> Optimizer:
    """The optimizer that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Sequential", "sgd")
    SGD()
    """
    return find(who, "optimizer", value, Optimizer, _BY_NAME)
