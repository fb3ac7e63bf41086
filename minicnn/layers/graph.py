"""A network as a list of nodes in running order: what computes each, and what it reads.

    number   0        1           2            3            4
             given    input_layer conv2d       activation   add
    reads             0           1            2            1, 3

The arrays that a network is given have the first numbers, the outputs of the nodes the next.
Forward goes through the list, backward through the reverse of it, and the gradients that come back
to a number that several nodes read add up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import keeps
from minicnn.errors import ConfigError
from minicnn.kernels import ALONE, KernelSet, Moments
from minicnn.kernels.base import Rectifier
from minicnn.layers.base import Grads

Arrays = tuple[Array, ...]

MOST_NODES = 20_000
"""The most nodes of a network: models that use each other twice grow without bound."""


class Unit(Protocol):
    """The interface of a layer, or of several that are computed together."""

    @property
    def merges(self) -> bool: ...  # noqa: D102
    @property
    def who(self) -> str: ...  # noqa: D102
    @property
    def params(self) -> dict[str, Array]: ...  # noqa: D102

    def learned(self) -> dict[str, Array]: ...  # noqa: D102

    @property
    def state(self) -> dict[str, Array]: ...  # noqa: D102

    def forward(  # noqa: D102
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any]: ...
    def backward(self, dy: Array, cache: Any) -> tuple[Any, Grads]: ...  # noqa: D102
    def param_grads(self, dy: Array, cache: Any) -> Grads: ...  # noqa: D102
    def next_state(self, cache: Any) -> dict[str, Array]: ...  # noqa: D102
    def split_activation(self) -> tuple[Any, str | None]: ...  # noqa: D102
    def output_shape(self, input_shape: Any) -> Any: ...  # noqa: D102
    def multiply_adds(self, input_shape: Any) -> int: ...  # noqa: D102


class Node(NamedTuple):
    """One use of a layer. A layer that several nodes use shares its arrays among them."""

    layer: Unit
    reads: tuple[int, ...]
    """The numbers of what it takes: several if its layer merges, else one."""
    name: str
    """The layer's name, with those of the models and layers that it is in, as in "base.conv2d"."""
    shape: Any
    """The shape of what it takes, without the batch axis; a tuple of shapes if its layer merges."""
    training: bool | None = None
    """What it was called with: False for a layer that is to run as outside training."""
    moments: Moments | None = None
    """What is to find the moments of its output in training, where a normalization wants them."""

    def taken(self, values: Sequence[Array]) -> Any:
        """What its layer takes of all values."""
        if self.layer.merges:
            return tuple(values[i] for i in self.reads)
        return values[self.reads[0]]

    def forward(self, x: Any, training: bool, rng: np.random.Generator | None) -> tuple[Array, Any]:
        """What its layer makes of what it takes, and the cache."""
        training = training if self.training is None else training and self.training
        if self.moments is None or not training:
            return self.layer.forward(x, training=training, rng=rng)
        with self.moments:
            return self.layer.forward(x, training=training, rng=rng)


class Step(NamedTuple):
    """What a node has just done: its output in a forward pass, its dx in a backward pass."""

    node: Node
    taken: Any
    made: Any
    cache: Any


@dataclass(frozen=True)
class Graph:
    """Nodes that compute ``outputs`` of so many arrays that are ``given``."""

    given: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def forward(
        self, xs: Sequence[Array], training: bool, rng: np.random.Generator | None
    ) -> tuple[Arrays, list[Any]]:
        """(outputs, caches): one cache a node."""
        values: list[Any] = list(xs)
        caches = [step.cache for step in self.steps(values, training, rng)]
        return tuple(values[i] for i in self.outputs), caches

    def infer(self, xs: Sequence[Array]) -> Arrays:
        """The outputs outside training; no cache is kept."""
        values = self.values(xs)
        return tuple(values[i] for i in self.outputs)

    def values(self, before: Sequence[Any], first: int = 0, last: int | None = None) -> list[Any]:
        """The values outside training when nodes ``first`` to ``last`` have been computed as well.

        Those that nobody needs are None.
        """
        values = list(before)
        for node, done in self._in_turn[first:last]:
            values.append(node.layer.forward(node.taken(values))[0])
            for i in done:
                values[i] = None
        return values

    def steps(
        self, values: list[Any], training: bool, rng: np.random.Generator | None
    ) -> Iterator[Step]:
        """The forward pass, node by node: ``values`` grows, and lets go of what nobody needs."""
        for node, done in zip(self.nodes, self._done, strict=True):
            x = node.taken(values)
            y, cache = node.forward(x, training, rng)
            values.append(y)
            for i in done:
                values[i] = None
            yield Step(node, x, y, cache)
            del x, y, cache  # whoever wants them has them

    def backward(
        self,
        dys: Sequence[Array | None],
        caches: Sequence[Any],
        need_dx: bool = True,
        frozen: bool = False,
    ) -> tuple[tuple[Array | None, ...], Grads]:
        """(dxs, grads): the gradients of the loss, those of parameters as ``<node>.<param>``.

        Of an output that the loss does not depend on, dy is None; so is dx of an array that the
        outputs do not depend on. Arrays that are not trained have no gradients, unless ``frozen``.
        Without ``need_dx`` each way back ends at the first layer that learns.
        """
        dvalues = self._begun(dys)
        grads: Grads = {}
        for step in self.steps_back(dvalues, caches, need_dx, frozen):
            layer, name = step.node.layer, step.node.name
            left_out = set() if frozen else layer.params.keys() - layer.learned().keys()
            for key, grad in step.cache.items():
                full = f"{name}.{key}"
                if full in grads:
                    grads[full] = grads[full] + grad
                elif key not in left_out:
                    grads[full] = grad
            del step  # and with it the gradient that has just been used
        return tuple(dvalues[: self.given]), grads

    def steps_back(
        self,
        dvalues: list[Any],
        caches: Sequence[Any],
        need_dx: bool = True,
        frozen: bool = False,
    ) -> Iterator[Step]:
        """The backward pass, node by node, each with its gradients as ``cache``."""
        if len(caches) != len(self.nodes):
            raise ConfigError(
                f"backward: expected the {len(self.nodes)} caches of one forward pass, got "
                f"{len(caches)}."
            )
        wanted = self._wanted(need_dx)
        for number in reversed(range(self.given, self.given + len(self.nodes))):
            node, cache = self.nodes[number - self.given], caches[number - self.given]
            dy, dvalues[number] = dvalues[number], None
            if dy is None:
                continue
            dx = None
            if any(wanted[i] for i in node.reads):
                dx, grads = node.layer.backward(dy, cache)
                dxs = dx if node.layer.merges else (dx,)
                for i, one in zip(node.reads, dxs, strict=True):
                    if wanted[i]:
                        fresh = getattr(node.layer, "fresh_dx", False)
                        dvalues[i] = self._sum(dvalues[i], one, over=fresh)
            elif node.layer.params if frozen else node.layer.learned():
                grads = node.layer.param_grads(dy, cache)
            else:
                continue
            yield Step(node, dy, dx, grads)

    def apply_state(self, caches: Sequence[Any]) -> None:
        """Update moving statistics with the batch that made ``caches``."""
        for node, cache in zip(self.nodes, caches, strict=True):
            if node.layer.state:
                # In place: copies of the layer share its arrays.
                for name, array in node.layer.next_state(cache).items():
                    node.layer.state[name][...] = array

    def readers(self) -> list[list[int]]:
        """Of each number the places of the nodes that read it; of an output also -1."""
        found: list[list[int]] = [[] for _ in range(self.given + len(self.nodes))]
        for place, node in enumerate(self.nodes):
            for i in node.reads:
                found[i].append(place)
        for i in self.outputs:
            found[i].append(-1)
        return found

    def reads_bytes(self) -> list[bool]:
        """Of each array that is given whether all that read it take bytes, as in a file."""
        return [
            all(place >= 0 and keeps(self.nodes[place].layer, "reads_bytes") for place in places)
            for places in self.readers()[: self.given]
        ]

    def row(self) -> list[Any]:
        """The layers from the first input on, as long as one alone reads what the last gives."""
        readers, number, layers = self.readers(), 0, list[Any]()
        while len(readers[number]) == 1 and (place := readers[number][0]) >= 0:
            if len(self.nodes[place].reads) > 1:
                break
            layers.append(self.nodes[place].layer)
            number = self.given + place
        return layers

    def ends(self) -> list[Unit]:
        """What makes each output."""
        return [self.nodes[number - self.given].layer for number in self.outputs]

    def _begun(self, dys: Sequence[Array | None]) -> list[Any]:
        dvalues: list[Any] = [None] * (self.given + len(self.nodes))
        for i, dy in zip(self.outputs, dys, strict=True):
            if dy is not None:
                dvalues[i] = dy if dvalues[i] is None else dvalues[i] + dy
        return dvalues

    def _wanted(self, need_dx: bool) -> list[bool]:
        """Of each number whether its gradient is of use: something before it learns."""
        wanted = [need_dx] * self.given
        for node in self.nodes:
            wanted.append(bool(node.layer.learned()) or any(wanted[i] for i in node.reads))
        return wanted

    def _sum(self, before: Array | None, one: Array, over: bool) -> Array:
        """Gradients of one number added up, in the memory of ``one`` if nobody else has it."""
        if before is None:
            return one
        out = one if over and one.dtype == before.dtype else None
        rectifier = self._rectifier()
        if rectifier is None or one.dtype != before.dtype or one.dtype.char not in "fd":
            return np.add(before, one, out=out)
        return rectifier.rectify(before, ALONE, one, out)

    def _rectifier(self) -> Rectifier | None:
        """What adds arrays on all cores, if the layers' kernels have that."""
        sets = (getattr(node.layer, "kernels", None) for node in self.nodes)
        found = (kernels.rectifier for kernels in sets if isinstance(kernels, KernelSet))
        return next((one for one in found if one is not None), None)

    @cached_property
    def _in_turn(self) -> list[tuple[Node, list[int]]]:
        return list(zip(self.nodes, self._done, strict=True))

    @cached_property
    def _done(self) -> list[list[int]]:
        """Of each node the numbers that nobody needs after it."""
        last = dict.fromkeys(range(self.given + len(self.nodes)), -1)
        for place, node in enumerate(self.nodes):
            last |= dict.fromkeys(node.reads, place)
        done: list[list[int]] = [[] for _ in self.nodes]
        for number in last.keys() - set(self.outputs):
            # What nobody reads is let go of as soon as it is made.
            place = max(last[number], number - self.given)
            if place >= 0:
                done[place].append(number)
        return done


def put(
    nodes: list[Node],
    given: int,
    layer: Any,
    reads: Sequence[int],
    name: str,
    shape: Any,
    training: bool | None = None,
) -> tuple[int, ...]:
    """Put one use of a layer behind the others; returns the numbers of its outputs.

    Of a layer that stands for several, as Residual and models do, all its nodes are put there.
    """
    if len(nodes) > MOST_NODES:
        raise ConfigError(
            f"{layer.who}: expected at most {MOST_NODES:,} nodes in a network, got more."
        )
    if not keeps(layer, "is_graph"):
        nodes.append(Node(layer, tuple(reads), name, shape, training))
        return (given + len(nodes) - 1,)
    inner: Graph = layer.graph(shape)
    at = list(reads)
    for node in inner.nodes:
        at.append(given + len(nodes))
        mode = node.training if training is None else training
        ins = tuple(at[i] for i in node.reads)
        nodes.append(node._replace(reads=ins, name=f"{name}.{node.name}", training=mode))
    return tuple(at[i] for i in inner.outputs)


def renumbered(given: int, entries: Sequence[tuple[int, Node]], outputs: Sequence[int]) -> Graph:
    """A graph of nodes that each make a number, and read numbers, of another graph's."""
    at = {i: i for i in range(given)}
    nodes = []
    for number, node in entries:
        nodes.append(node._replace(reads=tuple(at[i] for i in node.reads)))
        at[number] = given + len(nodes) - 1
    return Graph(given, tuple(nodes), tuple(at[i] for i in outputs))
