"""Numbers that are no longer finite: where that began, said in one line."""

from collections.abc import Sequence

import numpy as np

from minicnn._core.console import Logs
from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn.errors import DivergenceError
from minicnn.layers import Input, Layer, Rescaling

SMALLER = "Try a smaller learning rate."

LARGE = 16.0
"""What comes to the weights of a network is smaller, unless someone forgot to scale it."""


def divergence(layers: Sequence[Layer], x: Array, loss: float) -> DivergenceError:
    """Say where the numbers went wrong: the first layer whose output is not finite."""
    images, where = x, "the loss itself"
    for layer in layers:
        x = layer.forward(x)[0]
        if not np.isfinite(x).all():
            where = f"the output of {layer.who}"
            break
    remedy = SMALLER
    if layers and where == f"the output of {layers[0].who}" and isinstance(layers[0], Input):
        remedy = f"The images have numbers too large for {x.dtype}: scale them first."
    elif np.abs(images).max(initial=0) > LARGE and Rescaling not in map(type, layers):
        remedy = f"{SMALLER[:-1]}, or scale the images, as Rescaling(1 / 255) does."
    return DivergenceError(
        f"Sequential: the loss became {loss}; the first to go was {where}. {remedy}"
    )


def check_finite(model: Model, logs: Logs) -> None:
    """Raise ``DivergenceError`` if the last steps of an epoch broke the weights."""
    for layer in model.stack:
        for name, array in layer.arrays().items():
            if not np.isfinite(array).all():
                raise DivergenceError(
                    f"{layer.who}: {name} is no longer finite after an epoch. {SMALLER}"
                )
    for name in ("loss", "val_loss"):
        value = logs.get(name, 0.0)
        if not np.isfinite(value):
            raise DivergenceError(f"Sequential: {name} became {value}. {SMALLER}")
