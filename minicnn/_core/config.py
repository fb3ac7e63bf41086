"""Objects that are nothing but their constructor's arguments, and finding them by name.

Layers, initializers, losses, metrics and optimizers store their arguments as
given, under the arguments' names. Their repr, their config (what a model
file holds) and their copies are read off the constructor's signature.
"""

import inspect
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from minicnn._core.custom_objects import get_custom_objects
from minicnn._core.signatures import (
    accepted,
    arguments_of,
    check_booleans,
    modern_arguments,
    taken_arguments,
    without_arrays,
)
from minicnn._core.suggestions import did_you_mean
from minicnn._keras.arguments import RENAMED
from minicnn._keras.attributes import raise_no_attribute
from minicnn._keras.descriptions import FunctionName, described
from minicnn._keras.spelling import snake_case
from minicnn.errors import ConfigError, NameUnknownError, shown


class _Checked(type):
    """A class that answers a call with arguments it does not take in one line, by name."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        _refuse_call(cls)
        settable: Mapping[str, str] = cls.settable  # type: ignore[attr-defined]
        if not is_custom(cls):
            args, kwargs = without_arrays(cls.__name__, args, kwargs)
        kwargs = modern_arguments(cls.__name__, {**arguments_of(cls), **settable}, kwargs)
        others = settable.keys() & (kwargs.keys() - arguments_of(cls).keys())
        common = {settable[key]: kwargs.pop(key) for key in others}
        signature = inspect.signature(cls)
        kwargs = taken_arguments(cls.__name__, signature, args, kwargs)
        if not is_custom(cls):
            check_booleans(cls.__name__, signature, args, kwargs)
        made = super().__call__(*args, **kwargs)
        for key, value in common.items():
            setattr(made, key, value)
        close(made)
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """That of the constructor, for ``help`` and ``inspect``."""
        return inspect.Signature(list(arguments_of(cls).values()))


def _refuse_call(cls: type) -> None:
    """Raise ``ConfigError`` for a class that is written as in Keras, with a ``call`` of tensors."""
    for parent in cls.__mro__:
        if "in_place_of_call" in vars(parent):
            method, remedy = vars(parent)["in_place_of_call"]
            own = cls.__mro__[: cls.__mro__.index(parent)]
            if any("call" in vars(one) for one in own) and not any(
                method in vars(one) for one in own
            ):
                raise ConfigError(
                    f"{cls.__name__}: its call computes with tensors that know their derivatives, "
                    f"which minicnn has not. {remedy}"
                )


class Guarded:
    """The parent of objects whose attributes can be set, but no others.

    ``dropout.p = 0.1`` would else be taken and ignored. What is an argument of the constructor
    is checked as there, and what is derived from it follows. Classes that derive from those of the
    library are free, and so are names that begin with an underscore.

    >>> import minicnn
    >>> dropout = minicnn.Dropout(0.1)
    >>> dropout.p = 0.2
    Traceback (most recent call last):
    minicnn.errors.NameUnknownError: Dropout: there is no 'p' to set. Did you mean 'rate'?
    """

    def __getattr__(self, name: str) -> Any:
        """Say what to use instead of an attribute of Keras' that is not here."""
        raise_no_attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; raises ``NameUnknownError`` for one that is not there."""
        cls: type = type(self)
        if name.startswith("_") or _CLOSED not in vars(self):
            object.__setattr__(self, name, value)
            return
        known, who = getattr(cls, name, None), cls.__name__
        if isinstance(known, property) and known.fset is None:
            raise NameUnknownError(f"{who}: {name} cannot be set.{self.instead_of_setting(name)}")
        if name not in vars(self) and not hasattr(cls, name):
            if self.instead_of_setting(name):
                raise NameUnknownError(
                    f"{who}: {name} cannot be set.{self.instead_of_setting(name)}"
                )
            raise NameUnknownError(f"{who}: there is no {name!r} to set.{self._near(name)}")
        if name in vars(self) and name in arguments_of(cls):
            vars(self).update(self.changed(name, value))
        else:
            object.__setattr__(self, name, value)

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """The attributes that are others where an argument of the constructor is.

        Raises ``ConfigError`` for a value that the constructor does not take.
        """
        cls: Any = type(self)
        given = {name: self.argument(name) for name in arguments_of(cls)}
        before, after = cls(**given), cls(**given | {argument: value})
        return {
            name: now
            for name, now in vars(after).items()
            if name == argument or not _same(now, vars(before).get(name))
        }

    def argument(self, name: str) -> Any:
        """What was given, or set, for an argument of the constructor."""
        return getattr(self, name)

    def instead_of_setting(self, name: str) -> str:
        """What to do instead of setting an attribute that is there and cannot be set."""
        return ""

    def _near(self, name: str) -> str:
        cls = type(self)
        public = (key for key in (*vars(self), *dir(cls)) if not key.startswith("_"))
        settable = {key: None for key in public if not callable(getattr(cls, key, None))}
        now = RENAMED.get(name, name)
        near = f" Did you mean {now!r}?" if now in settable else did_you_mean(name, settable)
        return near or " A custom attribute begins with an underscore, or belongs to a subclass."


_CLOSED = "_closed"


def close(made: Guarded) -> None:
    """From now on it has the attributes that it has, unless its class is a custom one."""
    if not is_custom(type(made)):
        vars(made)[_CLOSED] = True


def attributes(value: Any) -> dict[str, Any]:
    """All that it has, without the mark of ``close``."""
    return {name: held for name, held in vars(value).items() if name != _CLOSED}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return a is b or bool(type(a) is type(b) and a == b)


class Configurable(Guarded, metaclass=_Checked):
    """The parent of everything that is described by its constructor's arguments."""

    keras_module: ClassVar[str] = ""
    """The module in which Keras has the class of this name."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Short names that Keras has for the class as well, such as "mse"."""

    settable: ClassVar[Mapping[str, str]] = {}
    """Arguments that any class of the family takes, even where its constructor does not, and the
    attributes that they set."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as values that JSON can hold."""
        return {name: _plain(self.argument(name)) for name in arguments_of(type(self))}

    def description(self) -> dict[str, Any]:
        """The class and the config, as Keras' files describe an object inside another."""
        cls = type(self)
        return described(self.keras_module, cls.__name__, self.get_config(), is_custom(cls))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an object from what ``get_config`` returned; JSON's lists become tuples."""
        return cls(**{name: _tuples(value) for name, value in config.items()})

    def __repr__(self) -> str:
        """The call that makes this object, without the arguments left at their defaults."""
        shown = []
        for name, argument in arguments_of(type(self)).items():
            try:
                value = self.argument(name)
            except AttributeError:  # a user's class that does not keep it
                shown.append("...")
                continue
            if argument.default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif isinstance(value, np.ndarray) or value != argument.default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


Family = TypeVar("Family", bound=Guarded)
Kind = TypeVar("Kind", bound=Configurable)

LONG = 120
"""Characters of a list of names, where a hint follows it."""


def find(who: str, kind: str, value: Any, parent: type[Kind], table: Mapping[str, Any]) -> Kind:
    """The object that ``value`` stands for: itself, a name in ``table``, or a saved config.

    Raises ``ConfigError`` that lists the names when there is no such object.
    """
    if isinstance(value, parent):
        return value
    name, config = getattr(value, "stands_for", value), {}
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
        name, config = value.get("class_name"), value["config"]
    custom = get_custom_objects().get(name) if isinstance(name, str) else None
    if isinstance(custom, type) and issubclass(custom, parent):
        return custom(**accepted(custom, config))
    if isinstance(name, str) and name in table:
        found: Kind = table[name](**accepted(table[name], config))
        return found
    known = [n for n in table if n.islower()] or list(table)
    remedy = did_you_mean(name, table)
    names = f"one of {', '.join(known)};"
    most = LONG if remedy else 4 * LONG
    if len(names) > most:  # nobody would read them all, least of all before a hint
        names = f"{names[:most].rpartition(',')[0]}, ...;"
    if isinstance(value, type) and issubclass(value, parent):
        names, remedy = "a name,", f" Make an object: {value.__name__}(...)."
    elif isinstance(name, FunctionName):
        names, remedy = "a name,", f" Give custom_objects={{{name!r}: ...}}."
    elif callable(value):
        names, remedy = "a name,", f" A custom one is a class with the parent {parent.__name__}."
    raise ConfigError(
        f"{who}: expected {kind} as {parent.__name__} or {names} got {shown(name)}.{remedy}"
    )


def save_config(value: Configurable) -> dict[str, Any]:
    """``value`` as Keras' files describe an object inside another."""
    return value.description()


_LIBRARY: set[type] = set()
"""The classes that the modules of minicnn export."""


def exported(
    parent: type[Family], namespace: dict[str, Any], *others: str
) -> dict[str, type[Family]]:
    """The classes of a family that a module exports, by all their public names there.

    From now on they are the library's, and any other class is a custom one. The module gets an
    ``__all__`` of them, their parent and ``others``. A type checker does not see it, and takes for
    exported what the module defines, or imports ``as`` what it is called.
    """
    found = {
        name: value
        for name, value in sorted(namespace.items())
        if isinstance(value, type) and issubclass(value, parent) and not name.startswith("_")
    }
    _LIBRARY.update(found.values())
    namespace["__all__"] = sorted([*found, *others])
    return {name: cls for name, cls in found.items() if cls is not parent}


def is_custom(cls: type) -> bool:
    """Whether a class is none that minicnn exports, such as one derived from those."""
    return cls not in _LIBRARY


def library_names() -> set[str]:
    """The names of the classes that minicnn exports."""
    return {cls.__name__ for cls in _LIBRARY}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def by_name(classes: Iterable[type[Kind]]) -> dict[str, type[Kind]]:
    """A table of classes by their names in Keras: ``HeNormal``, ``he_normal``, and ``aliases``."""
    classes = list(classes)
    table = {name: cls for cls in classes for name in (snake_case(cls.__name__), cls.__name__)}
    return table | {alias: cls for cls in classes for alias in vars(cls).get("aliases", ())}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Configurable):
        return save_config(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, FunctionType):
        name = value.__name__
        kind = "function"
        return {"module": "builtins", "class_name": kind, "config": name, "registered_name": kind}
    return value
