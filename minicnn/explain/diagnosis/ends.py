"""Ailments of a network's end: its last activation, its loss, and what it says before it learns."""

from collections.abc import Iterator

import numpy as np

from minicnn._training.mistakes import HIDDEN, LAST
from minicnn._training.program import at_work
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding
from minicnn.explain.diagnosis.given import no_numbers
from minicnn.losses import BinaryCrossentropy, MeanSquaredError
from minicnn.losses.base import CATEGORICAL, SPARSE, one_hot

TOO_LARGE = 2.0
"""A first loss is too large from so many times ln K on, and more than MARGIN above it."""

MARGIN = 1.0


def wrong_loss(run: Examined) -> Iterator[Finding]:
    """A last activation that does not go with the loss."""
    for one in run.mistakes:
        if one.name in (LAST, HIDDEN):
            yield Finding(LAST, one.said[0].upper() + one.said[1:], one.remedy)
            return
    loss, name, y = run.loss, run.program.activation, run.raw.y
    if name == "softmax" and isinstance(loss, MeanSquaredError) and run.outputs > 1:
        yield Finding(
            LAST,
            "The softmax ends in the mean squared error, whose gradient dies out where the "
            "network is sure and wrong.",
            f"Compile with {CATEGORICAL} for one-hot labels, {SPARSE} for class numbers.",
        )
    elif isinstance(loss, BinaryCrossentropy) and run.outputs > 2 and _one_class_each(y):
        yield Finding(
            LAST,
            f"Each image is of one of {run.outputs} classes, but {name or 'sigmoid'} with the "
            "binary cross-entropy asks about each class by itself.",
            f"End in Dense({run.outputs}, 'softmax') with {CATEGORICAL}.",
        )
    elif getattr(loss, "from_logits", False) and run.outputs > 1 and _probabilities(run):
        yield Finding(
            LAST,
            f"{type(loss).__name__}(from_logits=True) takes the softmax of outputs that add up to "
            "1 already: softmax is taken twice.",
            "Leave out from_logits=True, or the softmax in the network.",
        )


def _one_class_each(y: np.ndarray) -> bool:
    return len(y) >= 32 and one_hot(y) and len(np.unique(y.argmax(axis=1))) > 2


def _probabilities(run: Examined) -> bool:
    """Whether what comes out is from 0 to 1 and adds up to 1, though the loss takes logits."""
    with at_work():
        (z, *_) = run.program.infer(run.batch.part(slice(8)).xs)
    return bool((z >= 0).all() and np.allclose(z.sum(axis=-1), 1, atol=1e-3))


def first_loss(run: Examined) -> Iterator[Finding]:
    """A first loss far above ln K."""
    if run.uniform is None or run.first_loss <= max(TOO_LARGE * run.uniform, run.uniform + MARGIN):
        return
    if any(no_numbers(run)):
        return
    kind = "2" if isinstance(run.loss, BinaryCrossentropy) else str(run.outputs)
    row = next(iter(run.before.learning()[::-1]), None)
    size = ""
    if row is not None and np.isfinite(row.std):
        size = f" {row.layer} gives numbers of size {row.std:.2g} then."
    yield Finding(
        "first loss too large",
        f"Before it learns anything the loss is {run.first_loss:.3g}, where a network that leans "
        f"to no class has ln {kind} = {run.uniform:.3g}.{size}",
        "Begin with smaller weights in the last layer (kernel_initializer='glorot_uniform'), and "
        "with biases of 0.",
        row.layer if row else None,
    )
