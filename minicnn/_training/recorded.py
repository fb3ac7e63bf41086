"""The head of a network as one call, for a model that predicts one small batch after another.

The first nodes of a network are mostly calls of compiled kernels (``Layer.replays``). For a single
image these take some microseconds each, and to prepare one in Python takes longer. So the calls
are noted once, with arrays that stay where they are, and from then on made again at once.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import keeps
from minicnn._parallel.threads import threads_now
from minicnn.kernels import KernelSet
from minicnn.layers.graph import Graph

MOST_NUMBERS = 1 << 18
"""Of what a node takes; from there on the time that Python takes does not matter."""

Likeness = tuple[Any, ...]
"""What calls depend on besides addresses: shapes, types and the number of threads."""


class Recorded:
    """The nodes of a graph, of which the first are replayed on inputs like ``xs``."""

    def __init__(
        self, graph: Graph, folded: Sequence[Any], kernels: KernelSet, xs: Sequence[Array]
    ) -> None:
        assert kernels.recording is not None
        self.graph = graph
        self.like = likeness(xs)
        self.xs = [np.zeros(x.shape, x.dtype) for x in xs]
        self.workspace = kernels.workspace()
        """Where the calls compute; nobody else may take memory from it, which could move it."""
        self.count = _replayable(graph)
        held = -1
        while held != self.workspace.nbytes:  # until all memory lies where it will be
            held = self.workspace.nbytes
            self.calls = kernels.recording()
            self.values: list[Array | None] = []
            self._record(folded)

    @classmethod
    def worth(cls, graph: Graph, kernels: KernelSet, xs: Sequence[Array]) -> bool:
        """Whether it makes a difference for such a batch."""
        if kernels.recording is None or not _replayable(graph):
            return False
        first = [node for node in graph.nodes if node.reads[0] < graph.given]
        if any(node.shape != xs[node.reads[0]].shape[1:] for node in first):
            return False
        numbers = max(_numbers(node.shape) for node in graph.nodes)
        return 0 < len(xs[0]) * numbers <= MOST_NUMBERS

    def _record(self, folded: Sequence[Any]) -> None:
        with self.calls, self.workspace:
            for one in folded:
                one.update()
            self.values = self.graph.values(list(self.xs), 0, self.count)

    def gives(self, xs: Sequence[Array], outputs: Sequence[Array]) -> bool:
        """Whether a replay makes these outputs: the calls are all that there is to do."""
        return self.calls.complete and all(
            np.array_equal(mine, y, equal_nan=True)
            for mine, y in zip(self.outputs(xs), outputs, strict=True)
        )

    @property
    def whole(self) -> bool:
        """Whether they are all nodes: NumPy and its BLAS have no part in it."""
        return self.count == len(self.graph.nodes)

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays."""
        return self.workspace.nbytes + sum(x.nbytes for x in self.xs)

    def outputs(self, xs: Sequence[Array]) -> tuple[Array, ...]:
        """What the nodes make of such a batch; others may keep it."""
        for mine, x in zip(self.xs, xs, strict=True):
            np.copyto(mine, x)
        self.calls.replay()
        values = self.graph.values(list(self.values), self.count)
        return tuple(values[i].copy() for i in self.graph.outputs)


def likeness(xs: Sequence[Array]) -> Likeness:
    """What must be the same of another batch."""
    return (threads_now(), *((x.shape, x.dtype) for x in xs))


def _numbers(shape: Any) -> int:
    """How many numbers a node takes of an image."""
    if shape and isinstance(shape[0], tuple):
        return sum(map(_numbers, shape))
    return math.prod(shape)


def _replayable(graph: Graph) -> int:
    """How many of the first nodes can be replayed."""
    count = 0
    while count < len(graph.nodes):
        if not keeps(graph.nodes[count].layer, "replays"):
            break
        count += 1
    return count
