"""Where the arrays of a model lie in the HDF5 files of Keras 3.

    layers/<class in snake case>[_n]/vars/0, 1, ...
    layers/sequential/layers/...                     of a model within the model
    optimizer/vars/0 (iteration), 1 (learning rate), 2, ...

The number n counts the layers of a class, whatever the layers are called.
"""

import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from minicnn._core.shapes import Array, Shape
from minicnn._files.hdf5 import File, opened, opened_bytes
from minicnn._files.keras import legacy
from minicnn._files.keras.config import placed
from minicnn._files.keras.saved import SavedModel
from minicnn._files.keras.state import read_state
from minicnn._files.keras.windows import slashed
from minicnn.errors import ModelFileError

Source = bytes | Path
"""A file of arrays: its content, or where it is."""

OF_OLD = "_layer_checkpoint_dependencies"
"""What the group of the layers is called in the first files of this kind, of tf.keras 2.12."""

OF_ACTIVATION = "/activation"
"""Where, within its group, a layer has the arrays of an activation that is a layer."""


def weights_file(model: SavedModel) -> bytes:
    """The content of model.weights.h5, which is that of a .weights.h5 file too."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        placed(model)
        for layer in model.order:
            within = {k: x for k, x in layer.weights.items() if k.startswith("activation.")}
            own = [x for k, x in layer.weights.items() if k not in within]
            _write(file, layer.group, own).attrs["name"] = layer.name
            if within:
                _write(file, layer.group + OF_ACTIVATION, within.values())
        file.create_group("vars")
        if model.compiled is not None:
            _write(file, "optimizer", model.optimizer)
    return buffer.getvalue()


def _write(file: Any, group: str, arrays: Iterable[Array]) -> Any:
    variables = file.create_group(f"{group}/vars")
    for i, array in enumerate(arrays):
        variables.create_dataset(str(i), data=array)
    return variables


def read_arrays(
    path: str | os.PathLike[str],
    model: SavedModel,
    data: Source,
    shapes: Sequence[Sequence[Shape]],
    optimizer_shapes: Callable[[], Sequence[Shape] | None],
) -> None:
    """Fill in the arrays of ``model``, which must have exactly these shapes.

    ``shapes`` are those of the layers in ``model.order``; those of what an optimizer remembers are
    asked for when the layers have proved to fit. A model that is read twice keeps to one budget.
    Raises ``ModelFileError`` with one line
    if they have not.
    """
    who = str(path)
    with (
        opened_bytes(data, who, ModelFileError, model.budget)
        if isinstance(data, bytes)
        else opened(data, ModelFileError, model.budget)
    ) as file:
        if legacy.is_legacy(file):
            legacy.read_arrays(who, file, model, shapes, optimizer_shapes)
            return
        file = slashed(file)
        for layer, expected in zip(model.order, shapes, strict=True):
            if layer.group:
                layer.weights = _read(who, file, model, layer.group, expected)
        _refuse_more(who, file, model)
        expected_state = optimizer_shapes()
        if expected_state is not None and "optimizer/vars" in file.groups:
            names = [f"optimizer/vars/{i}" for i in range(len(file.inside("optimizer/vars")))]
            model.optimizer = read_state(who, file, model.budget, names, expected_state)


def read_some(
    path: Path,
    model: SavedModel,
    shapes: Sequence[Sequence[Shape]],
    by_name: bool,
    skip_mismatch: bool,
) -> list[str]:
    """The arrays of those layers that the file has; returns the layers of other shapes.

    Raises ``ModelFileError`` for layers of other shapes unless they are to be skipped.
    """
    who = str(path)
    with opened(path, ModelFileError, model.budget) as file:
        if legacy.is_legacy(file):
            return legacy.read_some(who, file, model, shapes, by_name, skip_mismatch)
        file, skipped = slashed(file), []
        for layer, expected in zip(model.order, shapes, strict=True):
            names = _names(file, layer.group, len(expected))
            found = [file.datasets[name].shape for name in names if name in file.datasets]
            if not layer.group or not expected:
                continue
            if found != list(expected):
                skipped.append(layer.name)
                continue
            layer.weights = {
                name: _array(who, file, model, name, shape)
                for name, shape in zip(names, expected, strict=True)
            }
        if skipped and not skip_mismatch:
            raise ModelFileError(
                f"{who}: expected the arrays of these layers, got other shapes for "
                f"{', '.join(skipped)}. skip_mismatch=True leaves such layers as they are."
            )
        return skipped


def _read(
    who: str, file: File, model: SavedModel, group: str, shapes: Sequence[Shape]
) -> dict[str, Array]:
    if OF_OLD in file.groups:
        group = group.replace("layers", OF_OLD)
    held = sum(len(file.inside(f"{place}/vars")) for place in (group, group + OF_ACTIVATION))
    if held != len(shapes):
        raise ModelFileError(
            f"{who}: expected {len(shapes)} arrays in {group}, got {held or 'none'}: they are of "
            "other layers."
        )
    names = _names(file, group, len(shapes))
    return {
        name: _array(who, file, model, name, shape)
        for name, shape in zip(names, shapes, strict=True)
    }


def _names(file: File, group: str, count: int) -> list[str]:
    """Where so many arrays of a layer are: first its own, then those of its activation."""
    within = len(file.inside(f"{group}{OF_ACTIVATION}/vars"))
    own = [f"{group}/vars/{i}" for i in range(count - within)]
    return own + [f"{group}{OF_ACTIVATION}/vars/{i}" for i in range(within)]


def _array(who: str, file: File, model: SavedModel, name: str, shape: Shape) -> Array:
    array = model.read(file, name, shape)
    if array.dtype == "i1":
        raise ModelFileError(
            f"{who}: dataset {name!r}: expected floating-point numbers, got int8, as quantized "
            "layers have it. Save the model from Keras before it is quantized."
        )
    return array


def _refuse_more(who: str, file: File, model: SavedModel) -> None:
    """Raise ``ModelFileError`` if the file has arrays of layers that the model has not."""
    known = {layer.group + part for layer in model.order for part in ("", OF_ACTIVATION)}
    for name in file.datasets:
        group, _, number = name.replace(OF_OLD, "layers").rpartition("/vars/")
        # What Dropout and its like draw from in Keras; minicnn has one generator for all.
        harmless = group in known or group.endswith("seed_generator")
        if number and group.startswith("layers/") and not harmless:
            raise ModelFileError(
                f"{who}: expected the arrays of {len(known)} layers, got those of a layer "
                f"{group.removeprefix('layers/')!r} as well."
            )
