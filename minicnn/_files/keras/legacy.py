"""Keras' legacy file, ``.h5``: all of a model in one HDF5 file.

    attributes model_config, training_config      JSON, as config.json has it
    attributes keras_version, backend
    model_weights/<layer>/<weight>                attribute weight_names lists them in order
    optimizer_weights/<weight>                    likewise

tf.keras wrote it, and Keras 3 does. What ``save_weights`` of tf.keras wrote is the content of
model_weights alone.
"""

import io
import json
from collections.abc import Callable, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from minicnn._core.shapes import Array, Shape
from minicnn._files.archive import json_object
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import File, opened, regular_file_size
from minicnn._files.keras.config import model_config, placed
from minicnn._files.keras.parsing import read_config
from minicnn._files.keras.saved import (
    OtherOptimizerError,
    SavedLayer,
    SavedModel,
)
from minicnn._files.keras.state import RATE, read_state
from minicnn._keras.descriptions import for_all, name_of_old
from minicnn._keras.releases import TURNED_BY_THEANO, WRITTEN, refuse_keras_1
from minicnn.errors import ConfigError, ModelFileError

NAMES_LIMIT = 1000
"""How many names are put in one attribute: HDF5 holds 64 kB there."""

ABOUT = {"backend": "tensorflow", "keras_version": WRITTEN}

TOP = "top_level_model_weights"
"""The group of the arrays that are no layer's."""


# Writing ---------------------------------------------------------------------------------


def legacy_file(model: SavedModel) -> bytes:
    """The content of an ``.h5`` file."""
    import h5py

    placed(model)
    if any(layer.name == TOP for layer in model.layers):
        raise ConfigError(f"save: expected no layer called {TOP!r}, as Keras calls something else.")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update(ABOUT)
        file.attrs["model_config"] = json.dumps(model_config(model, legacy=True))
        file.attrs["minicnn"] = json.dumps(model.extra)
        if model.compiled is not None:
            training = {key: _without_module(for_all(x)) for key, x in model.compiled.items()}
            training["optimizer_config"] = training.pop("optimizer")
            file.attrs["training_config"] = json.dumps(training)
        _write_layers(file.create_group("model_weights"), model)
        _write(file["model_weights"], TOP, {})
        if model.optimizer:
            names = ["iteration", *map(str, range(1, len(model.optimizer)))]
            if not isinstance(training["optimizer_config"]["config"]["learning_rate"], dict):
                names[1] = RATE
            state = dict(zip(names, model.optimizer, strict=True))
            _write(file, "optimizer_weights", state)
    return buffer.getvalue()


def legacy_weights(model: SavedModel) -> bytes:
    """The content of a file of weights, as Keras 2 wrote it."""
    import h5py

    placed(model)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write_layers(file, model)
    return buffer.getvalue()


def _write_layers(group: Any, model: SavedModel) -> None:
    group.attrs.update(ABOUT)
    _put_names(group, "layer_names", [layer.name for layer in model.layers])
    for layer in model.layers:
        _write(group, layer.name, _named(layer))


def _named(layer: SavedLayer) -> dict[str, Array]:
    """A layer's arrays by their names; of a model the trainable ones of all its layers first."""
    if layer.model is None:
        return {f"{layer.name}/{key}": array for key, array in layer.weights.items()}
    parts = layer.model.order
    fixed = {id(a) for part in parts for key, a in part.weights.items() if not part.learns(key)}
    every = [(part, key, a) for part in parts for key, a in part.weights.items()]
    every.sort(key=lambda one: id(one[2]) in fixed)
    return {f"{part.name}/{key}": array for part, key, array in every}


def _write(file: Any, group: str, arrays: dict[str, Array]) -> None:
    made = file.create_group(group)
    _put_names(made, "weight_names", list(arrays))
    for name, array in arrays.items():
        made.create_dataset(name, data=array)


def _put_names(group: Any, attribute: str, names: Sequence[str]) -> None:
    if len(names) <= NAMES_LIMIT:
        group.attrs[attribute] = names
        return
    for i in range(0, len(names), NAMES_LIMIT):
        group.attrs[f"{attribute}{i // NAMES_LIMIT}"] = names[i : i + NAMES_LIMIT]


def _without_module(value: Any) -> Any:
    """The description of a class in the legacy form."""
    if isinstance(value, list):
        return [_without_module(part) for part in value]
    if isinstance(value, dict) and "class_name" in value:
        return {"class_name": name_of_old(value), "config": value["config"]}
    return value


# Reading ---------------------------------------------------------------------------------


def is_legacy(file: File) -> bool:
    """Whether an HDF5 file is a legacy one, with a description of the layers or without."""
    return "model_weights" in file.groups or any("layer_names" in key for key in file.groups[""])


def read_legacy(path: Path) -> SavedModel:
    """The model of an ``.h5`` file without its arrays; raises ``ModelFileError`` if it has none."""
    who = str(path)
    budget = Budget(who, ModelFileError, regular_file_size(path, ModelFileError))
    with opened(path, ModelFileError, budget) as file:
        about = file.groups[""]
    texts = {key: about.get(key) for key in ("model_config", "training_config", "minicnn")}
    if not isinstance(texts["model_config"], str):
        raise ModelFileError(
            f"{who}: expected a model, got an HDF5 file without the layers' description. Of a file "
            "of weights build the model, and call load_weights."
        )
    found = {
        key: json_object(f"{who}: {key}", text, ModelFileError)
        for key, text in texts.items()
        if isinstance(text, str)
    }
    model = read_config(who, found["model_config"], about.get("keras_version"))
    model.budget = budget
    model.compiled = found.get("training_config")
    model.extra = found.get("minicnn")
    return model


def read_arrays(
    who: str,
    file: File,
    model: SavedModel,
    shapes: Sequence[Sequence[Shape]],
    optimizer_shapes: Callable[[], Sequence[Shape] | None],
) -> None:
    """As ``weights.read_arrays``, from a legacy file; layers are matched in their order."""
    root = "model_weights/" if "model_weights" in file.groups else ""
    about = file.groups[""] | file.groups[root.rstrip("/")]
    refuse_keras_1(who, about.get("keras_version"))
    turned = about.get("backend") == "theano"
    listed = [
        (f"{root}{name}", _names(file, f"{root}{name}", "weight_names"))
        for name in _names(file, root.rstrip("/"), "layer_names")
    ]
    listed = [(group, names) for group, names in listed if names]
    owners: dict[str, list[tuple[SavedLayer, Sequence[Shape]]]] = {}
    for layer, expected in zip(model.order, shapes, strict=True):
        if expected:
            owners.setdefault(layer.owner, []).append((layer, expected))
    if len(listed) != len(owners):
        raise ModelFileError(
            f"{who}: expected the arrays of {len(owners)} layers, got those of {len(listed)}."
        )
    for (group, names), parts in zip(listed, owners.values(), strict=True):
        by_inner: dict[str, list[str]] = {}
        for name in names:
            by_inner.setdefault(name.rpartition("/")[0].rpartition("/")[2], []).append(name)
        for layer, expected in parts:
            held = names if len(parts) == 1 else by_inner.get(layer.inner, [])
            if len(held) != len(expected):
                raise ModelFileError(
                    f"{who}: expected {len(expected)} arrays in {group!r}, got {len(held)}."
                )
            layer.weights = {
                name: model.read(file, f"{group}/{name}", shape)
                for name, shape in zip(held, expected, strict=True)
            }
            if turned and layer.class_name in TURNED_BY_THEANO:
                layer.weights[held[0]] = layer.weights[held[0]][::-1, ::-1]
    expected_state = optimizer_shapes()
    if turned and expected_state is not None:
        raise OtherOptimizerError(f"{who}: the optimizer's state is of Theano's kernels.")
    if expected_state is not None and "optimizer_weights" in file.groups:
        group = "optimizer_weights"
        names = [f"{group}/{name}" for name in _names(file, group, "weight_names")]
        model.optimizer = read_state(who, file, model.budget, names, expected_state)


def read_some(
    who: str,
    file: File,
    model: SavedModel,
    shapes: Sequence[Sequence[Shape]],
    by_name: bool,
    skip_mismatch: bool,
) -> list[str]:
    """The arrays of those layers that a legacy file has; returns the layers of other shapes.

    The layers are matched by their names, or in their order.
    """
    root = "model_weights" if "model_weights" in file.groups else ""
    listed = {}
    for name in _names(file, root, "layer_names"):
        group = f"{root}/{name}".lstrip("/")
        if arrays := [f"{group}/{array}" for array in _names(file, group, "weight_names")]:
            listed[name] = arrays
    owners: dict[str, list[tuple[SavedLayer, Shape]]] = {}
    for layer, expected in zip(model.order, shapes, strict=True):
        owners.setdefault(layer.owner, []).extend((layer, shape) for shape in expected)
    owners = {name: parts for name, parts in owners.items() if parts}
    if by_name:
        pairs = [(name, listed[name], owners[name]) for name in owners if name in listed]
    else:
        pairs = [
            (name, arrays, parts)
            for arrays, (name, parts) in zip(listed.values(), owners.items(), strict=False)
        ]
    skipped = []
    for name, arrays, parts in pairs:
        found = [file.datasets[array].shape for array in arrays if array in file.datasets]
        wanted = [shape for _, shape in parts]
        if found != wanted:
            if not skip_mismatch:
                raise ModelFileError(
                    f"{who}: expected arrays {wanted} of the layer {name!r}, got {found}. "
                    "skip_mismatch=True leaves such layers as they are."
                )
            skipped.append(name)
            continue
        read: dict[int, dict[str, Array]] = {}
        for array, (layer, shape) in zip(arrays, parts, strict=True):
            read.setdefault(id(layer), {})[array] = model.read(file, array, shape)
        for layer, _ in parts:
            layer.weights = read[id(layer)]
    return skipped


def _names(file: File, group: str, attribute: str) -> list[str]:
    """The names in an attribute, or in those of it that are numbered where they are many."""
    attributes = file.groups.get(group, {})
    numbered = takewhile(attributes.__contains__, (f"{attribute}{i}" for i in count()))
    parts = [attributes[key] for key in ((attribute,) if attribute in attributes else numbered)]
    return [str(name) for part in parts if isinstance(part, list) for name in part]
