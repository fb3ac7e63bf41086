"""What a model is trained for: of each output the loss, its weight in the sum, and the metrics."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn.activations import ACTIVATIONS
from minicnn.errors import ConfigError
from minicnn.layers.graph import Graph, Node, renumbered
from minicnn.losses import Loss
from minicnn.metrics import Metric


class Goal(NamedTuple):
    """What one output is trained for."""

    name: str
    """What its logs are called after; "" if it is the only output."""
    loss: Loss | None
    weight: float
    metrics: Sequence[str | Metric]
    weighted_metrics: Sequence[str | Metric] = ()
    """In which samples count as they do in the loss."""


def goals(model: Model) -> list[Goal]:
    """Those of the outputs, in their order; raises ``ConfigError`` if it was never compiled."""
    who, names = model.who, model.output_names
    single = len(names) == 1
    losses: Any = [model.loss] if single else model.loss
    if model.optimizer is None and model.loss is None:
        raise ConfigError(
            f"{who}: expected a compiled model. Call compile(optimizer, loss, metrics) first."
        )
    if not losses or all(loss is None for loss in losses):
        raise ConfigError(
            f"{who}: expected a model compiled with a loss, got none. Call compile(optimizer, "
            "loss, metrics) with one, such as loss='sparse_categorical_crossentropy'."
        )
    weights = model.loss_weights or [1.0] * len(names)
    metrics, weighted = (
        [wanted] if single else wanted or [()] * len(names)
        for wanted in (model.metrics, model.weighted_metrics)
    )
    called = [""] if single else names
    return [Goal(*goal) for goal in zip(called, losses, weights, metrics, weighted, strict=True)]


def by_output(who: str, what: str, given: Any, names: Sequence[str]) -> list[Any]:
    """What ``compile`` was given for each output: in a list, by their names, or one for all.

    Raises ``ConfigError`` for other names, or another number.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, Mapping) and given and "class_name" not in given and names != [""]:
        unknown = [str(name) for name in given if name not in names]
        if unknown:
            raise ConfigError(
                f"{who}: expected {what} for the outputs {', '.join(names)}, got {unknown[0]!r}."
            )
        return [given.get(name) for name in names]
    if not isinstance(given, list | tuple):
        return [given] * len(names)
    if len(given) != len(names):
        raise ConfigError(
            f"{who}: expected {what} for each of the {len(names)} outputs {', '.join(names)}, got "
            f"{len(given)}."
        )
    return list(given)


class Objective(NamedTuple):
    """A graph with its losses, each taken together with its output's last activation."""

    graph: Graph
    """It ends before the activations that belong to losses."""
    losses: tuple[Loss | None, ...]
    activations: tuple[Callable[[Array], Array] | None, ...]
    """What makes predictions of the outputs."""


def objective(graph: Graph, losses: Sequence[Loss | None]) -> Objective:
    """Take a softmax or sigmoid at the end of an output together with its loss.

    The two cannot overflow then, and their gradient is (p - y) / N. Raises ``ConfigError`` when a
    loss expects logits and its output ends in an activation.
    """
    nodes, outputs = list(graph.nodes), list(graph.outputs)
    readers = graph.readers()
    on_logits, activations = list(losses), list[Callable[[Array], Array] | None]()
    for i, (number, loss) in enumerate(zip(graph.outputs, losses, strict=True)):
        place = number - graph.given
        node = nodes[place]
        trunk, name = node.layer.split_activation()
        if loss is not None and name in ("softmax", "sigmoid"):
            _refuse_logits(loss, name)
        alone = readers[number] == [-1]
        if loss is None or name is None or name != loss.activation or not alone:
            activations.append(None)
            continue
        if trunk is None:
            outputs[i] = node.reads[0]
        else:
            nodes[place] = node._replace(layer=trunk)
        on_logits[i] = loss.on_logits()
        activations.append(ACTIVATIONS[name].forward)
    ended = Graph(graph.given, tuple(nodes), tuple(outputs))
    return Objective(without_idle(ended), tuple(on_logits), tuple(activations))


def without_idle(graph: Graph) -> Graph:
    """The graph without the nodes whose output nobody reads any more."""
    entries: list[tuple[int, Node]] = []
    read = set(graph.outputs)
    for place in reversed(range(len(graph.nodes))):
        if graph.given + place in read:
            entries.append((graph.given + place, graph.nodes[place]))
            read.update(graph.nodes[place].reads)
    return renumbered(graph.given, entries[::-1], graph.outputs)


def _refuse_logits(loss: Loss, name: str) -> None:
    if getattr(loss, "from_logits", False):
        raise ConfigError(
            f"{type(loss).__name__}: expected logits, as from_logits=True says, got the output "
            f"of a {name}. Drop from_logits, or the last activation."
        )
