"""A model into files, and weights back into it; ``loading`` makes models from files."""

import json
import os
from typing import Any

from minicnn._core.console import warn
from minicnn._files import keras
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError, ModelFileError
from minicnn.models.base import BaseModel
from minicnn.models.saved import restore, saved_model


def save(model: BaseModel, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save``."""
    path = path_of("save", "filepath", path)
    whole = str(path).endswith(".keras") or keras.is_legacy_name(path)
    if not whole or str(path).endswith(".weights.h5"):
        other = " export_onnx writes .onnx files." if str(path).endswith(".onnx") else ""
        raise ConfigError(
            f"save: expected a path that ends in .keras or .h5, got {str(path)!r}.{other}"
        )
    keras.save(path, saved_model(model))


def to_json(model: BaseModel, **options: Any) -> str:
    """See ``Model.to_json``."""
    try:
        return json.dumps(keras.model_config(saved_model(model)), **options)
    except TypeError as error:
        raise ConfigError(f"to_json: expected arguments of json.dumps: {error}.") from None


def save_weights(model: BaseModel, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save_weights``."""
    path = path_of("save_weights", "filepath", path)
    if not str(path).endswith(".weights.h5"):
        raise ConfigError(
            f"save_weights: expected a path that ends in .weights.h5, got {str(path)!r}."
        )
    keras.save_weights(path, saved_model(model))


def load_weights(model: BaseModel, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.load_weights``."""
    path = path_of("load_weights", "filepath", path)
    if not keras.is_legacy_name(path):
        raise ConfigError(
            f"load_weights: expected a path that ends in .weights.h5 or .h5, got {str(path)!r}."
        )
    saved = saved_model(model)
    saved.optimizer = []
    saved.budget = Budget(str(path), ModelFileError, regular_file_size(path, ModelFileError))
    try:
        restore(model, path, saved, path)
    except keras.OtherOptimizerError as error:
        restore(model, path, saved, path, with_optimizer=False)
        warn(f"{error} The optimizer is left as it is.", UserWarning)
