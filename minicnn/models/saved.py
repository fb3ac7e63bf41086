"""A model as files have it: ``SavedModel`` from a model, and its arrays back into one.

Both directions keep the arrays in one order, that of Keras: ``_in_order`` says which.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.config import Configurable, is_custom, save_config
from minicnn._core.console import warn
from minicnn._core.shapes import Array, Shape
from minicnn._files import keras
from minicnn._files.keras import SavedLayer, SavedModel, Source
from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers import Layer
from minicnn.layers.registry import described
from minicnn.models.base import BaseModel
from minicnn.models.configs import Links, unrolled
from minicnn.optimizers import Optimizer

# Layers --------------------------------------------------------------------------------


def saved_layer(layer: Any, links: Links) -> SavedLayer:
    """What a file keeps of a layer, or of a model within a model."""
    name, calls = links.names[id(layer)], links.calls(layer)
    outputs = [x.sizes for x in links.of_layer[id(layer)][0].outputs]
    if isinstance(layer, BaseModel):
        inner = _layers(layer)
        inner.name = name
        class_name = "Functional" if inner.functional else "Sequential"
        shapes = tuple(layer.input_shapes)
        shape = shapes if len(shapes) > 1 else shapes[0]
        return SavedLayer(
            class_name, {"name": name}, name, shape, calls=calls, output_shapes=outputs, model=inner
        )  # fmt: skip
    description = described(layer)
    return SavedLayer(
        description["class_name"],
        description["config"],
        name,
        layer.input_shape or _shape_of(links, layer),
        layer.arrays(),
        tuple(layer.state),
        layer.operation,
        is_custom(type(layer)),
        calls,
        outputs,
    )


def _shape_of(links: Links, layer: Any) -> Any:
    call = links.of_layer[id(layer)][0]
    return call.shape if call.inputs else ()


# Models --------------------------------------------------------------------------------


def _layers(model: BaseModel) -> SavedModel:
    """Its layers, and what each is called on."""
    links = unrolled(model)
    layers = [saved_layer(layer, links) for layer in links.layers]
    operations = any(layer.operation for layer in layers)  # for which a row has no place
    functional = not model.is_row or len(layers) != len(model.stack) or operations
    return SavedModel(
        model.name,
        model.dtype.name,
        layers,
        functional,
        links.inputs,
        links.outputs,
        model.input_keys,
        model.output_keys,
    )


def saved_model(model: Any) -> SavedModel:
    """What a file keeps of a model."""
    saved = _layers(model)
    saved.class_names = list(model.class_names)
    saved.pixels = model.pixels
    saved.generator = model.rng.bit_generator.state
    keras.placed(saved)
    if model.optimizer is not None:
        saved.compiled = {
            "optimizer": save_config(model.optimizer),
            "loss": _saved(model.loss),
            "loss_weights": model.loss_weights,
            "metrics": _saved(model.metrics),
            "weighted_metrics": _saved(model.weighted_metrics) or None,
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
        }
        saved.optimizer = model.optimizer.get_state(_params(_in_order(model, saved)))
    return saved


def _saved(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_saved(part) for part in value]
    return save_config(value) if isinstance(value, Configurable) else value


def restore(
    model: Any,
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


def restore_some(
    model: Any, path: Path, saved: SavedModel, by_name: bool, skip_mismatch: bool
) -> None:
    """Take over the arrays of those layers that the file has, by their names or in their order.

    With ``skip_mismatch`` layers of other shapes are left as they are, with a warning.
    """
    found = _in_order(model, saved)
    shapes = [[array.shape for array in layer.arrays().values()] for layer, _ in found]
    skipped = keras.read_some(path, saved, shapes, by_name, skip_mismatch)
    for (layer, _), one in zip(found, saved.order, strict=True):
        adopt(layer, list(one.weights.values()))
    if skipped:
        warn(
            f"{path}: the arrays of {', '.join(skipped)} have other shapes, and these layers stay "
            "as they were.",
            UserWarning,
        )


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
    if not optimizer.has_constant_rate:
        optimizer.set_state(params, state)
        return
    rate = optimizer.learning_rate
    if len(state) < len(optimizer.get_state(params)):
        state = [state[0], np.asarray(rate), *state[1:]]
    if np.float32(rate) != state[1]:
        rate = float(state[1])
        number(type(optimizer).__name__, "learning_rate", rate, least=0)
    optimizer.set_state(params, state)
    optimizer.learning_rate = rate


# The order of the arrays ---------------------------------------------------------------


def _in_order(model: BaseModel, saved: SavedModel) -> list[tuple[Any, str]]:
    """The layers that may have arrays, as Keras counts them, with their full names in the model."""
    names: dict[int, str] = {}
    _name_all(model.stack, "", names)
    # The sum that a Residual is has no arrays, and no name in the model.
    return [(layer, names.get(id(layer), "")) for layer in _leaves(model, saved)]


def _name_all(layers: Sequence[Any], within: str, names: dict[int, str]) -> None:
    """The full names of layers, and of those that they are made of, by their identities."""
    for layer in layers:
        name = names.setdefault(id(layer), f"{within}{layer.name}")
        _name_all(layer.sublayers, f"{name}.", names)


def _leaves(model: BaseModel, saved: SavedModel) -> Iterator[Any]:
    """The layers that ``saved.order`` describes."""
    links = unrolled(model)
    by_name = {links.names[id(layer)]: layer for layer in links.layers}
    for one in saved.layers:
        layer: Any = by_name.get(one.name)
        if one.model is not None:
            yield from _leaves(layer, one.model)
        elif not (one.is_input or one.operation):
            yield layer


def _params(found: Sequence[tuple[Any, str]]) -> dict[str, Array]:
    """``model.params``, as Keras orders them."""
    return {
        f"{name}.{key}": array for layer, name in found for key, array in layer.learned().items()
    }
