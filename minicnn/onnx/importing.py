"""Models from ONNX files: ``reading`` looks at the file, ``operators`` at what each node means."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.paths import path_of
from minicnn.errors import MiniCNNError, ModelFileError
from minicnn.initializers import left_unset
from minicnn.layers import InputLayer, Layer
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.model import Model
from minicnn.models.saved import adopt
from minicnn.models.sequential import Sequential
from minicnn.onnx import operators, values
from minicnn.onnx.elementwise import Erf
from minicnn.onnx.graph import NCHW, Axes, package
from minicnn.onnx.reading import File, Tensor, read
from minicnn.onnx.values import Value, Weights


def read_model(filepath: str | os.PathLike[str]) -> Model:
    """See ``import_onnx``."""
    filepath = path_of("import_onnx", "filepath", filepath)
    onnx = package("import_onnx")
    try:
        return _model(read(filepath, onnx))
    except MiniCNNError as error:
        raise ModelFileError(f"{filepath}: {error}") from None
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, MemoryError) as error:
        raise ModelFileError(f"{filepath}: the file makes no model: {error}.") from None


def _model(file: File) -> Model:
    shapes = {tensor.name: _input(file, tensor) for tensor in file.inputs}
    starts = {name: Value(shape, axes, name=name) for name, (shape, axes) in shapes.items()}
    for shape, _ in shapes.values():
        values.check_size(shape)
    first = next(iter(starts.values()))
    ends = [
        _ended(end, output, first)
        for end, output in zip(operators.run(file, starts), file.outputs, strict=True)
    ]
    weights: Weights = {}
    inputs = {name: InputLayer(shape).tensor() for name, (shape, _) in shapes.items()}
    outputs = values.made(ends, inputs, weights)
    if any(type(layer) is Erf for layer, _ in weights.values()):
        raise ModelFileError("expected the error function (Erf) only as a part of gelu.")
    row = None if len(inputs) > 1 or len(outputs) > 1 else _row(outputs[0])
    with left_unset():
        model = (
            Model(
                _keyed(file.inputs, list(inputs.values())),
                _keyed(file.outputs, outputs),
                dtype=file.inputs[0].dtype,
            )
            if row is None
            else Sequential(row, dtype=file.inputs[0].dtype)
        )
    for layer, arrays in weights.values():
        if arrays:
            _fill(layer, arrays)
    model.class_names = file.class_names
    return model


def _row(output: SymbolicTensor) -> list[Layer] | None:
    """The layers that make an output, if they stand in a row."""
    layers: list[Any] = [output.call.layer]
    while output.call.inputs:
        if len(output.call.inputs) > 1:
            return None
        output = output.call.inputs[0]
        layers.append(output.call.layer)
    for layer in layers:
        layer.calls.clear()
    return layers[::-1]


def _keyed(tensors: Sequence[Tensor], made: list[SymbolicTensor]) -> Any:
    """Several by the names that the file has for them."""
    if len(made) == 1:
        return made[0]
    return {
        tensor.name.partition(".")[2] or tensor.name: x
        for tensor, x in zip(tensors, made, strict=True)
    }


def _ended(end: Value, output: Tensor, first: Value) -> Value:
    """An output as the model gives it."""
    end = values.settled(end)
    if len(end.shape) == 3:
        # Images come out with the channels last, as they went in.
        last = output.channels_last
        channels_first = first.axes == NCHW if len(first.shape) == 3 else True
        wanted = NCHW if (channels_first if last is None else not last) else (0, 1, 2, 3)
        end = values.ordered(end, wanted)
    return values.ordered(end, end.axes if len(end.shape) == 3 else values.identity(end.shape))


def _input(file: File, tensor: Tensor) -> tuple[Shape, Axes]:
    """The shape of an image, and the order of its axes in the file."""
    given = tensor.shape
    if given is None:
        raise ModelFileError(
            f"expected an input {tensor.name!r} of known sizes but for the batch: export the "
            "model with fixed height and width."
        )
    if len(given) != 3:
        return given, values.identity(given)
    if _channels_last(file, tensor):
        return given, values.identity(given)
    c, h, w = given
    return (h, w, c), NCHW


def _channels_last(file: File, tensor: Tensor) -> bool:
    """The order that the file states, or shows by a transposition of its input."""
    if tensor.channels_last is not None:
        return tensor.channels_last
    takers = [node for node in file.nodes if tensor.name in node.inputs]
    return bool(takers) and all(
        node.op == "Transpose" and node.attributes.get("perm") == list(NCHW) for node in takers
    )


def _fill(layer: Layer, arrays: Mapping[str, Array]) -> None:
    """Give the layer, which was built without arrays, those of the file."""
    targets = layer.arrays()
    for name, target in targets.items():
        if target.shape != arrays[name].shape:
            raise ModelFileError(
                f"{layer.who}: expected {name} of shape {target.shape}, got {arrays[name].shape}."
            )
    adopt(layer, [np.array(arrays[name], order="C") for name in targets])
