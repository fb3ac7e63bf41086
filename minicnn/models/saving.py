"""A model's way into a file, and its weights' way back; ``minicnn.saving`` reads whole models."""

import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.config import save_config
from minicnn._core.console import warn
from minicnn._core.shapes import Array, DType, Shape
from minicnn._files import keras
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.keras import SavedModel, Source
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers import Layer
from minicnn.layers.saving import adopt, parts, saved_layer
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer


class Model(Protocol):
    """What a file keeps of a model that is built."""

    @property
    def stack(self) -> Sequence[Layer]: ...  # noqa: D102

    name: str
    dtype: DType
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: Sequence[str | Metric]
    class_names: tuple[str, ...]


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save``."""
    path = path_of("save", "filepath", path)
    whole = str(path).endswith(".keras") or keras.is_legacy_name(path)
    if not whole or str(path).endswith(".weights.h5"):
        other = " export_onnx writes .onnx files." if str(path).endswith(".onnx") else ""
        raise ConfigError(
            f"save: expected a path that ends in .keras or .h5, got {str(path)!r}.{other}"
        )
    keras.save(path, _saved(model))


def save_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save_weights``."""
    path = path_of("save_weights", "filepath", path)
    if not str(path).endswith(".weights.h5"):
        raise ConfigError(
            f"save_weights: expected a path that ends in .weights.h5, got {str(path)!r}."
        )
    keras.save_weights(path, _saved(model))


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.load_weights``."""
    path = path_of("load_weights", "filepath", path)
    if not keras.is_legacy_name(path):
        raise ConfigError(
            f"load_weights: expected a path that ends in .weights.h5 or .h5, got {str(path)!r}."
        )
    saved = _saved(model)
    saved.optimizer = []
    saved.budget = Budget(str(path), ModelFileError, regular_file_size(path, ModelFileError))
    try:
        restore(model, path, saved, path)
    except keras.OtherOptimizerError as error:
        restore(model, path, saved, path, with_optimizer=False)
        warn(f"{error} The optimizer is left as it is.", UserWarning)


def restore(
    model: Model,
    path: str | os.PathLike[str],
    saved: SavedModel,
    data: Source,
    with_optimizer: bool = True,
) -> None:
    """Take over the arrays that ``data`` holds for a model of these layers, and its optimizer's.

    Nothing is changed if they do not fit; but layers that were left unset have theirs then.
    """
    found = _in_order(model, saved)
    shapes = [[array.shape for array in layer.arrays().values()] for layer, _ in found]
    unset = not all(array.flags.writeable for layer, _ in found for array in layer.weights)

    def take() -> None:
        for (layer, _), one in zip(found, saved.order, strict=True):
            adopt(layer, list(one.weights.values()))

    def slots() -> list[Shape] | None:
        if unset:
            take()
        if model.optimizer is None or not with_optimizer:
            return None
        return [array.shape for array in model.optimizer.get_state(_params(found))]

    keras.read_arrays(path, saved, data, shapes, slots)
    if model.optimizer is not None and saved.optimizer:
        try:
            _restore_optimizer(model.optimizer, _params(found), saved.optimizer)
        except ConfigError as error:
            raise ModelFileError(f"{path}: {error}") from None
    if not unset:
        take()


def _in_order(model: Model, saved: SavedModel) -> list[tuple[Layer, str]]:
    """The layers with arrays of their own and their full names, as Keras counts them."""
    found = {id(one): (layer, name) for one, layer, name in parts(saved.layers, model.stack)}
    return [found[id(one)] for one in saved.order]


def _params(found: Sequence[tuple[Layer, str]]) -> dict[str, Array]:
    """``model.params``, as Keras orders them."""
    return {
        f"{name}.{key}": array for layer, name in found for key, array in layer.learned().items()
    }


def _restore_optimizer(
    optimizer: Optimizer, params: Mapping[str, Array], state: Sequence[Array]
) -> None:
    """Its rate too: a file has it in single precision, and the same rate stays as it is."""
    rate = optimizer.argument("learning_rate")
    if optimizer.schedule is None and len(state) < len(optimizer.get_state(params)):
        state = [state[0], np.asarray(rate), *state[1:]]
    if optimizer.schedule is None and np.float32(rate) != state[1]:
        rate = float(state[1])
        number(type(optimizer).__name__, "learning_rate", rate, least=0)
    optimizer.set_state(params, state)
    optimizer.learning_rate = rate


def _saved(model: Model) -> SavedModel:
    layers = [saved_layer(layer) for layer in model.stack]
    saved = SavedModel(
        model.name,
        model.dtype.name,
        layers,
        class_names=list(model.class_names),
        generator=model.rng.bit_generator.state,
    )
    keras.placed(saved)
    if model.optimizer is not None:
        saved.compiled = {
            "optimizer": save_config(model.optimizer),
            "loss": None if model.loss is None else save_config(model.loss),
            "loss_weights": None,
            "metrics": [m if isinstance(m, str) else save_config(m) for m in model.metrics],
            "weighted_metrics": None,
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
        }
        saved.optimizer = model.optimizer.get_state(_params(_in_order(model, saved)))
    return saved
