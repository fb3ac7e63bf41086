"""What runs outside training: each BatchNorm folded into the convolution before it.

    (conv(x, kernel) + bias - mean) * scale + beta
        = conv(x, kernel * scale) + (bias - mean) * scale + beta

where mean and scale = gamma / sqrt(variance + epsilon) are those of each filter. So a convolution
with other numbers does both, and what follows it is fused with it.
"""

import copy
from typing import Any

import numpy as np

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
        vars(self.conv).update(params={}, use_bias=True)
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
        variance = norm.state["moving_variance"].astype(np.float64)
        scale = 1 / np.sqrt(variance + float(norm.epsilon))
        if norm.scale:
            scale *= norm.params["gamma"]
        bias = -scale * norm.state["moving_mean"]
        if self.first.use_bias:
            bias += scale * self.first.params["bias"]
        if norm.center:
            bias += norm.params["beta"]
        filters = (
            scale.reshape(kernel.shape[-2:]) if computes_as(self.first, DepthwiseConv2D) else scale
        )
        made = {"kernel": kernel * filters.astype(kernel.dtype), "bias": bias.astype(kernel.dtype)}
        self.conv.params.update(made)


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
