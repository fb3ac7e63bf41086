"""Models into ONNX files.

Each layer is written by one function; ``export`` goes through the nodes. Opset 17 and IR
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
from minicnn.layers import Layer
from minicnn.layers.activated import apart
from minicnn.layers.core import Flatten
from minicnn.layers.dense import Dense
from minicnn.layers.graph import Graph as Network
from minicnn.models.model import Model
from minicnn.onnx.graph import NCHW, Axes, Flow, Graph, package, row_order, same_order
from minicnn.onnx.merging import MERGERS
from minicnn.onnx.writers import FREE, WRITERS

OPSET, IR_VERSION = 17, 8
LARGEST = (1 << 31) - (1 << 20)
"""How many bytes of arrays fit into a file, which protobuf limits to 2 GiB."""


def export(model: Model, filepath: str | os.PathLike[str], layout: str) -> None:
    """See ``export_onnx``."""
    if not isinstance(model, Model):
        raise ConfigError(f"export_onnx: expected a model, got {model!r}.")
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


def _written(model: Model, layout: str, onnx: Any) -> Any:
    if 4 * model.count_params() > LARGEST:
        raise ConfigError(
            f"export_onnx: expected arrays of at most {LARGEST:,} bytes, which an ONNX file holds, "
            f"got {4 * model.count_params():,}."
        )
    inputs = _called("input", model.input_names)
    outputs = _called("output", model.output_names)
    graph = Graph(onnx, (*inputs, *outputs))
    begins = [
        Flow(name, shape, _axes(shape, layout))
        for name, shape in zip(inputs, model.input_shapes, strict=True)
    ]
    ends = [_axes(shape, layout) for shape in model.output_shapes]
    ys = _nodes(graph, apart(model.graph()), begins)
    graph.end([graph.moved(y, end).name for y, end in zip(ys, ends, strict=True)], outputs)
    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            model.name or "model",
            [_described(onnx, x.name, x.shape, x.axes) for x in begins],
            [
                _described(onnx, name, shape, end)
                for name, shape, end in zip(outputs, model.output_shapes, ends, strict=True)
            ],
            graph.arrays,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minicnn",
    )
    if model.class_names:
        onnx.helper.set_model_props(made, {"class_names": json.dumps(list(model.class_names))})
    return made


def _called(kind: str, names: Sequence[str]) -> list[str]:
    """The names of a file's inputs or outputs: the model's, if there are several."""
    return [kind] if len(names) == 1 else [f"{kind}.{name}" for name in names]


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


def _nodes(graph: Graph, network: Network, begins: Sequence[Flow]) -> list[Flow]:
    """Write the nodes, one after another; ``begins`` are what the network is given."""
    flows, follow = list(begins), _Followers(network)
    for place, node in enumerate(network.nodes):
        layer: Any = node.layer
        xs = [flows[i] for i in node.reads]
        caring = follow.caring(place)
        graph.layer = node.name
        if caring is not None and caring.axes == ("H", "W", "C"):
            xs = [graph.moved(x, NCHW) if len(x.shape) == 3 else x for x in xs]
        if type(layer) is Flatten:
            flows.append(_flat(graph, xs[0], type(follow.caring(place, after=1)) is Dense))
        elif type(layer) in MERGERS:
            flows.append(MERGERS[type(layer)](graph, layer, xs))
        else:
            flows.append(_writer(layer)(graph, layer, xs[0]))
    return [flows[i] for i in network.outputs]


class _Followers:
    """Which layers follow a node, each the only reader of the one before."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.readers = network.readers()

    def caring(self, place: int, after: int = 0) -> Layer | None:
        """The first of them, the node's own layer the first, that cares for the order of axes."""
        at: int | None = place
        while at is not None:
            layer: Any = self.network.nodes[at].layer
            if after == 0 and type(layer) not in FREE:
                return layer if type(layer) not in MERGERS else None
            after = max(after - 1, 0)
            readers = self.readers[self.network.given + at]
            at = readers[0] if len(readers) == 1 and readers[0] >= 0 else None
        return None


def _writer(layer: Layer) -> Callable[[Graph, Any, Flow], Flow]:
    """A subclass of a layer of minicnn's may compute something else, so it is a custom layer."""
    if type(layer) not in WRITERS:
        raise ConfigError(
            f"export_onnx: expected layers that minicnn has, got {layer.who}, which is custom. "
            "Put it together from minicnn's layers."
        )
    return WRITERS[type(layer)]


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
