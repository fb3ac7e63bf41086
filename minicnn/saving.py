"""``load_model`` and ``save_model``, where Keras has them."""

from minicnn._keras.public_names import asked
from minicnn.models.loading import load_model, save_model

__all__ = ["load_model", "save_model"]

__getattr__ = asked("saving")
