"""A model's way into a file, and its weights' way back; ``minicnn.saving`` reads whole models."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from minicnn.config import number, save_config
from minicnn.errors import ConfigError, ModelFileError
from minicnn.files import keras
from minicnn.files.keras import SavedModel
from minicnn.layers import Layer
from minicnn.layers.saving import saved_layer
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer
from minicnn.shapes import Array, DType


class Model(Protocol):
    """What a file keeps of a model that is built."""

    @property
    def stack(self) -> Sequence[Layer]: ...  # noqa: D102
    @property
    def params(self) -> dict[str, Array]: ...  # noqa: D102

    name: str
    dtype: DType
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: Sequence[str | Metric]
    class_names: tuple[str, ...]

    def set_weights(self, weights: Sequence[Array]) -> None: ...  # noqa: D102


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save``."""
    if Path(path).suffix != ".keras":
        raise ConfigError(f"save: expected a path that ends in .keras, got {str(path)!r}.")
    keras.save(path, _saved(model))


def save_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save_weights``."""
    _check_ending("save_weights", path)
    keras.save_weights(path, _saved(model))


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.load_weights``."""
    _check_ending("load_weights", path)
    saved = _saved(model)
    saved.optimizer = []
    data = keras.read_weights(path)
    try:
        restore(model, path, saved, data)
    except keras.OtherOptimizerError as error:
        restore(model, path, saved, data, with_optimizer=False)
        warnings.warn(f"{error} The optimizer is left as it is.", UserWarning, stacklevel=3)


def restore(
    model: Model,
    path: str | os.PathLike[str],
    saved: SavedModel,
    data: bytes,
    with_optimizer: bool = True,
) -> None:
    """Take over the arrays that ``data`` holds for a model of these layers, and its optimizer's."""
    shapes = [[array.shape for array in layer.arrays().values()] for layer in model.stack]
    slots = None
    if model.optimizer is not None and with_optimizer:
        slots = [array.shape for array in model.optimizer.get_state(model.params)]
    keras.read_arrays(path, saved, data, shapes, slots)
    if model.optimizer is not None and saved.optimizer:
        try:
            _restore_optimizer(model.optimizer, model.params, saved.optimizer)
        except ConfigError as error:
            raise ModelFileError(f"{path}: {error}") from None
    model.set_weights([array for layer in saved.layers for array in layer.weights])


def _restore_optimizer(
    optimizer: Optimizer, params: Mapping[str, Array], state: Sequence[Array]
) -> None:
    """Its rate too: a file has it in single precision, and the same rate stays as it is."""
    rate = optimizer.argument("learning_rate")
    if optimizer.schedule is None and np.float32(rate) != state[1]:
        rate = float(state[1])
        number(type(optimizer).__name__, "learning_rate", rate, least=0)
    optimizer.set_state(params, state)
    optimizer.learning_rate = rate


def _check_ending(who: str, path: str | os.PathLike[str]) -> None:
    if not str(path).endswith(".weights.h5"):
        raise ConfigError(f"{who}: expected a path that ends in .weights.h5, got {str(path)!r}.")


def _saved(model: Model) -> SavedModel:
    compiled, state = None, []
    if model.optimizer is not None:
        compiled = {
            "optimizer": save_config(model.optimizer),
            "loss": None if model.loss is None else save_config(model.loss),
            "loss_weights": None,
            "metrics": [m if isinstance(m, str) else save_config(m) for m in model.metrics],
            "weighted_metrics": None,
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
        }
        state = model.optimizer.get_state(model.params)
    return SavedModel(
        model.name,
        model.dtype.name,
        [saved_layer(layer) for layer in model.stack],
        compiled,
        state,
        list(model.class_names),
        model.rng.bit_generator.state,
    )
