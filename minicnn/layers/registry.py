"""Layers as descriptions, and back: the class and the arguments, as model files have them.

    {"class_name": "Dense", "config": {"units": 3, "name": "dense", ...}}

This module imports only their base class, so that layers made of other layers can import it.
"""

from collections.abc import Mapping
from typing import Any

from minicnn._core.config import Configurable, is_custom
from minicnn._core.signatures import accepted
from minicnn._core.suggestions import did_you_mean
from minicnn.errors import ConfigError
from minicnn.layers.base import Layer
from minicnn.layers.building import walk

LAYERS: dict[str, type[Layer]] = {}
"""The classes that a description may name, by their names in Keras: a closed table.

``minicnn.layers`` fills it.
"""

MOST_LAYERS = 1000
"""The most layers that an argument of a layer may describe."""

CustomObjects = Mapping[str, type[Configurable]]
"""Custom classes by their names in descriptions."""


def described(layer: Layer) -> dict[str, Any]:
    """The class and the arguments of a layer, under Keras' names where Keras has the class."""
    trainable: dict[str, Any] = {} if layer.trainable else {"trainable": False}
    cls = type(layer)
    if is_custom(cls):
        return {"class_name": cls.__name__, "config": layer.get_config() | trainable}
    class_name = layer.keras_name or cls.__name__
    return {"class_name": class_name, "config": layer.keras_config() | trainable}


def from_description(description: Mapping[str, Any], custom_objects: CustomObjects) -> Layer:
    """The layer that ``described`` or a file describes, not yet built.

    Raises ``ConfigError`` for a class that is neither in ``custom_objects`` nor, unless the
    description marks it as ``custom``, in ``LAYERS``; and for an argument that minicnn does not
    have and that would change what the layer means.
    """
    name, custom = str(description["class_name"]), bool(description.get("custom"))
    cls = custom_objects.get(name, None if custom else LAYERS.get(name))
    if name == "__lambda__":
        raise ConfigError(
            "expected an activation's name or layer, got a Python function, which is not run from "
            "a file, as in Keras' safe mode."
        )
    if not isinstance(cls, type) or not issubclass(cls, Layer):
        raise ConfigError(
            f"expected layers that minicnn has, got {name!r}"
            + (", a custom class." if custom else ".")
            + did_you_mean(name, custom_objects if custom else {**LAYERS, **custom_objects})
            + " A custom layer goes into custom_objects={name: class}."
        )
    given = dict(description["config"])
    config = cls.accepted_config(given)
    if name in custom_objects or cls.sublayers is not Layer.sublayers:
        config = with_layers(config, custom_objects)
    layer = cls.from_config(with_custom_objects(config, custom_objects))
    trainable = given.get("trainable", True)
    if trainable is not True:
        inner = [(part, part.trainable) for part in walk(layer.sublayers)]
        layer.trainable = trainable
        for part, kept in inner:
            part.trainable = kept
    return layer


def with_layers(
    config: Mapping[str, Any], custom_objects: CustomObjects | None = None
) -> dict[str, Any]:
    """A config whose lists of described layers are lists of layers.

    Raises ``ConfigError`` for more than ``MOST_LAYERS`` in one.
    """
    for key, value in config.items():
        if _describes_layers(value) and len(value) > MOST_LAYERS:
            raise ConfigError(f"expected at most {MOST_LAYERS} layers in {key}, got {len(value)}.")
    return {
        key: [from_description(part, custom_objects or {}) for part in value]
        if _describes_layers(value)
        else value
        for key, value in config.items()
    }


def _describes_layers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(x, Mapping) and {"class_name", "config"} <= x.keys() for x in value)
    )


def with_custom_objects(value: Any, custom_objects: CustomObjects, who: str = "") -> Any:
    """A config in which descriptions of custom classes are replaced by objects.

    Layers and objects of minicnn stay descriptions, which every ``get`` takes. Raises
    ``ConfigError`` for a description marked as ``custom`` that is not in ``custom_objects``.
    """
    if isinstance(value, list):
        return [with_custom_objects(part, custom_objects, who) for part in value]
    if isinstance(value, str) and value in custom_objects:
        found = custom_objects[value]
        return value if isinstance(found, type) else found  # a function, which is a metric
    if not isinstance(value, Mapping):
        return value
    value = {key: with_custom_objects(x, custom_objects, key) for key, x in value.items()}
    name = str(value.get("class_name"))
    cls = custom_objects.get(name)
    if cls is None and value.get("custom"):
        raise ConfigError(
            f"{who}: expected a class that minicnn has, got {name!r}, a custom class. It goes into "
            "custom_objects={name: class}."
        )
    if not isinstance(cls, type) or issubclass(cls, Layer):
        return value
    return cls.from_config(accepted(cls, value.get("config") or {}))
