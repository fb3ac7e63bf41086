"""What runs outside training: each BatchNorm folded into the convolution before it.

    (conv(x, kernel) + bias - mean) * scale + beta
        = conv(x, kernel * scale) + (bias - mean) * scale + beta

where mean and scale = gamma / sqrt(variance + epsilon) are those of each filter. So a convolution
with other numbers does both, and what follows it is fused with it.
"""

import copy
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn.layers.batchnorm import BatchNorm
from minicnn.layers.conv import Conv2D
from minicnn.layers.depthwise import DepthwiseConv2D
from minicnn.layers.graph import Graph, Node, renumbered


class Folded:
    """A convolution with the BatchNorm behind it: ``conv`` is a copy, with arrays of its own."""

    def __init__(self, conv: Any, norm: BatchNorm) -> None:
        self.first = conv
        self.norm = norm
        self.conv = copy.copy(conv)
        kernel = conv.param("kernel")
        made = {"kernel": np.empty_like(kernel, order="C", subok=False)}
        made["bias"] = np.empty(len(norm.state["moving_mean"]), kernel.dtype)
        vars(self.conv).update(params=made, use_bias=True)
        self.update()

    def update(self) -> None:
        """Compute the arrays from those of the two layers, which may have changed.

        >>> from minicnn import Conv2D, Input, Sequential
        >>> model = Sequential([Input((4, 4, 1)), Conv2D(1, 3), BatchNorm(epsilon=1)], seed=0)
        >>> model.layers[0].params["bias"][...] = 3
        >>> folded = Folded(*model.layers)
        >>> model.layers[1].state["moving_variance"][...] = 3
        >>> folded.update()
        >>> folded.conv.params["bias"].tolist()
        [1.5]
        """
        kernel, norm = self.first.param("kernel"), self.norm
        bias = self.first.params["bias"] if self.first.use_bias else None
        gamma = norm.params["gamma"] if norm.scale else None
        beta = norm.params["beta"] if norm.center else None
        mean, variance = norm.state["moving_mean"], norm.state["moving_variance"]
        made = self.conv.params["kernel"], self.conv.params["bias"]
        fold = self.first.kernels.fold or _fold
        fold(kernel, bias, gamma, beta, mean, variance, float(norm.epsilon), made)


def _fold(
    kernel: Array,
    bias: Array | None,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    variance: Array,
    epsilon: float,
    made: tuple[Array, Array],
) -> None:
    scale = 1 / np.sqrt(variance.astype(np.float64) + epsilon)
    if gamma is not None:
        scale *= gamma
    shift = -scale * mean
    if bias is not None:
        shift += scale * bias
    if beta is not None:
        shift += beta
    rows = kernel.reshape(-1, len(mean))
    np.multiply(rows, scale.astype(kernel.dtype), out=made[0].reshape(rows.shape))
    made[1][...] = shift


def folded(graph: Graph) -> tuple[Graph, list[Folded]]:
    """The graph with such convolutions, and these, for ``update``.

    Kernels that fuse nothing take each layer by itself.
    """
    readers = graph.readers()
    entries: dict[int, Node] = {}
    found: list[Folded] = []
    for number, node in enumerate(graph.nodes, graph.given):
        entries[number] = node
        before = entries.get(node.reads[0])
        if before is None or len(readers[node.reads[0]]) > 1 or not _folds(before, node):
            continue
        both = Folded(before.layer, node.layer)  # type: ignore[arg-type]
        found.append(both)
        del entries[node.reads[0]]
        entries[number] = before._replace(layer=both.conv)
    return renumbered(graph.given, list(entries.items()), graph.outputs), found


def _folds(before: Node, node: Node) -> bool:
    conv, norm = before.layer, node.layer
    if not computes_as(norm, BatchNorm) or norm.axis not in (-1, len(node.shape)):
        return False
    if computes_as(conv, Conv2D) or computes_as(conv, DepthwiseConv2D):
        return conv.kernels.fusion is not None and conv.activation in (None, "linear")
    return False
