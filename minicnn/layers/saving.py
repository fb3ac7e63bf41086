"""Layers as model files have them, and back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minicnn._core.config import Configurable, users_own
from minicnn._core.shapes import Array
from minicnn._core.signatures import accepted
from minicnn._core.suggestions import did_you_mean
from minicnn._files.keras import SavedLayer
from minicnn.errors import ConfigError
from minicnn.layers import LAYERS, Input, Layer, Residual
from minicnn.layers.building import walk


def saved_layer(layer: Layer) -> SavedLayer:
    """What a file keeps of a layer."""
    what = described(layer)
    saved = SavedLayer(
        what["class_name"],
        what["config"],
        layer.input_shape or (),
        layer.output_shape(layer.input_shape or ()),
        custom=users_own(type(layer)),
    )
    if type(layer) is not Residual:
        saved.weights = layer.arrays()
        return saved
    saved.config = {key: x for key, x in saved.config.items() if key in ("name", "trainable")}
    for part in layer.sublayers:
        if isinstance(part, Input):
            raise ConfigError(f"{layer.who}: expected no Input in what is saved, got {part!r}.")
    saved.layers = [saved_layer(part) for part in layer.layers]
    saved.shortcut = [saved_layer(part) for part in layer.shortcut or ()] or None
    return saved


def parts(
    saved: Sequence[SavedLayer], layers: Sequence[Layer], within: str = ""
) -> Iterator[tuple[SavedLayer, Layer, str]]:
    """Each saved layer with arrays of its own, the layer that it is, and that one's full name."""
    for one, layer in zip(saved, layers, strict=True):
        if one.layers:
            inner = [*one.layers, *(one.shortcut or ())]
            yield from parts(inner, layer.sublayers, f"{within}{layer.name}.")
        else:
            yield one, layer, f"{within}{layer.name}"


def described(layer: Layer) -> dict[str, Any]:
    """The class and the arguments of a layer, under Keras' names where Keras has the class."""
    trainable: dict[str, Any] = {} if layer.trainable else {"trainable": False}
    cls = type(layer)
    if users_own(cls):
        return {"class_name": cls.__name__, "config": layer.get_config() | trainable}
    class_name = layer.keras_name or cls.__name__
    return {"class_name": class_name, "config": layer.keras_config() | trainable}


def restored_layer(saved: SavedLayer, own: Mapping[str, type[Configurable]]) -> Layer:
    """The layer that a file describes, not yet built.

    Raises ``ConfigError`` for a class that is neither in ``own``, where alone those are that the
    file says are somebody's own, nor in ``LAYERS``; and for an argument that would change what the
    layer means and that minicnn has not.
    """
    cls = own.get(saved.class_name, None if saved.custom else LAYERS.get(saved.class_name))
    if cls is None or not issubclass(cls, Layer):
        raise ConfigError(
            f"expected layers that minicnn has, got {saved.class_name!r}"
            + (", a class of somebody's own." if saved.custom else ".")
            + did_you_mean(saved.class_name, own if saved.custom else {**LAYERS, **own})
            + " A layer of your own goes into custom_objects={name: class}."
        )
    layer: Layer
    if saved.layers:
        layers, around = (
            [restored_layer(part, own) for part in way or ()]
            for way in (saved.layers, saved.shortcut)
        )
        layer = Residual(layers, around or None, name=saved.name)
    else:
        config = cls.accepted_config(saved.config)
        if cls is Residual or saved.class_name in own:
            config = with_layers(config, own)
        layer = cls.from_config(revived(config, own))
    trainable = saved.config.get("trainable", True)
    if trainable is not True:
        inner = [(part, part.trainable) for part in walk(layer.sublayers)]
        layer.trainable = trainable
        for part, trainable in inner:
            part.trainable = trainable
    return layer


def adopt(layer: Layer, arrays: Sequence[Array]) -> None:
    """Put arrays, in the order of ``arrays``, in the place of a layer's, also of those left unset.

    They must be of the same shapes. A layer that was left unset keeps them themselves, where they
    are of its dtype.
    """
    given = {}
    for (name, old), new in zip(layer.arrays().items(), arrays, strict=True):
        if old.flags.writeable:
            old[...] = new
            given[name] = old
        else:
            given[name] = np.require(new, old.dtype, ["C", "W"])
    layer.params = {name: given[name] for name in layer.params}
    layer.state = {name: given[name] for name in layer.state}


def revived(value: Any, own: Mapping[str, type[Configurable]], who: str = "") -> Any:
    """A config in which what is described of a class in ``own`` is an object of that class.

    What is of the library's own, and no layer, stays a description, which every ``get`` takes.
    Raises ``ConfigError`` for what the file says is of somebody's own class that is not there.
    """
    if isinstance(value, list):
        return [revived(part, own, who) for part in value]
    if not isinstance(value, Mapping):
        return value
    value = {key: revived(part, own, key) for key, part in value.items()}
    name = str(value.get("class_name"))
    cls = own.get(name)
    if cls is None and value.get("own"):
        raise ConfigError(
            f"{who}: expected a class that minicnn has, got {name!r}, a class of somebody's own. "
            "One of your own goes into custom_objects={name: class}."
        )
    if cls is None or issubclass(cls, Layer):
        return value
    return cls.from_config(accepted(cls, value.get("config") or {}))


def with_layers(
    config: Mapping[str, Any], own: Mapping[str, type[Configurable]] | None = None
) -> dict[str, Any]:
    """A config whose lists of described layers are lists of layers.

    Raises ``ConfigError`` for more than ``MOST_LAYERS`` in one.
    """
    for key, value in config.items():
        if _describes_layers(value) and len(value) > MOST_LAYERS:
            raise ConfigError(f"expected at most {MOST_LAYERS} layers in {key}, got {len(value)}.")
    return {
        key: [
            restored_layer(SavedLayer(str(x["class_name"]), dict(x["config"])), own or {})
            for x in value
        ]
        if _describes_layers(value)
        else value
        for key, value in config.items()
    }


MOST_LAYERS = 1000
"""How many layers an argument of a custom layer may describe."""


def _describes_layers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(x, Mapping) and {"class_name", "config"} <= x.keys() for x in value)
    )
