"""Where the arrays of a model lie in Keras' HDF5 files.

    layers/<class in snake case>[_n]/vars/0, 1, ...
    optimizer/vars/0 (iteration), 1 (learning rate), 2, ...

The number n counts the layers of a class, whatever the layers are called.
"""

import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.config import snake_case
from minicnn.errors import ModelFileError
from minicnn.files import hdf5
from minicnn.files.keras.saved import OtherOptimizerError, SavedLayer, SavedModel
from minicnn.shapes import Array, Shape


def weights_file(model: SavedModel) -> bytes:
    """The content of model.weights.h5, which is that of a .weights.h5 file too."""
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
        if optimizer_shapes is not None and "optimizer" in file:
            try:
                model.optimizer = _read_vars(path, file, "optimizer", optimizer_shapes)
            except ModelFileError as error:
                raise OtherOptimizerError(str(error)) from None


def _refuse_more(path: Path, file: Any, groups: Sequence[str | None]) -> None:
    """Raise ``ModelFileError`` if the file has arrays of layers that the model has not."""
    layers = file.get("layers")
    for name in layers if hasattr(layers, "keys") else ():
        arrays = file.get(f"layers/{name}/vars")
        if name not in groups and hasattr(arrays, "keys") and len(arrays):
            raise ModelFileError(
                f"{path}: expected the arrays of {sum(g is not None for g in groups)} layers, got "
                f"those of a layer {name!r} as well."
            )


def _read_vars(path: Path, file: Any, group: str, shapes: Sequence[Shape]) -> list[Array]:
    variables = file.get(f"{group}/vars")
    if not shapes and variables is None:
        return []
    if not hasattr(variables, "keys") or len(variables) != len(shapes):
        count = len(variables) if hasattr(variables, "keys") else "none"
        raise ModelFileError(f"{path}: expected {len(shapes)} arrays in {group}, got {count}.")
    arrays = []
    for i, shape in enumerate(shapes):
        array = hdf5.read(f"{path}: {group}", variables, str(i), ModelFileError, shape)
        arrays.append(np.asarray(array))
    return arrays
