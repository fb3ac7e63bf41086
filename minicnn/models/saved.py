"""A model as files have it: ``SavedModel`` from a model, and back into one.

Both directions keep the arrays in one order, that of Keras: ``_in_order`` says which.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.config import is_custom, save_config
from minicnn._core.shapes import Array, Shape
from minicnn._files import keras
from minicnn._files.keras import SavedLayer, SavedModel, Source
from minicnn._training.model import Model as RunModel
from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers import Input, Layer, Residual
from minicnn.layers.registry import CustomObjects, described, from_description
from minicnn.optimizers import Optimizer


class Model(RunModel, Protocol):
    """What a file keeps of a model that is built."""

    name: str
    class_names: tuple[str, ...]


# Layers --------------------------------------------------------------------------------


def saved_layer(layer: Layer) -> SavedLayer:
    """What a file keeps of a layer."""
    description = described(layer)
    saved = SavedLayer(
        description["class_name"],
        description["config"],
        layer.input_shape or (),
        layer.output_shape(layer.input_shape or ()),
        custom=is_custom(type(layer)),
    )
    if type(layer) is not Residual:
        saved.weights = layer.arrays()
        return saved
    saved.config = {key: x for key, x in saved.config.items() if key in ("name", "trainable")}
    for part in layer.sublayers:
        if isinstance(part, Input):
            raise ConfigError(f"{layer.who}: expected no Input in what is saved, got {part!r}.")
    saved.layers = [saved_layer(part) for part in layer.layers]
    saved.shortcut = [saved_layer(part) for part in layer.shortcut or ()] or None
    return saved


def restored_layer(saved: SavedLayer, custom_objects: CustomObjects) -> Layer:
    """The layer that a file describes, not yet built; raises as ``from_description`` does."""
    description = {"class_name": saved.class_name, "config": saved.config, "custom": saved.custom}
    if not saved.layers:
        return from_description(description, custom_objects)
    layers, shortcut = (
        [restored_layer(part, custom_objects) for part in way or ()]
        for way in (saved.layers, saved.shortcut)
    )
    description["config"] = saved.config | {"layers": layers, "shortcut": shortcut or None}
    return from_description(description, {})  # a sum is minicnn's Residual, never a custom one


# Models --------------------------------------------------------------------------------


def saved_model(model: Model) -> SavedModel:
    """What a file keeps of a model."""
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


def adopt(layer: Layer, arrays: Sequence[Array]) -> None:
    """Put arrays, in the order of ``arrays``, in the place of a layer's, also of those left unset.

    They must be of the same shapes. A layer that was left unset keeps them themselves, where they
    are of its dtype.
    """
    given = {}
    for (name, old), new in zip(layer.arrays().items(), arrays, strict=True):
        if old.flags.writeable:
            old[...] = new
            given[name] = old
        else:
            given[name] = np.require(new, old.dtype, ["C", "W"])
    layer.params = {name: given[name] for name in layer.params}
    layer.state = {name: given[name] for name in layer.state}


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


# The order of the arrays ---------------------------------------------------------------


def _in_order(model: Model, saved: SavedModel) -> list[tuple[Layer, str]]:
    """The layers that have arrays, with their full names, as Keras counts them."""
    found = {id(one): (layer, name) for one, layer, name in _parts(saved.layers, model.stack)}
    return [found[id(one)] for one in saved.order]


def _parts(
    saved: Sequence[SavedLayer], layers: Sequence[Layer], within: str = ""
) -> Iterator[tuple[SavedLayer, Layer, str]]:
    """Each saved layer that may have arrays, the layer that it is, and that layer's full name."""
    for one, layer in zip(saved, layers, strict=True):
        if one.layers:
            inner = [*one.layers, *(one.shortcut or ())]
            yield from _parts(inner, layer.sublayers, f"{within}{layer.name}.")
        else:
            yield one, layer, f"{within}{layer.name}"


def _params(found: Sequence[tuple[Layer, str]]) -> dict[str, Array]:
    """``model.params``, as Keras orders them."""
    return {
        f"{name}.{key}": array for layer, name in found for key, array in layer.learned().items()
    }
