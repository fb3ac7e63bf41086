"""Keras 3's own file of a model, ``.keras``: a zip of JSON and HDF5.

    metadata.json        {"keras_version", "date_saved"}, and in "minicnn" what Keras has not
    config.json          the layers with their arguments, and how the model was compiled
    model.weights.h5     layers/<class in snake case>[_n]/vars/0, 1, ...
                         optimizer/vars/0 (iteration), 1 (learning rate), 2, ...

The number n counts the layers of a class, whatever the layers are called.
"""

import io
import json
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minicnn.config import snake_case
from minicnn.errors import ModelFileError
from minicnn.files import hdf5
from minicnn.files.atomic import reason, replacing
from minicnn.shapes import Array, Shape

KERAS_VERSION = "3.8.0"
"""The release of Keras whose layout this is; later ones read it too."""

BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on bytes that make no sense."""

JSON_LIMIT = 16 << 20
"""The largest config.json or metadata.json that is read, in bytes."""


class OtherOptimizerError(ModelFileError):
    """The layers fit, but what the file keeps of an optimizer is of another one."""


@dataclass
class SavedLayer:
    """A layer as a file has it; ``config`` and ``class_name`` are Keras'."""

    class_name: str
    config: dict[str, Any]
    input_shape: Shape = ()
    weights: list[Array] = field(default_factory=list)
    custom: bool = False
    """Whether it is a class of the user's own, which Keras does not know either."""


@dataclass
class SavedModel:
    """A model as a file has it."""

    name: str
    dtype: str
    layers: list[SavedLayer]
    compiled: dict[str, Any] | None = None
    optimizer: list[Array] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    generator: Any = None
    """The state of the model's generator, as NumPy gives it; None in Keras' own files."""


def save(path: str | os.PathLike[str], model: SavedModel) -> None:
    """Write ``model`` to ``path``, whole or not at all."""
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        "minicnn": {"class_names": model.class_names, "generator": model.generator},
    }
    with replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("config.json", json.dumps(_config(model)))
        archive.writestr("model.weights.h5", _weights(model))


def save_weights(path: str | os.PathLike[str], model: SavedModel) -> None:
    """Write the arrays of ``model`` alone, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(_weights(model))


def read_weights(path: str | os.PathLike[str]) -> bytes:
    """The content of a file of ``save_weights``, for ``read_arrays``."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {reason(error)}.") from None


def _config(model: SavedModel) -> dict[str, Any]:
    first = model.layers[0].config["batch_shape"]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": model.name,
            "trainable": True,
            "dtype": _dtype_policy(model.dtype),
            "layers": [_layer_config(layer, model.dtype) for layer in model.layers],
            "build_input_shape": first,
        },
        "registered_name": None,
        "build_config": {"input_shape": first},
        "compile_config": model.compiled,
    }


def _layer_config(layer: SavedLayer, dtype: str) -> dict[str, Any]:
    is_input = layer.class_name == "InputLayer"
    return {
        "module": None if layer.custom else "keras.layers",
        "class_name": layer.class_name,
        "config": layer.config | {"dtype": dtype if is_input else _dtype_policy(dtype)},
        "registered_name": layer.class_name if layer.custom else None,
        "build_config": None if is_input else {"input_shape": [None, *layer.input_shape]},
    }


def _dtype_policy(dtype: str) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": dtype},
        "registered_name": None,
    }


def _weights(model: SavedModel) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for layer, group in zip(model.layers, _group_names(model.layers), strict=True):
            if group is not None:
                _write_vars(file, f"layers/{group}", layer.weights, layer.config.get("name"))
        file.create_group("vars")
        if model.compiled is not None:
            _write_vars(file, "optimizer", model.optimizer, None)
    return buffer.getvalue()


def _write_vars(file: Any, group: str, arrays: Sequence[Array], name: str | None) -> None:
    variables = file.create_group(f"{group}/vars")
    if name is not None:
        variables.attrs["name"] = name
    for i, array in enumerate(arrays):
        variables.create_dataset(str(i), data=array)


def _group_names(layers: Sequence[SavedLayer]) -> list[str | None]:
    seen: Counter[str] = Counter()
    names: list[str | None] = []
    for layer in layers:
        if layer.class_name == "InputLayer":
            names.append(None)
            continue
        base = snake_case(layer.class_name)
        names.append(f"{base}_{seen[base]}" if seen[base] else base)
        seen[base] += 1
    return names


def read_model(path: str | os.PathLike[str]) -> tuple[SavedModel, bytes]:
    """The model at ``path`` without its arrays, and the file of arrays for ``read_arrays``.

    Raises ``ModelFileError`` with one line when the file is not a model.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = _json(path, archive, "metadata.json")
            model = _read_config(path, _json(path, archive, "config.json"))
            # Arrays hardly shrink: a member far larger than its file is a trap.
            data = _member(path, archive, "model.weights.h5", 16 * path.stat().st_size)
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {reason(error)}.") from None
    except BAD_ZIP:
        raise ModelFileError(f"{path}: expected a .keras file, got another kind.") from None
    extra = metadata.get("minicnn")
    extra = extra if isinstance(extra, dict) else {}
    names = extra.get("class_names")
    model.class_names = [str(name) for name in names] if isinstance(names, list) else []
    model.generator = extra.get("generator")
    return model, data


def read_arrays(
    path: str | os.PathLike[str],
    model: SavedModel,
    data: bytes,
    shapes: Sequence[Sequence[Shape]],
    optimizer_shapes: Sequence[Shape] | None,
) -> None:
    """Fill in the arrays of ``model``, which must have exactly these shapes, layer by layer.

    Raises ``ModelFileError`` with one line if they have not.
    """
    path = Path(path)
    with hdf5.opened_bytes(data, str(path), ModelFileError) as file:
        groups = _group_names(model.layers)
        for layer, group, expected in zip(model.layers, groups, shapes, strict=True):
            if group is not None:
                layer.weights = _read_vars(path, file, f"layers/{group}", expected)
        _refuse_more(path, file, groups)
        if optimizer_shapes is not None and "optimizer" in file.groups:
            try:
                model.optimizer = _read_vars(path, file, "optimizer", optimizer_shapes)
            except ModelFileError as error:
                raise OtherOptimizerError(str(error)) from None


def _refuse_more(path: Path, file: hdf5.File, groups: Sequence[str | None]) -> None:
    """Raise ``ModelFileError`` if the file has arrays of layers that the model has not."""
    for name in file.inside("layers"):
        if name not in groups and file.inside(f"layers/{name}/vars"):
            raise ModelFileError(
                f"{path}: expected the arrays of {sum(g is not None for g in groups)} layers, got "
                f"those of a layer {name!r} as well."
            )


def _member(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ModelFileError(f"{path}: expected a .keras file, got one without {name}.") from None
    if info.file_size > limit:
        raise ModelFileError(f"{path}: {name} claims {info.file_size:,} bytes, which is too many.")
    with archive.open(info) as member:
        return member.read(limit)


def _json(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    text = _member(path, archive, name, JSON_LIMIT)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"{path}: {name} is damaged.") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{path}: {name} is damaged.")
    return value


def _read_config(path: Path, config: dict[str, Any]) -> SavedModel:
    if config.get("class_name") != "Sequential":
        raise ModelFileError(
            f"{path}: expected a Sequential model, got {config.get('class_name')!r}."
        )
    try:
        inner = config["config"]
        layers = [
            SavedLayer(str(layer["class_name"]), dict(layer["config"])) for layer in inner["layers"]
        ]
        policy = inner.get("dtype") or "float32"
        dtype = policy if isinstance(policy, str) else policy["config"]["name"]
        compiled = config.get("compile_config")
        return SavedModel(
            str(inner.get("name", "sequential")),
            str(dtype),
            layers,
            dict(compiled) if compiled else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelFileError(f"{path}: config.json does not describe layers.") from None


def _read_vars(path: Path, file: hdf5.File, group: str, shapes: Sequence[Shape]) -> list[Array]:
    count = len(file.inside(f"{group}/vars"))
    if count != len(shapes):
        raise ModelFileError(
            f"{path}: expected {len(shapes)} arrays in {group}, got {count or 'none'}."
        )
    return [file.read(f"{group}/vars/{i}", shape) for i, shape in enumerate(shapes)]
