"""A step of a run to look into: its batch, what every node made of it, gradients and update."""

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from minicnn._core.console import html_table, legible, padded, width_of
from minicnn._core.shapes import Array
from minicnn._training import loop
from minicnn._training.checkpointing import go_on_from
from minicnn._training.checkpoints import put_back
from minicnn._training.model import Model
from minicnn._training.program import Program
from minicnn._training.replaying import Kept, Replayed, options_of, replayed
from minicnn._training.run import Run
from minicnn.data.loaders import IteratorLoader, Loader
from minicnn.errors import ConfigError, shown
from minicnn.layers.graph import Node

WIDTH = 80
NAMES = 28
"""Columns of the table's names, at most."""


@dataclass(frozen=True)
class ReplayedParam:
    """One array of parameters in a step."""

    name: str
    before: Array
    gradient: Array
    """As the optimizer was given it: with the penalties', and before any clipping."""
    after: Array

    @property
    def update(self) -> Array:
        """What the step added."""
        return self.after - self.before

    @property
    def ratio(self) -> float:
        """|update| / |before|, which is about 0.001 where a network learns well."""
        return _norm(self.update) / (_norm(self.before) or float("nan"))


@dataclass(frozen=True)
class ReplayedNode:
    """One node of the network as the run computed it, for the whole batch."""

    name: str
    stands_for: tuple[str, ...]
    """The layers that it computes: several where they were fused."""
    layer: Any
    reads: tuple[str, ...]
    """The nodes that it takes the outputs of."""
    x: Any
    """What it took; a tuple of arrays if it merges."""
    y: Array
    cache: Any
    """What its backward pass takes."""
    dy: Array | None
    """The gradient of the loss at y; None where nothing that learns needs it."""
    dx: Any
    """The gradient at x; None at the first layer that learns, where nobody needs it."""
    grads: dict[str, Array]
    """Those of its parameters, without the penalties'."""


Loaders = Callable[..., tuple[Loader, Loader | None]]
"""(the run, validation data, if any) -> what it learns from, what it is evaluated on."""


class Replay:
    """A step of a run, to the bit as it was. ``print`` says the most of it.

    Epochs, batches and steps are counted from 1.
    """

    def __init__(
        self, found: Replayed, kept: Kept, step: int, loaders: Loaders, callbacks: Sequence[Any]
    ) -> None:
        self._found, self._kept, self._loaders = found, kept, loaders
        self._callbacks = callbacks
        self.step = step
        self.epoch: int = found.before["epoch"] + 1
        self.batch: int = found.before["step"] + 1
        """The number of the batch in its epoch."""
        part = found.batch.part()
        self.numbers: Array = found.batch.numbers
        """The samples of the batch: their indices in x, of data in memory."""
        self.x, self.y = _one(part.xs), _one(part.ys)
        """Inputs and labels, as the loss takes these; a list where the model has several."""
        self.sample_weight = _one(part.weights)
        self.predictions = _one(found.result.predictions)
        self.loss: float = found.loss
        """With the penalties."""
        self.learning_rate: float = found.rate
        params = found.model.params
        before = {
            f"{layer}.{name}": array
            for layer, arrays in found.before["model"]["weights"].items()
            for name, array in arrays.items()
        }
        self.params: dict[str, ReplayedParam] = {
            name: ReplayedParam(name, before[name].copy(), grad, params[name].copy())
            for name, grad in found.grads.items()
        }
        """Those that learn, as ``<layer>.<param>``; none if the loss was no number."""
        self.model = found.model
        """The model as it was before the step; to train it changes nothing here."""
        put_back(self.model, copy.deepcopy(found.before))

    @cached_property
    def nodes(self) -> tuple[ReplayedNode, ...]:
        """In running order, as the run computed them."""
        return tuple(_nodes(self._found))

    def __getitem__(self, name: str) -> ReplayedNode:
        """The node that computed a layer, by its name; raises ``ConfigError`` for another."""
        for node in self.nodes:
            if name == node.name or name in node.stands_for:
                return node
        names = [name for node in self.nodes for name in node.stands_for]
        raise ConfigError(f"replay: expected one of {', '.join(names)}, got {shown(name)}.")

    def branch(
        self,
        learning_rate: Any = None,
        epochs: int | None = None,
        validation_data: Any = None,
        verbose: str | int = 0,
    ) -> Model:
        """Train on from before this step, and return the model with its ``history``.

        ``learning_rate`` is a number or a schedule that takes the place of the run's; without it
        the branch ends as the run did, to the bit. ``epochs`` is the number of the last one, by
        default that of the run. The callbacks are those that ``replay`` was given. Raises
        ``ConfigError`` for data that can be drawn only once.
        """
        drawn = self._found.loader
        if isinstance(drawn, IteratorLoader):
            raise ConfigError(
                "branch: expected data that can be drawn again, in arrays or with __getitem__, got "
                f"a {type(drawn.source).__name__}. Replay the step anew, and train its model."
            )
        found, model = self._found, copy.deepcopy(self.model)
        options = options_of(self._kept, self._callbacks, verbose)
        if epochs is not None:
            options = dataclasses.replace(options, epochs=epochs)
        loader, held_out = self._loaders(self._kept, validation_data)

        def begin(run: Run) -> None:
            go_on_from(run, copy.deepcopy(found.before), found.path)
            if learning_rate is not None:
                assert model.optimizer is not None
                model.optimizer.learning_rate = learning_rate

        loop.fit(model, Program(model), loader, held_out, options, begin)
        return model

    # What it says ------------------------------------------------------------------------

    def __repr__(self) -> str:
        """The step in a line."""
        return f"Replay(step {self.step}, epoch {self.epoch}, batch {self.batch}: {self._loss})"

    @property
    def _loss(self) -> str:
        return f"loss {self.loss:.6g}, learning rate {self.learning_rate:.4g}"

    def __str__(self) -> str:
        """The batch, the loss, and of each node the size of what went through it."""
        of = f" of {self._found.steps}" if self._found.steps else ""
        several = f"{len(self.numbers)} samples"
        lines = [
            f"Step {self.step}: epoch {self.epoch}, batch {self.batch}{of}, {several}",
            *self._samples(),
            self._loss,
            "",
        ]
        head, *rows = self.rows()
        for i, (name, *cells) in enumerate([head, *rows]):
            first, *others = [_shortened(part) for part in name.split(" + ")]
            lines.append(padded(first, NAMES) + "".join(f"{cell:>10}" for cell in cells).rstrip())
            lines += [_shortened(f"  + {other}") for other in others]
            if not i:
                lines.append("-" * len(lines[-1]))
        return "\n".join([*lines, "", *NOTES])

    def _samples(self) -> list[str]:
        if not self._found.loader.in_memory:
            return []
        lines = wrap(f"samples {' '.join(map(str, self.numbers.tolist()))}", WIDTH)
        return [*lines[:MOST_LINES], *["..."] * (len(lines) > MOST_LINES)]

    def rows(self) -> list[list[str]]:
        """The table: its header, then a row for each node; sizes are root mean squares."""
        found = [["node", "output", "dy", "gradient", "weights", "update/w"]]
        for node in self.nodes:
            dy = "" if node.dy is None else _figure(_rms(node.dy))
            sizes = [_figure(_rms(node.y)), dy]
            of_node = [self.params[f"{node.name}.{n}"] for n in node.grads if self._has(node, n)]
            if of_node:
                before = _together(p.before for p in of_node)
                sizes += [
                    _figure(_together(p.gradient for p in of_node)),
                    _figure(before),
                    _figure(_together(p.update for p in of_node) / (before or float("nan"))),
                ]
            found.append([" + ".join(node.stands_for), *sizes, *[""] * (5 - len(sizes))])
        return found

    def _has(self, node: ReplayedNode, name: str) -> bool:
        return f"{node.name}.{name}" in self.params

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return html_table(self.rows(), f"{self!r}. {' '.join(NOTES)}")


MOST_LINES = 4
"""Lines of sample numbers."""

NOTES = (
    "output, dy: root mean squares of what a node gave and of the loss' gradient",
    "there. gradient, weights: norms of its parameters together. update/w: the",
    "norm of the step by that of the weights, about 0.001 where learning goes well.",
)


def replay(
    model: Model,
    folder: Path,
    step: int,
    loaders: Loaders,
    callbacks: Sequence[Any],
    verbose: str | int,
) -> Replay:
    """Do a step of a run again, with a model like its, which changes."""
    kept = Kept(folder)
    loader, _ = loaders(kept)
    found = replayed(model, loader, kept, step, callbacks, verbose)
    return Replay(found, kept, step, loaders, callbacks)


def _nodes(found: Replayed) -> list[ReplayedNode]:
    """The nodes, with what they did."""
    graph = found.graph
    names = [*(f"input {i + 1}" for i in range(graph.given)), *(n.name for n in graph.nodes)]
    backwards = {id(step.node): step for step in graph.backwards}
    made = []
    for node, step in zip(graph.nodes, graph.forwards, strict=True):
        back = backwards.get(id(node))
        made.append(
            ReplayedNode(
                name=node.name,
                stands_for=_names(node),
                layer=node.layer,
                reads=tuple(names[i] for i in node.reads),
                x=step.taken,
                y=step.made,
                cache=step.cache,
                dy=None if back is None else back.taken,
                dx=None if back is None else back.made,
                grads={} if back is None else back.cache,
            )
        )
    return made


def _names(node: Node) -> tuple[str, ...]:
    return getattr(node.layer, "stands_for", ()) or (node.name,)


def _one(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _shortened(name: str) -> str:
    """The end of a name that is too long: it says which layer of a block it is."""
    text = legible(name)
    while width_of(text) > NAMES:
        text = f"..{text[3:]}"
    return text


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def _together(arrays: Any) -> float:
    """The norm of several arrays as one."""
    return float(np.linalg.norm([_norm(array) for array in arrays]))


def _rms(array: Array) -> float:
    return _norm(array) / math.sqrt(max(array.size, 1))


def _figure(value: float) -> str:
    return f"{value:.3g}"
