"""The planner: which nodes of a graph are computed together.

``fused`` looks at a graph, once before a run, and puts one ``FusedConv`` where a convolution alone
is read by a ReLU, and that alone by a pooling. The layers stay as they
are and keep their arrays; the node only goes through the image once instead of three times, if
the model's kernels are capable of that (``KernelSet.fusion``). At the head of a model it also
takes in the ``Rescaling``, so that bytes become numbers a few images at a time.

In the same way a ``FusedNorm`` takes the place of BatchNorm, ReLU, and Add or MaxPool, or of those
of them that there are (``KernelSet.normalization``), a ``FusedReLU`` that of Add and ReLU
(``rectifier``), and a ``FusedDense`` that of a Dense (``dense``).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, Pair
from minicnn._core.traits import computes_as, keeps
from minicnn.kernels import ALONE, PLAIN, Fusion, Moments, Scale, Tail, Then
from minicnn.layers.activated import apart
from minicnn.layers.activation import Activation, ReLU
from minicnn.layers.base import Grads
from minicnn.layers.conv import Conv2D
from minicnn.layers.core import InputLayer, Rescaling
from minicnn.layers.depthwise import DepthwiseConv2D
from minicnn.layers.graph import Graph, Node, Unit, renumbered
from minicnn.layers.merging import Add
from minicnn.layers.pooling import AvgPool, MaxPool
from minicnn.models import fused_dense, fused_norm
from minicnn.models.fused_dense import FusedDense
from minicnn.models.fused_layer import FusedLayer
from minicnn.models.fused_norm import FusedNorm
from minicnn.models.fused_relu import FusedReLU, then_of

LONGEST_HEAD = 100
"""Nodes after an input that are looked at."""


class FusedConvCache(NamedTuple):
    """What ``FusedConv.backward`` needs."""

    x: Array
    trace: Any


class FusedConv(FusedLayer[Conv2D]):
    """Rescaling, convolution, ReLU and pooling in one node; the arrays are the convolution's."""

    additive = True
    reads_bytes = True
    replays = True
    fresh_dx = True
    """Whether dx is an array that nobody else has."""

    def __init__(self, fusion: Fusion, conv: Conv2D, tail: Tail, scale: Scale | None) -> None:
        super().__init__(conv)
        self.fusion = fusion
        self.tail = tail
        self.scale = scale

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FusedConvCache]:
        """The output of the last of the layers."""
        place = self.layer.windows(x.shape[1:])
        kernel, bias = self.layer.param("kernel"), self.layer.params.get("bias")
        y, trace = self.fusion.convolve(
            x, kernel, bias, place.strides, place.pads, self.tail, self.scale, training
        )
        return y, FusedConvCache(x, trace)

    def backward(self, dy: Array, cache: FusedConvCache) -> tuple[Array, Grads]:
        """dx, and the gradients of kernel and bias."""
        dx, grads = self._backward(dy, cache, need_dx=True)
        assert dx is not None
        return dx, grads

    def param_grads(self, dy: Array, cache: FusedConvCache) -> Grads:
        """The gradients of kernel and bias alone."""
        return self._backward(dy, cache, need_dx=False)[1]

    def _backward(
        self, dy: Array, cache: FusedConvCache, need_dx: bool
    ) -> tuple[Array | None, Grads]:
        place = self.layer.windows(cache.x.shape[1:])
        dx, dkernel, dbias = self.fusion.convolve_backward(
            dy,
            cache.x,
            cache.trace,
            self.layer.params["kernel"],
            place.strides,
            place.pads,
            self.tail,
            self.scale,
            need_dx,
        )
        return dx, {"kernel": dkernel, "bias": dbias} if self.layer.use_bias else {
            "kernel": dkernel
        }


def fused(graph: Graph) -> Graph:
    """The graph with nodes that compute what several did, where only one reads what each gives.

    A layer whose class derives from a library's is fused like that one, as long as it has the
    passes of that class.
    """
    graph = apart(graph)
    planner = _Planner(graph)
    for place in range(len(graph.nodes)):
        planner.take(place)
    return renumbered(graph.given, planner.entries, graph.outputs)


class _Planner:
    """Goes through the nodes; each entry is a node, and the number of what it makes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.readers = graph.readers()
        self.entries: list[tuple[int, Node]] = []
        self.taken: set[int] = set()
        self.sums: dict[int, tuple[int, Node]] = {}
        """Of an Add the entry that it is part of: all that it adds is there by then."""

    def take(self, place: int) -> None:
        """Plan a node, unless one before it has it."""
        if place in self.sums:
            self.entries.append(self.sums[place])
        if place in self.taken:
            return
        node = self.graph.nodes[place]
        if computes_as(node.layer, InputLayer):
            self._head(place)
        elif fused_norm.can_be_fused(node):
            self._norm(place, node)
        elif _can_be_fused(node):
            self._conv(place, node.reads, None)
        elif fused_dense.can_be_fused(node):
            layer: Any = node.layer
            unit = FusedDense(layer.kernels.dense, layer)
            self._put(place, node._replace(layer=unit))
        elif _rectifies(node):
            self._relu(place, node)
        else:
            self._put(place, node)

    def _put(self, place: int, node: Node) -> None:
        self.taken.add(place)
        self.entries.append((self.graph.given + place, node))

    def _after(self, place: int) -> int | None:
        """The one node that reads what a node gives, and reads nothing else."""
        places = self.readers[self.graph.given + place]
        if len(places) != 1 or places[0] < 0 or len(self.graph.nodes[places[0]].reads) > 1:
            return None
        return places[0]

    def _chain(self, place: int) -> Iterator[int]:
        """The nodes that follow, each the only reader of the one before."""
        after = self._after(place)
        while after is not None:
            yield after
            after = self._after(after)

    def _head(self, place: int) -> None:
        """An input with what follows it.

        As long as layers read bytes they come before the InputLayer, which makes numbers of bytes;
        a convolution that is fused does that itself.
        """
        nodes, number = self.graph.nodes, self.graph.nodes[place].reads[0]
        head = list(islice(self._chain(place), LONGEST_HEAD))
        reading = list(takewhile(lambda i: keeps(nodes[i].layer, "reads_bytes"), head))
        first, second, *_ = [*head[len(reading) :], None, None]
        conv, scale = first, None
        if first is not None and second is not None and not _can_be_fused(nodes[first]):
            conv, scale = second, _scale(nodes[first].layer)
        fits = conv is not None and _can_be_fused(nodes[conv]) and (conv is first or scale)
        # Each makes what the one before it made.
        for i, made in zip(reading if fits else [*reading, place], [place, *reading], strict=False):
            self.taken.add(i)
            self.entries.append((self.graph.given + made, nodes[i]._replace(reads=(number,))))
            number = self.graph.given + made
        if fits:
            assert conv is not None
            assert first is not None
            self.taken.update((place, first))
            self._conv(conv, (number,), scale)

    def _conv(self, place: int, reads: tuple[int, ...], scale: Scale | None) -> None:
        node = self.graph.nodes[place]
        layer: Any = node.layer
        following = list(islice(self._chain(place), 2))
        tail, count = _tail(layer, [self.graph.nodes[i] for i in following])
        self.taken.update((place, *following[:count]))
        unit = FusedConv(layer.kernels.fusion, layer, tail, scale)
        unit.stands_for = tuple(self.graph.nodes[i].name for i in (place, *following[:count]))
        number = self.graph.given + (place, *following)[count]
        self.entries.append((number, node._replace(layer=unit, reads=reads)))

    def _norm(self, place: int, node: Node) -> None:
        layer: Any = node.layer
        found, over_x = self._sum_after(place), self._not_needed(node.reads[0])
        reads, shape = node.reads, node.shape
        if found is not None:
            reads, shape = (*reads, found[1]), (shape, shape)
        places = [place] if found is None else [place, found[0]]
        then, pool = self._relu_after(places, slope=False), None
        if found is None and node.shape[-1] <= layer.kernels.normalization.most_pooled:
            pool = self._max_pool_after(places)
        kernels = layer.kernels.normalization
        unit = FusedNorm(kernels, layer, then, found is not None, over_x, pool)
        if kernels.noted is not None and layer.trainable and node.training is not False:
            unit.noted = self._noted(node.reads[0], kernels.noted)
        self._put_unit(unit, node._replace(reads=reads, shape=shape), places)

    def _noted(self, number: int, noted: Callable[[], Moments]) -> Moments | None:
        """What finds the moments of a number as it is made, if a convolution makes it."""
        for i in reversed(range(len(self.entries))):
            made, node = self.entries[i]
            if made == number and _finds_moments(node.layer):
                moments = node.moments or noted()
                self.entries[i] = made, node._replace(moments=moments)
                return moments
        return None

    def _relu(self, place: int, node: Node) -> None:
        """A ReLU, or an Add of two with or without one."""
        layer: Any = node.layer
        places, reads, adds = [place], node.reads, layer.merges
        if adds and self._not_needed(reads[1]):  # it is written over the first
            reads = reads[::-1]
        then = self._relu_after(places) if adds else then_of(layer) or ALONE
        over_x = self._not_needed(reads[0])
        unit = FusedReLU(layer.kernels.rectifier, layer, then, adds, over_x)
        self._put_unit(unit, node._replace(reads=reads), places)

    def _put_unit(self, unit: Any, node: Node, places: list[int]) -> None:
        """An entry for the nodes at these places; it waits for the Add, if it is none itself."""
        unit.stands_for = tuple(self.graph.nodes[i].name for i in places)
        entry = self.graph.given + places[-1], node._replace(layer=unit)
        self.taken.update(places)
        if len(node.reads) > 1 and isinstance(unit, FusedNorm):
            self.sums[places[1]] = entry
        else:
            self.entries.append(entry)

    def _relu_after(self, places: list[int], slope: bool = True) -> Then:
        """What the ReLU does that alone reads what the last of these nodes gives, if one does."""
        after = self._after(places[-1])
        then = None if after is None else then_of(self.graph.nodes[after].layer)
        if after is None or then is None or (then.slope and not slope):
            return ALONE
        places.append(after)
        return then

    def _max_pool_after(self, places: list[int]) -> Pair | None:
        """The windows of the MaxPool that alone reads what the last of these nodes gives."""
        after = self._after(places[-1])
        pool = None if after is None else _windows(self.graph.nodes[after])
        if after is None or pool is None or pool[0] != "max":
            return None
        places.append(after)
        return pool[1]

    def _sum_after(self, place: int) -> tuple[int, int] | None:
        """(the Add that alone reads what a node gives, the number of what it adds)."""
        number = self.graph.given + place
        (sum_, *others) = self.readers[number] or [-1]
        if others or sum_ < 0 or sum_ in self.sums:
            return None
        node = self.graph.nodes[sum_]
        return (sum_, node.reads[node.reads[0] == number]) if _adds_two(node) else None

    def _not_needed(self, number: int) -> bool:
        """Whether only one node ever needs this number: not even what made it, backward."""
        place = number - self.graph.given
        if place < 0 or len(self.readers[number]) > 1:
            return False
        maker = self.graph.nodes[place].layer
        if computes_as(maker, Conv2D) or computes_as(maker, DepthwiseConv2D):
            return maker.activation in (None, "linear")
        return False


def _adds_two(node: Node) -> bool:
    return computes_as(node.layer, Add) and len(node.reads) == 2 and len(set(node.shape)) == 1


def _rectifies(node: Node) -> bool:
    layer: Any = node.layer
    if not _adds_two(node) and then_of(layer) is None:
        return False
    return layer.kernels.rectifier is not None


def _can_be_fused(node: Node) -> bool:
    layer = node.layer
    return (
        computes_as(layer, Conv2D)
        and layer.kernels.fusion is not None
        and layer.activation in (None, "linear", "relu")
        and (layer.groups, layer.dilation) == (1, (1, 1))
        and not layer.place(node.shape).far
    )


def _finds_moments(layer: Unit) -> bool:
    if isinstance(layer, FusedConv):
        return not layer.tail.pool
    return computes_as(layer, DepthwiseConv2D) and layer.activation in (None, "linear")


def _scale(layer: Unit) -> Scale | None:
    """What a Rescaling by one number does."""
    if not computes_as(layer, Rescaling) or np.ndim(layer.scale) or np.ndim(layer.offset):
        return None
    return Scale(float(layer.scale), float(layer.offset))


def _tail(conv: Conv2D, following: Sequence[Node]) -> tuple[Tail, int]:
    """What of the next nodes can be computed with the convolution, and how many they are."""
    relu, taken = conv.activation == "relu", 0
    if not relu and following and _is_relu(following[0].layer):
        relu, taken = True, 1
    if taken < len(following) and (pool := _windows(following[taken])):
        fusion = conv.kernels.fusion
        if fusion is not None and math.prod(pool[1]) <= fusion.largest_window:
            return Tail(relu, *pool), taken + 1
    return PLAIN._replace(relu=relu), taken


def _windows(node: Node) -> tuple[str, Pair] | None:
    """What a pooling of windows side by side does, and their size."""
    pool = node.layer
    if not computes_as(pool, MaxPool) and not computes_as(pool, AvgPool):
        return None
    place = pool.windows(node.shape)
    if place.size != place.strides or place.pads != ((0, 0), (0, 0)):
        return None
    return "max" if isinstance(pool, MaxPool) else "avg", place.size


def _is_relu(layer: Unit) -> bool:
    if computes_as(layer, ReLU):
        return (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0, 0)
    return computes_as(layer, Activation) and layer.activation == "relu"
