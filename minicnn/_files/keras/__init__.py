"""Keras' files of models, written and read without Keras.

    .keras               a zip of three members:
      metadata.json        {"keras_version", "date_saved"}, and in "minicnn" what Keras has not
      config.json          the layers with their arguments, and how the model was compiled
      model.weights.h5     the arrays
    .weights.h5          the arrays alone
    .h5                  all of it, in the form of tf.keras

A row is a Sequential there, any other network, and one with a Residual, a functional model. It is
described first and its arrays are read afterwards, so that what the description makes of their
shapes can be compared with the file before anything is allocated.
"""

from minicnn._files.keras.config import model_config, placed
from minicnn._files.keras.model_file import (
    is_legacy_name,
    read_model,
    save,
    save_weights,
)
from minicnn._files.keras.parsing import read_config
from minicnn._files.keras.saved import OtherOptimizerError, SavedLayer, SavedModel
from minicnn._files.keras.weights import Source, read_arrays, read_some

__all__ = [
    "OtherOptimizerError",
    "SavedLayer",
    "SavedModel",
    "Source",
    "is_legacy_name",
    "model_config",
    "placed",
    "read_arrays",
    "read_config",
    "read_model",
    "read_some",
    "save",
    "save_weights",
]
