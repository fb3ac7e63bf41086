"""``load_model`` and ``save_model``, and custom classes by name, where Keras has them."""

from minicnn._core.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from minicnn._keras.public_names import asked
from minicnn.models.loading import load_model, save_model

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "register_keras_serializable",
    "save_model",
]

__path__: list[str] = []
"""Empty: what Keras has within is found all the same."""

__getattr__ = asked("saving")
