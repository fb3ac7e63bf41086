"""Layers as model files have them, and back."""

from collections.abc import Mapping
from typing import Any

from minicnn.config import did_you_mean
from minicnn.errors import ConfigError
from minicnn.files.keras import SavedLayer
from minicnn.layers import LAYERS, Layer


def saved_layer(layer: Layer) -> SavedLayer:
    """What a file keeps of a layer."""
    class_name = layer.keras_name or type(layer).__name__
    trainable: dict[str, Any] = {} if layer.trainable else {"trainable": False}
    return SavedLayer(
        class_name,
        layer.keras_config() | trainable,
        layer.input_shape or (),
        list(layer.arrays().values()),
        custom=class_name not in LAYERS,
    )


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
    layer = cls.from_config(cls.accepted_config(saved.config))
    layer.trainable = bool(saved.config.get("trainable", True))
    return layer
