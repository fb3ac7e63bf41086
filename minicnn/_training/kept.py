"""The plans by which a model computes, kept from call to call as long as they are right.

To plan takes as long as to predict one image. A plan depends on the attributes of the layers, of
the losses, and on which arrays there are, but not on the numbers in these: so it is looked through
whether each is the very object that it was.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import is_
from typing import Any, Generic, TypeVar

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn._training.objective import goals
from minicnn._training.program import Inference, Program
from minicnn.kernels import KERNELS
from minicnn.layers import Layer
from minicnn.layers.graph import Graph
from minicnn.losses import Loss

MOST_MEMORY = 8 << 20
"""Bytes of arrays that a plan may hold between two calls."""

MOST_MEMORY_OF_TRAINING = 64 << 20
"""The same, where each call is a step of training, which would have to take them anew."""

Plan = TypeVar("Plan", bound=Inference)


class Place(Generic[Plan]):
    """Where a model's last plan of a kind is."""

    def __init__(self, make: Callable[[Model], Plan]) -> None:
        self.make = make
        self.lock = threading.Lock()
        self.plan: Plan | None = None
        self.like: _Snapshot | None = None

    @contextmanager
    def of(self, model: Model, most_memory: int) -> Iterator[Plan]:
        """A plan that nobody else has meanwhile: the last one if nothing has changed.

        Another thread, or a layer that predicts while its model does, has one of its own.
        """
        if not self.lock.acquire(blocking=False):
            yield self.make(model)
            return
        try:
            if self.plan is None or self.like is None or not self.like.holds(model):
                self.plan = None
                self.plan = self.make(model)
                self.like = _snapshot(model, self.plan)
            found = self.plan
            if self.like is None:
                self.plan = None
            yield found
            if found.nbytes > most_memory:
                self.plan = None
        finally:
            self.lock.release()


class Kept:
    """A model's last plans. A copy of the model, or one from a pickle, begins with none."""

    def __init__(self) -> None:
        self.inference = Place(Inference)
        self.program = Place(Program)

    def __reduce__(self) -> Any:
        return Kept, ()


def inference(model: Model) -> AbstractContextManager[Inference]:
    """What the model predicts with, for the time of the call."""
    kept: Kept = model.kept
    return kept.inference.of(model, MOST_MEMORY)


def program(model: Model) -> AbstractContextManager[Program]:
    """What it is evaluated with, and trained with outside ``fit``."""
    kept: Kept = model.kept
    return kept.program.of(model, MOST_MEMORY_OF_TRAINING)


class _Snapshot:
    """What a plan was made of."""

    def __init__(self, model: Model, layers: Sequence[Layer], trained: Program | None) -> None:
        self.graph = model.graph()
        self.kernels = list(KERNELS.values())
        self.chosen = _chosen(model)
        self.layers = [
            (vars(layer), dict(vars(layer)), layer.params, layer.state, _arrays(layer))
            for layer in layers
        ]
        self.optimizer = model.optimizer
        self.goals = trained.goals if trained else None
        self.losses = [(vars(loss), dict(vars(loss))) for loss in _losses(trained)]

    def holds(self, model: Model) -> bool:
        """Whether all of it is as it was."""
        if model.graph() is not self.graph or _chosen(model) != self.chosen:
            return False
        try:
            if self.goals is not None and not self._trains_as_before(model):
                return False
            for held, before, params, state, arrays in self.layers:
                if held["params"] is not params or held["state"] is not state or held != before:
                    return False
                now = *params.values(), *state.values()
                if len(now) != len(arrays) or not all(map(is_, now, arrays)):
                    return False
        except ValueError:  # there are arrays now, which cannot be compared in one word
            return False
        return all(map(is_, KERNELS.values(), self.kernels)) and len(KERNELS) == len(self.kernels)

    def _trains_as_before(self, model: Model) -> bool:
        """Whether it was not compiled again, nor a loss changed."""
        return (
            model.optimizer is self.optimizer
            and goals(model) == self.goals
            and all(held == before for held, before in self.losses)
        )


def _arrays(layer: Layer) -> tuple[Array, ...]:
    return (*layer.params.values(), *layer.state.values())


def _chosen(model: Model) -> tuple[Any, ...]:
    return model.fuse, model.kernels, os.environ.get("MINICNN_KERNELS")


def _snapshot(model: Model, plan: Inference) -> _Snapshot | None:
    """That of a model, or None where it cannot be told what plans depend on.

    So it is of classes that are not the library's, of functions of the user's, and of attributes
    that are arrays.
    """
    layers = list(_layers(model.graph()))
    trained = plan if isinstance(plan, Program) else None
    losses = _losses(trained)
    held = [value for one in (*layers, *losses) for value in vars(one).values()]
    if not all(map(_is_ours, (model, *layers, *losses))) or any(
        isinstance(v, np.ndarray) for v in held
    ):
        return None
    return _Snapshot(model, layers, trained)


def _losses(trained: Program | None) -> list[Loss]:
    return [goal.loss for goal in trained.goals if goal.loss is not None] if trained else []


def _layers(graph: Graph) -> Iterator[Any]:
    """Those of the nodes, each once, and the activations that are layers."""
    found: dict[int, Any] = {id(node.layer): node.layer for node in graph.nodes}
    for layer in found.values():
        while layer is not None:
            yield layer
            inner = vars(layer).get("activation")
            layer = inner if isinstance(inner, Layer) else None


def _is_ours(made: Any) -> bool:
    return type(made).__module__.startswith("minicnn.") and not (
        isinstance(made, Layer) and made.is_graph
    )
