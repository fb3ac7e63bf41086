"""What ``fit`` warns of before its first step: what can be trained, and will not learn.

Each is one line that says what is so and what to do. Only a few images are looked at.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minicnn import metrics as metric_table
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn._training.divergence import LARGE
from minicnn._training.model import Model
from minicnn._training.objective import Goal
from minicnn._training.program import Program
from minicnn.data.axis_order import COLOURS, order_of, transposition
from minicnn.data.fitting import Data
from minicnn.layers import Activation, BatchNorm, Layer, LayerNorm, Normalization, Rescaling
from minicnn.layers.registry import LAYERS
from minicnn.losses import Huber, Loss, MeanAbsoluteError, MeanSquaredError
from minicnn.losses.base import BINARY, SPARSE, one_hot
from minicnn.metrics import BinaryAccuracy, CategoricalAccuracy

LOOKED_AT = 8
"""Images of the first batch that are looked at."""


FAINT = 0.02
"""Pixels that differ by less than this after their scaling were scaled more than once."""

UNIT = ("sigmoid", "hard_sigmoid", "softmax")
"""The activations that give numbers from 0 to 1, whatever comes in."""


class Mistake(NamedTuple):
    """What is so, and what to do."""

    name: str
    said: str
    remedy: str


AXES, UNSCALED, SCALED_TWICE = "channels first", "images not scaled", "images scaled twice"
LAST, HIDDEN = "softmax or sigmoid with the wrong loss", "softmax within the network"
ACCURACY, FEW_STEPS = "accuracy of numbers", "batch larger than the data"


def advise(model: Model, program: Program, data: Data, batch_size: int) -> None:
    """Warn of what training on such data will not bring; ``model`` is built and compiled."""
    for one in [*mistakes(model, program, data), *_steps(data.samples, batch_size)]:
        warn(f"fit: {one.said} {one.remedy}")


def mistakes(model: Model, program: Program, data: Data) -> list[Mistake]:
    """Those in the images, the labels and the last layers; ``model`` is built and compiled."""
    row = model.graph().row()
    found = [*_pixels(row, data.x)]
    if len(row) == len(model.graph().nodes):
        found += _hidden(row)
    if len(program.goals) == 1:
        (goal,) = program.goals
        assert goal.loss is not None
        found += [*_output(program, goal.loss, data), *_accuracy(model, program, goal, data.y)]
    return found


def _pixels(layers: Sequence[Layer], x: Array) -> Iterator[Mistake]:
    """Channels that come first, and pixels that are not scaled or are scaled twice."""
    if x.ndim != 4 or len(x) < LOOKED_AT:
        return  # of a few images nobody can tell
    if order := order_of(x.shape, len(x)):
        yield Mistake(
            AXES,
            f"images of shape {x.shape[1:]} look channels-first, and minicnn is channels-last.",
            f"Try {transposition(order)}, and Input of that shape.",
        )
        return
    way, some = _way_in(layers), x[:LOOKED_AT]
    if way is None or x.shape[3] not in COLOURS:
        return
    low, high = float(some.min()), float(some.max())
    whole = x.dtype.kind != "f" or bool((some == np.floor(some)).all())
    ends = [way.scale * value + way.offset for value in (low, high)]
    span = f"from {low:.3g} to {high:.3g}"
    if whole and low >= 0 and LARGE < high < 2**16 and max(map(abs, ends)) > LARGE:
        brightest = 255 if high <= 255 else 65535
        yield Mistake(
            UNSCALED,
            f"images {span} reach {way.first.who} {'as large as ' * way.scaled}"
            f"{f'{max(ends):.3g}' if way.scaled else 'unscaled'}, which trains badly.",
            f"{'Put' if not way.scaled else 'Take'} Rescaling(1 / {brightest}) after Input.",
        )
    if whole and way.scaled and high > LARGE and 0 < (high - low) * abs(way.scale) < FAINT:
        yield Mistake(
            SCALED_TWICE,
            f"images {span} are scaled more than once by the model's Rescaling layers, and reach "
            f"{way.first.who} as small as {max(map(abs, ends)):.2g}.",
            "Leave one Rescaling out.",
        )
    small = high <= 1 or not whole
    if way.scaled and abs(way.scale) * LARGE < 1 and small and 0 < high - low < LARGE:
        yield Mistake(
            SCALED_TWICE,
            f"images {span} are scaled once more by the model's Rescaling, which is meant for "
            "0 to 255.",
            "Give the images as they were, or leave the Rescaling out.",
        )


class _WayIn(NamedTuple):
    """What pixels become before the first weights: scale * x + offset."""

    first: Layer
    scale: float
    offset: float
    scaled: bool


def _way_in(layers: Sequence[Layer]) -> _WayIn | None:
    """Nothing where the pixels are normalized, or where nobody can tell what becomes of them."""
    scale, offset, scaled = 1.0, 0.0, False
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        normed = Activation | BatchNorm | LayerNorm | Normalization
        if not _known(layer) or isinstance(layer, normed):
            return None
        if isinstance(layer, Rescaling):
            if np.ndim(layer.scale) or np.ndim(layer.offset):
                return None
            scale, offset = layer.scale * scale, layer.scale * offset + layer.offset
            scaled = True
        elif layer.params or layer.sublayers:
            plain = not isinstance(following, BatchNorm | LayerNorm) and not layer.sublayers
            return _WayIn(layer, scale, offset, scaled) if plain or scaled else None
    return None


def _known(layer: Layer) -> bool:
    """Whether it computes what one of the library's layers does."""
    return any(computes_as(layer, cls) for cls in LAYERS.values())


def _output(program: Program, loss: Loss, data: Data) -> Iterator[Mistake]:
    """A last activation that does not go with the loss."""
    name, outputs = program.activation, program.output_shapes[0][-1]
    who, wanted = type(loss).__name__, loss.activation
    if outputs == 1 and (name == "softmax" or wanted == "softmax"):
        what = "a softmax over one output is always 1" if name == "softmax" else f"{who} of one"
        yield Mistake(
            LAST,
            f"{what}{' output is always 0' * (name != 'softmax')}.",
            f"For two classes end in Dense(1, 'sigmoid') with {BINARY}, or in "
            f"Dense(2, 'softmax') with {SPARSE}.",
        )
        return
    if not wanted or name == wanted or getattr(loss, "from_logits", False):
        return
    with np.errstate(all="ignore"):
        (y,) = program.infer(data.part(slice(LOOKED_AT)).xs)
    outside = bool((y < -1e-3).any() or (y > 1 + 1e-3).any())
    sums = wanted == "sigmoid" or np.allclose(y.sum(axis=-1), 1, atol=1e-3)
    if name in (None, *UNIT) and not outside and sums:
        return
    got = "that do not sum to 1" if name in UNIT else f"such as {y.min():.3g} and {y.max():.3g}"
    logits = f", or give the loss from_logits=True: {who}(from_logits=True)"
    yield Mistake(
        LAST,
        f"{who} expects probabilities, got outputs {got}.",
        f"End the model in activation={wanted!r}"
        f"{logits if name in (None, 'linear') else f' instead of {name!r}'}.",
    )


def _hidden(layers: Sequence[Layer]) -> Iterator[Mistake]:
    """A softmax before the last layers."""
    learning = [i for i, layer in enumerate(layers) if layer.params]
    names = [layer.split_activation()[1] for layer in layers]
    for i, (layer, name) in enumerate(zip(layers, names, strict=True)):
        if name == "softmax" and ("softmax" in names[i + 1 :] or i < max(learning, default=0)):
            yield Mistake(
                HIDDEN,
                f"the softmax of {layer.who} is not the model's last, and lets little through.",
                "Take 'relu' there, or leave it out.",
            )
            return


def _accuracy(model: Model, program: Program, goal: Goal, y: Array) -> Iterator[Mistake]:
    """An accuracy of labels that are no classes."""
    numbers = isinstance(goal.loss, MeanSquaredError | MeanAbsoluteError | Huber)
    numbers = numbers and program.activation != "softmax"
    for wanted in goal.metrics:
        metric = metric_table.for_shapes(model.who, wanted, y.ndim, program.output_shapes[0])
        other: Array | None = None
        if isinstance(metric, BinaryAccuracy):
            other = y[~np.isin(y, (0, 1))]
        elif (
            isinstance(metric, CategoricalAccuracy) and numbers and program.activation != "softmax"
        ):
            other = y.ravel() if not one_hot(y) else None
        if other is not None and other.size:
            yield Mistake(
                ACCURACY,
                f"the metric {metric.name!r} counts classes ({type(metric).__name__}), got labels "
                f"such as {other[0]:.3g}.",
                "For numbers (regression) watch 'mae'.",
            )


def _steps(images: int, batch_size: int) -> Iterator[Mistake]:
    """A batch far larger than all there is."""
    if batch_size > max(images, 1000):
        yield Mistake(
            FEW_STEPS,
            f"batch_size={batch_size} is more than the {images} images there are: an epoch is a "
            "single step.",
            "Try batch_size=32.",
        )
