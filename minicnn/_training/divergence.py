"""Numbers that are no longer finite: where that began, said in one line."""

from collections.abc import Sequence

import numpy as np

from minicnn._core.console import Logs
from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn.errors import DivergenceError
from minicnn.layers import InputLayer, Rescaling

SMALLER = "Try a smaller learning rate."

NOWHERE = "the loss itself"
"""Where the numbers went wrong, if not in a layer."""

LARGE = 16.0
"""What comes to the weights of a network is smaller, unless someone forgot to scale it."""


def divergence(model: Model, xs: Sequence[Array], loss: float) -> DivergenceError:
    """Say where the numbers went wrong: the first layer whose output is not finite."""
    graph, largest = model.graph(), max(np.abs(x).max(initial=0) for x in xs)
    where, remedy = NOWHERE, SMALLER
    if largest > LARGE and not any(type(node.layer) is Rescaling for node in graph.nodes):
        remedy = f"{SMALLER[:-1]}, or scale the images, as Rescaling(1 / 255) does."
    for step in graph.steps(list(xs), False, None):
        if not np.isfinite(step.made).all():
            where = f"the output of {step.node.layer.who}"
            if isinstance(step.node.layer, InputLayer):
                remedy = (
                    f"The images have numbers too large for {step.made.dtype}: scale them first."
                )
            break
    return DivergenceError(
        f"{model.who}: the loss became {loss}; the first to go was {where}. {remedy}"
    )


def check_finite(model: Model, logs: Logs) -> None:
    """Raise ``DivergenceError`` if the last steps of an epoch broke the weights."""
    for _, layer in model.leaves():
        for name, array in layer.arrays().items():
            if not np.isfinite(array).all():
                raise DivergenceError(
                    f"{layer.who}: {name} is no longer finite after an epoch. {SMALLER}"
                )
    for name in ("loss", "val_loss"):
        value = logs.get(name, 0.0)
        if not np.isfinite(value):
            raise DivergenceError(f"{model.who}: {name} became {value}. {SMALLER}")
