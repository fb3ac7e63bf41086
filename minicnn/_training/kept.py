"""The plan by which a model predicts, kept from call to call as long as it is right.

To plan takes as long as to predict one image. A plan depends on the attributes of the layers, and
on which arrays they have, but not on the numbers in these: so it is looked through whether each
is the very object that it was.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn._training.program import Inference
from minicnn.kernels import KERNELS
from minicnn.layers import Layer
from minicnn.layers.graph import Graph

MOST_MEMORY = 8 << 20
"""Bytes of arrays that a plan may hold between two calls."""


class Kept:
    """A model's last plan. A copy of the model, or one from a pickle, begins with none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inference: Inference | None = None
        self.like: _Snapshot | None = None

    def __reduce__(self) -> Any:
        return Kept, ()


@contextmanager
def inference(model: Model) -> Iterator[Inference]:
    """The model's ``Inference``, which nobody else has meanwhile: the last one if nothing changed.

    Another thread, or a layer that predicts while its model does, has one of its own.
    """
    kept = model.kept
    if not kept.lock.acquire(blocking=False):
        yield Inference(model)
        return
    try:
        if kept.inference is None or kept.like is None or not kept.like.holds(model):
            kept.inference = Inference(model)
            kept.like = _snapshot(model)
        found = kept.inference
        if kept.like is None:
            kept.inference = None
        yield found
        if found.nbytes > MOST_MEMORY:
            kept.inference = None
    finally:
        kept.lock.release()


class _Snapshot:
    """What a plan was made of."""

    def __init__(self, model: Model, layers: Sequence[Layer]) -> None:
        self.graph = model.graph()
        self.kernels = list(KERNELS.values())
        self.chosen = _chosen(model)
        self.layers = [
            (vars(layer), dict(vars(layer)), layer.params, layer.state, _arrays(layer))
            for layer in layers
        ]

    def holds(self, model: Model) -> bool:
        """Whether all of it is as it was."""
        if model.graph() is not self.graph or _chosen(model) != self.chosen:
            return False
        try:
            for held, before, params, state, arrays in self.layers:
                if held["params"] is not params or held["state"] is not state or held != before:
                    return False
                now = *params.values(), *state.values()
                if len(now) != len(arrays) or not all(map(is_, now, arrays)):
                    return False
        except ValueError:  # there are arrays now, which cannot be compared in one word
            return False
        return all(map(is_, KERNELS.values(), self.kernels)) and len(KERNELS) == len(self.kernels)


def _arrays(layer: Layer) -> tuple[Array, ...]:
    return (*layer.params.values(), *layer.state.values())


def _chosen(model: Model) -> tuple[Any, ...]:
    return model.fuse, model.kernels, os.environ.get("MINICNN_KERNELS")


def _snapshot(model: Model) -> _Snapshot | None:
    """That of a model, or None where it cannot be told what plans depend on.

    So it is of classes that are not the library's, of activations that are functions of the user's,
    and of attributes that are arrays.
    """
    layers = list(_layers(model.graph()))
    held = [value for layer in layers for value in vars(layer).values()]
    if not all(map(_is_ours, (model, *layers))) or any(isinstance(v, np.ndarray) for v in held):
        return None
    return _Snapshot(model, layers)


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
