"""Layers as model files have them, and back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minicnn.config import Configurable, accepted, did_you_mean
from minicnn.errors import ConfigError
from minicnn.files.keras import SavedLayer
from minicnn.layers import LAYERS, Input, Layer, Residual
from minicnn.layers.base import walk


def saved_layer(layer: Layer, whole: bool = False) -> SavedLayer:
    """What a file keeps of a layer.

    A Residual is a layer of its own if ``whole``, as it was in the files of earlier releases.
    """
    what = described(layer)
    saved = SavedLayer(
        what["class_name"],
        what["config"],
        layer.input_shape or (),
        layer.output_shape(layer.input_shape or ()),
        custom=what["class_name"] not in LAYERS or layer.keras_module != Layer.keras_module,
    )
    if type(layer) is not Residual or whole:
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
    """The class and the arguments of a layer, under Keras' names."""
    trainable: dict[str, Any] = {} if layer.trainable else {"trainable": False}
    class_name = layer.keras_name or type(layer).__name__
    return {"class_name": class_name, "config": layer.keras_config() | trainable}


def restored_layer(saved: SavedLayer, known: Mapping[str, type[Layer]]) -> Layer:
    """The layer that a file describes, not yet built.

    Raises ``ConfigError`` for a class that is not in ``known``, and for an argument that
    would change what the layer means and that minicnn has not.
    """
    if saved.class_name not in known:
        raise ConfigError(
            f"expected layers that minicnn has, got {saved.class_name!r}."
            + did_you_mean(saved.class_name, known)
            + " A layer of your own goes into custom_objects={name: class}."
        )
    cls = known[saved.class_name]
    layer: Layer
    if saved.layers:
        layers, around = (
            [restored_layer(part, known) for part in way or ()]
            for way in (saved.layers, saved.shortcut)
        )
        layer = Residual(layers, around or None, name=saved.name)
    else:
        config = revived(with_layers(cls.accepted_config(saved.config), known), known)
        layer = cls.from_config(config)
    if not saved.config.get("trainable", True):
        inner = [(part, part.trainable) for part in walk(layer.sublayers)]
        layer.trainable = False
        for part, trainable in inner:
            part.trainable = trainable
    return layer


def revived(value: Any, known: Mapping[str, type]) -> Any:
    """A config in which what is described of a class in ``known`` is an object of that class.

    What is of the library's own, and no layer, stays a description, which every ``get`` takes.
    """
    if isinstance(value, list):
        return [revived(part, known) for part in value]
    if not isinstance(value, Mapping):
        return value
    value = {key: revived(part, known) for key, part in value.items()}
    cls = known.get(str(value.get("class_name")))
    if cls is None or not issubclass(cls, Configurable) or issubclass(cls, Layer):
        return value
    return cls.from_config(accepted(cls, value.get("config") or {}))


def with_layers(
    config: Mapping[str, Any], known: Mapping[str, type[Layer]] = LAYERS
) -> dict[str, Any]:
    """A config whose lists of described layers are lists of layers."""
    return {
        key: [
            restored_layer(SavedLayer(str(x["class_name"]), dict(x["config"])), known)
            for x in value
        ]
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
