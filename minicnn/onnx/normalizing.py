"""GroupNormalization and UnitNormalization in ONNX: how they are written, and read.

ONNX has InstanceNormalization, which is GroupNormalization of groups of one channel, and
LpNormalization along one axis. For larger groups, and for several axes, the numbers that belong
together are brought into one row by a Reshape before, and back by another after.
"""

import numpy as np

from minicnn._core.shapes import axis_of
from minicnn.errors import ModelFileError
from minicnn.layers import GroupNormalization, UnitNormalization
from minicnn.onnx.graph import Flow, Graph
from minicnn.onnx.net import Net, axis_within, integer, number, only
from minicnn.onnx.reading import Node
from minicnn.onnx.values import Value, after, settled


def group_norm(graph: Graph, layer: GroupNormalization, x: Flow) -> Flow:
    """InstanceNormalization; of larger groups, with gamma and beta in a BatchNormalization."""
    axis = axis_of(layer.who, layer.axis, x.shape)
    groups, channels = layer.group_count(x.shape), x.shape[axis - 1]
    x = graph.moved(x, (0, axis, *(i for i in range(1, len(x.axes)) if i != axis)))
    full = {"gamma": np.ones(channels), "beta": np.zeros(channels), **layer.params}
    epsilon = float(layer.epsilon)
    if groups == channels and len(x.shape) > 1:
        names = [graph.array(name, array) for name, array in full.items()]
        return graph.on(x, "InstanceNormalization", *names, epsilon=epsilon)
    inside = [graph.array("ones", np.ones(groups)), graph.array("zeros", np.zeros(groups))]
    y = graph.reshaped(x.name, (0, groups, -1))
    y = graph.node("InstanceNormalization", [y, *inside], epsilon=epsilon)
    y = graph.reshaped(y, (0, *(x.shape[i - 1] for i in x.axes[1:])))
    if not layer.params:
        return x._replace(name=y)
    names = [graph.array(name, array) for name, array in full.items()]
    statistics = [graph.array(name, np.zeros(channels)) for name in ("mean", "variance")]
    # With a variance of 0 and an epsilon of 1 it is gamma * x + beta.
    y = graph.node("BatchNormalization", [y, *names, *statistics], epsilon=1.0)
    return x._replace(name=y)


def unit_norm(graph: Graph, layer: UnitNormalization, x: Flow) -> Flow:
    """LpNormalization along the axis, or along the row that several are made."""
    axes = layer.axes_of(x.shape)
    if len(axes) == 1:
        return graph.on(x, "LpNormalization", axis=x.axes.index(axes[0]), p=2)
    others = [i for i in range(1, len(x.axes)) if i not in axes]
    x = graph.moved(x, (0, *others, *axes))
    sizes = [x.shape[i - 1] for i in x.axes[1:]]
    y = graph.reshaped(x.name, (0, *sizes[: len(others)], -1))
    y = graph.node("LpNormalization", [y], axis=-1, p=2)
    return x._replace(name=graph.reshaped(y, (0, *sizes)))


def instance_norm(net: Net, node: Node) -> Value:
    """Each channel of each image normalized by itself."""
    x = settled(net.value(node))
    gamma, beta = net.array(node, 1), net.array(node, 2)
    if len(x.dims) < 2 or any(array.shape != x.dims[:1] for array in (gamma, beta)):
        raise ModelFileError(f"expected channels of several numbers and arrays {x.dims[:1]}.")
    axis = x.axes[1] if x.axes[1] != len(x.shape) else -1
    layer = GroupNormalization(-1, axis, number(node, "epsilon", 1e-5))
    return after(x, layer, {"gamma": gamma, "beta": beta})


def lp_norm(net: Net, node: Node) -> Value:
    """Vectors brought to length 1."""
    only(node, p=2)
    x = settled(net.value(node))
    axis = x.axes[axis_within(integer(node, "axis", -1), len(x.axes))]
    return after(x, UnitNormalization(axis if axis != len(x.shape) else -1))
