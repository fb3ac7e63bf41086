"""The optimizers."""

from typing import Any

from minicnn.config import by_name, find
from minicnn.optimizers.adam import Adam
from minicnn.optimizers.base import Optimizer
from minicnn.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer", "get"]

_BY_NAME = by_name((Adam, SGD))


def get(who: str, value: Any) -> Optimizer:
    """The optimizer that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Sequential", "sgd")
    SGD()
    """
    return find(who, "optimizer", value, Optimizer, _BY_NAME)
