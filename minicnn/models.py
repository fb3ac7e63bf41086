"""Sequential and ``load_model``, where Keras has them."""

from minicnn.keras_names import asked
from minicnn.saving import load_model, save_model
from minicnn.sequential import Sequential

__all__ = ["Sequential", "load_model", "save_model"]

__getattr__ = asked("models")
