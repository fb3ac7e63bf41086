"""Sequential and ``load_model``, where Keras has them."""

from minicnn._keras.absent import asked
from minicnn.models.loading import load_model, save_model
from minicnn.models.sequential import Sequential

__all__ = ["Sequential", "load_model", "save_model"]

__getattr__ = asked("models")
