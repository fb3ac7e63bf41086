"""Models from ONNX files: ``reading`` looks at the file, ``operators`` at what each node means."""

import os
from collections.abc import Mapping

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.paths import path_of
from minicnn.errors import MiniCNNError, ModelFileError
from minicnn.initializers import left_unset
from minicnn.layers import Input, Layer
from minicnn.models.saved import adopt
from minicnn.models.sequential import Sequential
from minicnn.onnx import operators, values
from minicnn.onnx.elementwise import Erf
from minicnn.onnx.graph import NCHW, Axes, package
from minicnn.onnx.reading import File, Tensor, read
from minicnn.onnx.values import Value, Weights


def read_model(filepath: str | os.PathLike[str]) -> Sequential:
    """See ``import_onnx``."""
    filepath = path_of("import_onnx", "filepath", filepath)
    onnx = package("import_onnx")
    try:
        return _model(read(filepath, onnx))
    except MiniCNNError as error:
        raise ModelFileError(f"{filepath}: {error}") from None
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, MemoryError) as error:
        raise ModelFileError(f"{filepath}: the file makes no model: {error}.") from None


def _model(file: File) -> Sequential:
    shape, axes = _input(file)
    values.check_size(shape)
    end = operators.run(file, Value(shape, axes))
    end = values.settled(end)
    if len(end.shape) == 3:
        # Images come out with the channels last, as they went in.
        last = file.output.channels_last
        first = axes == NCHW if len(shape) == 3 else True
        end = values.ordered(end, NCHW if (first if last is None else not last) else (0, 1, 2, 3))
    end = values.ordered(end, end.axes if len(end.shape) == 3 else values.identity(end.shape))
    weights: Weights = {}
    layers = values.made(end, weights)
    if any(type(layer) is Erf for layer, _ in weights.values()):
        raise ModelFileError("expected the error function (Erf) only as a part of gelu.")
    with left_unset():
        model = Sequential([Input(shape), *layers], dtype=file.input.dtype)
    for layer, arrays in weights.values():
        _fill(layer, arrays)
    model.class_names = file.class_names
    return model


def _input(file: File) -> tuple[Shape, Axes]:
    """The shape of an image, and the order of its axes in the file."""
    given = file.input.shape
    if given is None:
        raise ModelFileError(
            f"expected an input {file.input.name!r} of known sizes but for the batch: export the "
            "model with fixed height and width."
        )
    if len(given) != 3:
        return given, values.identity(given)
    if _channels_last(file, file.input):
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
