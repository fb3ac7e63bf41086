"""A model into files, and weights back into it; ``loading`` makes models from files."""

import json
import os
from pathlib import Path
from typing import Any

from minicnn._core.console import warn, warn_once
from minicnn._files import keras
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError, ModelFileError
from minicnn.models.base import BaseModel
from minicnn.models.saved import restore, restore_some, saved_model

FORMATS = (None, "h5", "tf", "keras")
"""What Keras 2 calls the kinds of files; minicnn writes .keras or .h5."""


def save(
    model: BaseModel,
    path: str | os.PathLike[str],
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
) -> None:
    """See ``Model.save``."""
    path = _target("save", path, overwrite, save_format)
    if str(path).endswith((".weights.h5", ".onnx")):
        other = " export_onnx writes .onnx files." if str(path).endswith(".onnx") else ""
        raise ConfigError(
            f"save: expected a path that ends in .keras or .h5, got {str(path)!r}.{other}"
        )
    legacy = save_format == "h5" or not str(path).endswith(".keras")
    if legacy and not keras.is_legacy_name(path):
        warn_once("save", f"save: {str(path)!r} is an HDF5 file, as one that ends in .h5.")
    saved = saved_model(model)
    if not include_optimizer:
        saved.compiled, saved.optimizer = None, []
    keras.save(path, saved, legacy)


def to_json(model: BaseModel, **options: Any) -> str:
    """See ``Model.to_json``."""
    try:
        return json.dumps(keras.model_config(saved_model(model)), **options)
    except TypeError as error:
        raise ConfigError(f"to_json: expected arguments of json.dumps: {error}.") from None


def save_weights(
    model: BaseModel,
    path: str | os.PathLike[str],
    overwrite: bool = True,
    save_format: str | None = None,
) -> None:
    """See ``Model.save_weights``."""
    path = _target("save_weights", path, overwrite, save_format)
    if str(path).endswith((".keras", ".onnx")):
        raise ConfigError(
            f"save_weights: expected a path that ends in .weights.h5, got {str(path)!r}."
        )
    keras.save_weights(path, saved_model(model), legacy=not str(path).endswith(".weights.h5"))


def _target(
    who: str, path: str | os.PathLike[str], overwrite: bool, save_format: str | None
) -> Path:
    path = path_of(who, "filepath", path)
    if save_format not in FORMATS:
        raise ConfigError(f"{who}: expected save_format 'keras' or 'h5', got {save_format!r}.")
    if not overwrite and path.exists():
        raise ConfigError(
            f"{who}: expected a path that is free, as overwrite=False says, got {str(path)!r}."
        )
    return path


def load_weights(
    model: BaseModel,
    path: str | os.PathLike[str],
    by_name: bool = False,
    skip_mismatch: bool = False,
) -> None:
    """See ``Model.load_weights``."""
    path = path_of("load_weights", "filepath", path)
    if str(path).endswith(".onnx"):
        raise ConfigError(
            f"load_weights: expected a path that ends in .weights.h5, .h5 or .keras, got "
            f"{str(path)!r}. import_onnx reads models from .onnx files."
        )
    saved = saved_model(model)
    saved.optimizer = []
    saved.budget = Budget(str(path), ModelFileError, regular_file_size(path, ModelFileError))
    if by_name or skip_mismatch:
        restore_some(model, path, saved, by_name, skip_mismatch)
        return
    data: keras.Source = path
    if str(path).endswith(".keras"):
        inside, data = keras.read_model(path)
        saved.budget = inside.budget
    try:
        restore(model, path, saved, data)
    except keras.OtherOptimizerError as error:
        restore(model, path, saved, data, with_optimizer=False)
        warn(f"{error} The optimizer is left as it is.", UserWarning)
