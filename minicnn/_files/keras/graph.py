"""Functional models: a graph of layers in Keras, layers in a row with Residual here.

Keras has no Residual. Its functional models say of each layer which one it takes its input from,
and sum two ways with a layer called Add:

    conv2d -> a -> b -> add          Conv2D, Residual([a, b])
          \\-------------/

A Residual's Add has the Residual's name. A layer within has its own, or, where the model has that
name twice, with the Residual's before it, as in "residual_conv2d"; it is taken off again.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from minicnn._files.keras.saved import SavedLayer
from minicnn.errors import ModelFileError

NESTING = 20
"""How many Residuals may be within each other, and how many models."""


@dataclass
class Node:
    """A layer of a functional model, or a model within it, whose layers are in a row."""

    name: str
    inputs: list[str]
    layers: list[SavedLayer]
    adds: bool = False
    """Whether it is the sum at the end of a Residual, which stands in ``layers``."""


def unfolded(layers: Sequence[SavedLayer]) -> list[Node]:
    """The graph of layers in a row, in the order in which Keras counts its layers."""
    names = _names(layers)
    nodes: list[Node] = []

    def add(row: Sequence[SavedLayer], before: list[str]) -> list[str]:
        for layer in row:
            inputs = before
            if layer.layers:
                ways = (layer.layers, layer.shortcut or ())
                inputs = [end for way in ways for end in add(way, before)]
            nodes.append(Node(names[id(layer)], inputs, [layer], adds=bool(layer.layers)))
            before = [nodes[-1].name]
        return before

    add(layers, [])
    return _in_order_of_keras(nodes)


def _names(layers: Sequence[SavedLayer]) -> dict[int, str]:
    """A different name for every layer, by the layer's id."""

    def every(row: Sequence[SavedLayer]) -> list[str]:
        return [
            name
            for layer in row
            for name in (layer.name, *every([*layer.layers, *(layer.shortcut or ())]))
        ]

    times = Counter(every(layers))
    taken = {layer.name for layer in layers}
    names: dict[int, str] = {}

    def put(row: Sequence[SavedLayer], within: str) -> None:
        for layer in row:
            name = layer.name
            if within:
                if times[name] > 1 or _name_within(within, name) != name:
                    name = f"{within}_{name}"
                while name in taken:
                    name += "_1"
                taken.add(name)
            names[id(layer)] = name
            put([*layer.layers, *(layer.shortcut or ())], name)

    put(layers, "")
    return names


def _name_within(within: str, name: str) -> str:
    """A layer's name without that of its Residual; "add_1" is only another "add"."""
    rest = name.removeprefix(f"{within}_")
    return name if rest.isdigit() or not rest else rest


def _in_order_of_keras(nodes: Sequence[Node]) -> list[Node]:
    """By distance from the end, the farthest first; then as a walk from the end meets them.

    ``nodes`` have each node behind those that it takes its input from. Keras counts the layers of a
    class, and what its optimizers remember, in this order.
    """
    distance = dict.fromkeys([node.name for node in nodes], 0)
    for node in reversed(nodes):
        for name in node.inputs:
            distance[name] = max(distance[name], distance[node.name] + 1)
    by_name = {node.name: node for node in nodes}
    met: dict[str, int] = {}
    ahead = [nodes[-1].name]
    while ahead:
        name = ahead.pop()
        if name not in met:
            met[name] = len(met)
            ahead += reversed(by_name[name].inputs)
    return sorted(nodes, key=lambda node: (-distance[node.name], met[node.name]))


@dataclass(eq=False)
class _Way:
    """Layers in a row since the node where two or more ways began."""

    fork: str
    before: "_Way | None"
    layers: list[SavedLayer]


def folded(who: str, nodes: Sequence[Node], output: str) -> list[SavedLayer]:
    """The layers in a row, with Residual, that a graph is; raises ``ModelFileError`` if it is none.

    Where both ways to a sum have layers, those that the sum names first are the Residual's
    ``layers`` and the others its ``shortcut``.
    """
    nodes = _sorted(who, nodes)
    users = Counter(name for node in nodes for name in node.inputs)
    for node in nodes:
        if node.name != output and not users[node.name]:
            raise ModelFileError(
                f"{who}: expected all layers to lead to the output, {output!r}, got {node.name!r}, "
                "which does not."
            )
    root = _Way("", None, [])
    ways: dict[str, _Way] = {}
    open_ways = Counter(users)
    depth: Counter[int] = Counter()

    def way_from(name: str) -> _Way:
        return ways[name] if users[name] == 1 else _Way(name, ways[name], [])

    for node in nodes:
        if not node.adds:
            way = way_from(node.inputs[0]) if node.inputs else root
            way.layers += node.layers
            ways[node.name] = way
            continue
        one, other_way = (way_from(name) for name in node.inputs)
        before = one.before
        apart = one is other_way or one.fork != other_way.fork or before is None
        if apart or not (one.layers or other_way.layers):
            raise ModelFileError(
                f"{who}: expected sums of two ways that begin at one layer, which Residual has, "
                f"got another one in {node.name!r}."
            )
        assert before is not None
        residual = _residual(node, one.layers, other_way.layers)
        parts = [*residual.layers, *(residual.shortcut or ())]
        depth[id(residual)] = 1 + max(depth[id(part)] for part in parts)
        if depth[id(residual)] > NESTING:
            raise ModelFileError(
                f"{who}: expected at most {NESTING} sums within each other, got more."
            )
        open_ways[one.fork] -= 1
        way = before if open_ways[one.fork] == 1 else _Way(one.fork, before, [])
        way.layers.append(residual)
        ways[node.name] = way
    if ways[output] is not root:
        raise ModelFileError(
            f"{who}: expected layers in a row with sums of two ways, which Residual has, got a "
            f"graph of another form at {ways[output].fork!r}."
        )
    return root.layers


def _residual(node: Node, one: list[SavedLayer], other: list[SavedLayer]) -> SavedLayer:
    """The Residual that a sum of two ways is, of which one may have no layers."""
    residual = node.layers[0]
    residual.layers = one or other
    residual.shortcut = (other or None) if one else None
    for part in (*residual.layers, *(residual.shortcut or ())):
        if part.name:
            part.config = part.config | {"name": _name_within(node.name, part.name)}
    return residual


def _sorted(who: str, nodes: Sequence[Node]) -> list[Node]:
    """Each node behind those that it takes its input from."""
    by_name: dict[str, Node] = {}
    for node in nodes:
        if node.name in by_name:
            raise ModelFileError(
                f"{who}: expected layers of different names, got two {node.name!r}."
            )
        by_name[node.name] = node
    users: dict[str, list[Node]] = {name: [] for name in by_name}
    for node in nodes:
        for name in node.inputs:
            if name not in users:
                raise ModelFileError(
                    f"{who}: layer {node.name!r} takes its input from {name!r}, which is not there."
                )
            users[name].append(node)
    missing = {node.name: len(node.inputs) for node in nodes}
    ready = deque(node for node in nodes if not node.inputs)
    done = []
    while ready:
        node = ready.popleft()
        done.append(node)
        for user in users[node.name]:
            missing[user.name] -= 1
            if not missing[user.name]:
                ready.append(user)
    if len(done) < len(nodes):
        name = next(name for name in missing if missing[name])
        raise ModelFileError(f"{who}: layer {name!r} takes its input from layers behind it.")
    return done
