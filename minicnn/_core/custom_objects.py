"""Custom classes that a program has made known by name, for all that is read from then on."""

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from minicnn.errors import ConfigError, shown

_objects: dict[str, Any] = {}

Thing = TypeVar("Thing")


def get_custom_objects() -> dict[str, Any]:
    """The table of custom classes by their names, which a program may change.

    >>> "MyLayer" in get_custom_objects()
    False
    """
    return _objects


class CustomObjectScope:
    """``with CustomObjectScope({"MyLayer": MyLayer}):`` these names are known while it lasts.

    Files, descriptions and ``compile`` may name the classes then, as with ``custom_objects``.
    Raises ``ConfigError`` unless ``custom_objects`` is a dictionary of names.

    >>> class MyReLU(ReLU): pass
    >>> with CustomObjectScope({"MyReLU": MyReLU}):
    ...     "MyReLU" in get_custom_objects()
    True
    >>> "MyReLU" in get_custom_objects()
    False
    """

    def __init__(self, custom_objects: Mapping[str, Any]) -> None:
        self.custom_objects = named("CustomObjectScope", custom_objects)

    def __enter__(self) -> Self:
        """Make them known."""
        self._before = dict(_objects)
        _objects.update(self.custom_objects)
        return self

    def __exit__(self, *error: object) -> None:
        """Have the table as it was."""
        _objects.clear()
        _objects.update(self._before)


custom_object_scope = CustomObjectScope


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Thing], Thing]:
    """A decorator that makes a class known as "package>name", from then on.

    ``name`` is else the class's. A class of minicnn's of that name stays what its name means.

    >>> @register_keras_serializable("mine")
    ... class Doubled(ReLU): pass
    >>> get_registered_name(Doubled), get_registered_object("mine>Doubled") is Doubled
    ('mine>Doubled', True)
    >>> _ = get_custom_objects().pop("mine>Doubled")
    """
    if not isinstance(package, str):
        raise ConfigError(
            f"register_keras_serializable: expected package as a text, got {shown(package)}. "
            "Write it with brackets: @register_keras_serializable()."
        )

    def register(thing: Thing) -> Thing:
        _objects[f"{package}>{name or getattr(thing, '__name__', thing)}"] = thing
        return thing

    return register


def get_registered_name(obj: Any) -> Any:
    """What a class was registered as; of one that was not, its own name."""
    names = [name for name, thing in _objects.items() if thing is obj]
    return names[0] if names else getattr(obj, "__name__", obj)


def get_registered_object(name: str, custom_objects: Any = None) -> Any:
    """What is known by a name, or None; ``custom_objects`` has the names of this call."""
    return {**_objects, **named("get_registered_object", custom_objects)}.get(name)


def named(who: str, custom_objects: Any) -> Mapping[str, Any]:
    """``custom_objects`` if it is a dictionary of names, or None; else raises ``ConfigError``."""
    found = {} if custom_objects is None else custom_objects
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise ConfigError(
            f"{who}: expected custom_objects as a dict of names and classes, got "
            f"{shown(custom_objects)}."
        )
    return found
