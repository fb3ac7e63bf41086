"""The optimizers; rate, clipping and weight decay, which all of them have, are in base.py."""

import sys
from typing import Any

from minicnn._core.config import exported, find
from minicnn._keras.public_names import asked
from minicnn.optimizers.adadelta import Adadelta as Adadelta
from minicnn.optimizers.adagrad import Adagrad as Adagrad
from minicnn.optimizers.adam import Adam as Adam
from minicnn.optimizers.adam import AdamW as AdamW
from minicnn.optimizers.adamax import Adamax as Adamax
from minicnn.optimizers.base import Optimizer as Optimizer
from minicnn.optimizers.ftrl import Ftrl as Ftrl
from minicnn.optimizers.lion import Lion as Lion
from minicnn.optimizers.nadam import Nadam as Nadam
from minicnn.optimizers.rmsprop import RMSprop as RMSprop
from minicnn.optimizers.sgd import SGD as SGD

__getattr__ = asked("optimizers")

_CLASSES = exported(Optimizer, globals(), "get").values()
_BY_NAME = {name: cls for cls in _CLASSES for name in (cls.__name__.lower(), cls.__name__)}
"""Keras writes these in small letters without underscores: "rmsprop", "adamw"."""


legacy = sys.modules[__name__]
"""Where tf.keras 2.11 put its older optimizers, which are the same classes here."""


def get(who: str, value: Any) -> Optimizer:
    """The optimizer that ``value`` names; raises ``ConfigError`` when there is none.

    Names may be in capitals, as in Keras.

    >>> get("Sequential", "sgd")
    SGD()
    """
    if isinstance(value, str) and value.lower() in _BY_NAME:
        value = value.lower()
    return find(who, "optimizer", value, Optimizer, _BY_NAME)
