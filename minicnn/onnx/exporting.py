"""Models into ONNX files.

Each layer is written by one function; ``export`` runs them in a row. Opset 17 and IR
version 8 are what runtimes from 2022 on read.
"""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Shape
from minicnn._files.atomic import replacing
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError
from minicnn.layers import Layer, Residual
from minicnn.layers.core import Flatten
from minicnn.layers.dense import Dense
from minicnn.models.sequential import Sequential
from minicnn.onnx.graph import NCHW, Axes, Flow, Graph, package, row_order, same_order
from minicnn.onnx.writers import FREE, WRITERS

OPSET, IR_VERSION = 17, 8
LARGEST = (1 << 31) - (1 << 20)
"""How many bytes of arrays fit into a file, which protobuf limits to 2 GiB."""


def export(model: Sequential, filepath: str | os.PathLike[str], layout: str) -> None:
    """See ``export_onnx``."""
    if not isinstance(model, Sequential):
        raise ConfigError(f"export_onnx: expected a Sequential model, got {model!r}.")
    if layout not in ("NHWC", "NCHW"):
        raise ConfigError(f"export_onnx: expected layout 'NHWC' or 'NCHW', got {layout!r}.")
    filepath = path_of("export_onnx", "filepath", filepath)
    if filepath.suffix != ".onnx":
        raise ConfigError(
            f"export_onnx: expected a path that ends in .onnx, got {str(filepath)!r}."
        )
    onnx = package("export_onnx")
    written = _written(model, layout, onnx)
    onnx.checker.check_model(written, full_check=True)
    with replacing(filepath) as unfinished:
        unfinished.write_bytes(written.SerializeToString())


def _written(model: Sequential, layout: str, onnx: Any) -> Any:
    if 4 * model.count_params() > LARGEST:
        raise ConfigError(
            f"export_onnx: expected arrays of at most {LARGEST:,} bytes, which an ONNX file holds, "
            f"got {4 * model.count_params():,}."
        )
    graph = Graph(onnx)
    begin, end = _axes(model.input_shape, layout), _axes(model.output_shape, layout)
    y = _chain(graph, model.stack, Flow("input", model.input_shape, begin))
    graph.layer = "output"
    graph.end(graph.moved(y, end).name)
    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            model.name or "model",
            [_described(onnx, "input", model.input_shape, begin)],
            [_described(onnx, "output", model.output_shape, end)],
            graph.arrays,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minicnn",
    )
    if model.class_names:
        onnx.helper.set_model_props(made, {"class_names": json.dumps(list(model.class_names))})
    return made


def _axes(shape: Shape, layout: str) -> Axes:
    """The order of the axes of an input or output."""
    return NCHW if layout == "NCHW" and len(shape) == 3 else tuple(range(len(shape) + 1))


def _described(onnx: Any, name: str, shape: Shape, axes: Axes) -> Any:
    """The description of a graph's input or output; of an image also the meaning of its axes."""
    sizes = ["N", *(shape[axis - 1] for axis in axes[1:])]
    info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)
    if len(shape) == 3:
        meaning = ("DATA_BATCH", "DATA_FEATURE", "DATA_FEATURE", "DATA_CHANNEL")
        for dim, axis in zip(info.type.tensor_type.shape.dim, axes, strict=True):
            dim.denotation = meaning[axis]
    return info


def _chain(graph: Graph, layers: Sequence[Layer], x: Flow, prefix: str = "") -> Flow:
    """Write the layers, one after another; x is what goes into the first."""
    for i, layer in enumerate(layers):
        caring = next((later for later in layers[i:] if type(later) not in FREE), None)
        if caring is not None and caring.axes == ("H", "W", "C"):
            x = graph.moved(x, NCHW)
        name = f"{prefix}{layer.name}"
        graph.layer = name
        if type(layer) is Residual:
            y = _chain(graph, layer.layers, x, f"{name}.")
            around = _chain(graph, layer.shortcut or (), x, f"{name}.")
            graph.layer = name
            x = graph.on(y, "Add", graph.moved(around, y.axes).name)
        elif type(layer) is Flatten:
            x = _flat(graph, x, _meets_dense(layers[i + 1 :]))
        else:
            x = _writer(layer)(graph, layer, x)
    return x


def _writer(layer: Layer) -> Callable[[Graph, Any, Flow], Flow]:
    """A subclass of a layer of minicnn's may compute something else, so it is a custom layer."""
    if type(layer) not in WRITERS:
        raise ConfigError(
            f"export_onnx: expected layers that minicnn has, got {layer.who}, which is custom. "
            "Put it together from minicnn's layers."
        )
    return WRITERS[type(layer)]


def _meets_dense(layers: Sequence[Layer]) -> bool:
    """Whether the next layer that depends on the order of its input is a Dense."""
    caring = next((layer for layer in layers if type(layer) not in FREE), None)
    return type(caring) is Dense


def _flat(graph: Graph, x: Flow, meets_dense: bool) -> Flow:
    """A row of numbers, left in ONNX's order where the next Dense can have its rows in that."""
    size = int(np.prod(x.shape))
    if len(x.shape) == 1:
        return x
    order = None
    if meets_dense and not same_order(x.axes, x.shape):
        order = row_order(x.axes, x.shape)
    else:
        x = graph.in_order(x)
    return Flow(graph.node("Flatten", [x.name], axis=1), (size,), (0, 1), order)
