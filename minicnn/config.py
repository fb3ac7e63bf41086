"""Objects that are nothing but their constructor's arguments, and finding them by name.

Layers, initializers, losses, metrics and optimizers store their arguments as
given, under the arguments' own names. Their repr, their config (what a model
file holds) and their copies are read off the constructor's signature.
"""

import inspect
import math
import operator
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from minicnn.errors import ConfigError


class Configurable:
    """The parent of everything that is described by its constructor's arguments."""

    keras_module: ClassVar[str] = ""
    """The module in which Keras has the class of this name."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as values that JSON can hold."""
        return {name: _plain(getattr(self, name)) for name in _arguments(type(self))}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an object from what ``get_config`` returned; JSON's lists become tuples."""
        return cls(**{name: _tuples(value) for name, value in config.items()})

    def __repr__(self) -> str:
        """The call that makes this object, without the arguments left at their defaults."""
        shown = []
        for name, argument in _arguments(type(self)).items():
            value = getattr(self, name)
            if argument.default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif value != argument.default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


INERT: dict[str, tuple[Any, ...]] = {
    "data_format": ("channels_last",),
    "groups": (1,),
    "loss_scale_factor": (1.0,),
    "reduction": ("sum_over_batch_size",),
    "axis": (-1,),
}
"""Arguments of Keras' that minicnn has not, and the values at which they change nothing.

So do None and False of any other.
"""

IGNORED = {
    "dtype",
    "ema_momentum",
    "ema_overwrite_frequency",
    "moving_mean_initializer",
    "moving_variance_initializer",
    "name",
    "renorm_momentum",
    "seed",
    "trainable",
}
"""Arguments of Keras' that say nothing, or only matter beside others that are refused."""


def accepted(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructor of ``cls`` takes of a saved config.

    Raises ``ConfigError`` for an argument that it does not take and that would change
    the meaning.

    >>> accepted(Configurable, {"groups": 1, "seed": 7})
    {}
    """
    known = _arguments(cls)
    for key, value in config.items():
        inert = value is None or value is False or value in INERT.get(key, ())
        if key not in known and key not in IGNORED and not inert:
            raise ConfigError(f"{cls.__name__}: argument {key!r} = {value!r} is not supported.")
    return {key: value for key, value in config.items() if key in known}


Kind = TypeVar("Kind", bound=Configurable)


def find(who: str, kind: str, value: Any, parent: type[Kind], table: Mapping[str, Any]) -> Kind:
    """The object that ``value`` stands for: itself, a name in ``table``, or a saved config.

    Raises ``ConfigError`` that lists the names when there is no such object.
    """
    if isinstance(value, parent):
        return value
    name, config = value, {}
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
        name, config = value.get("class_name"), value["config"]
    if isinstance(name, str) and name in table:
        found: Kind = table[name](**accepted(table[name], config))
        return found
    raise ConfigError(
        f"{who}: expected {kind} as {parent.__name__} or one of "
        f"{', '.join([n for n in table if n.islower()] or table)}; got {name!r}."
        f"{did_you_mean(name, table)}"
    )


def snake_case(name: str) -> str:
    """A class's name as Keras writes it in the names of layers and in files.

    >>> [snake_case(name) for name in ("Conv2D", "MaxPooling2D", "ReLU", "GlorotUniform")]
    ['conv2d', 'max_pooling2d', 're_lu', 'glorot_uniform']
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def did_you_mean(name: Any, names: Mapping[str, Any]) -> str:
    """A remedy naming the nearest of ``names``, or nothing when none is near.

    >>> did_you_mean("rleu", {"relu": 0, "tanh": 1})
    " Did you mean 'relu'?"
    """
    near = get_close_matches(str(name), names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def save_config(value: Configurable) -> dict[str, Any]:
    """``value`` as Keras' files describe an object inside another."""
    return {
        "module": value.keras_module,
        "class_name": type(value).__name__,
        "config": value.get_config(),
        "registered_name": None,
    }


def _arguments(cls: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls).parameters


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def number(
    who: str,
    argument: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise ``ConfigError`` unless ``value`` is a finite number within the bounds given.

    ``least`` and ``most`` are within them, ``above`` and ``below`` are not.

    >>> number("Dropout", "rate", 0.5, least=0, below=1)
    """
    bounds = [
        (f"{least} or more", least, operator.ge),
        (f"above {above}", above, operator.gt),
        (f"{most} or less", most, operator.le),
        (f"below {below}", below, operator.lt),
    ]
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if (
        real
        and math.isfinite(value)
        and all(within(value, bound) for _, bound, within in bounds if bound is not None)
    ):
        return
    texts = " and ".join(text for text, bound, _ in bounds if bound is not None)
    raise ConfigError(
        f"{who}: expected {argument} as a number{', ' * bool(texts)}{texts}, got {value!r}."
    )


def by_name(classes: Sequence[type], **aliases: type) -> dict[str, Any]:
    """A table of classes by their names in Keras: ``HeNormal`` and ``he_normal``."""
    table = {name: c for c in classes for name in (snake_case(c.__name__), c.__name__)}
    return table | aliases


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Configurable):
        return save_config(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
