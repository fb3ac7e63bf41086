"""What the commands say of a model: which classes it sees, and how often it is right."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicnn.activations import ACTIVATIONS
from minicnn.data import Dataset
from minicnn.errors import DataError
from minicnn.metrics import wilson_interval
from minicnn.sequential import Sequential
from minicnn.shapes import Array


@dataclass
class Judgement:
    """How good a model is on some images."""

    loss: float
    right: int
    total: int

    def line(self, what: str) -> str:
        """The share that is right, its 95% interval and the loss."""
        low, high = wilson_interval(self.right, self.total)
        return (
            f"{what} {self.right / self.total:.3f} ({self.right} of {self.total}; "
            f"95% interval {low:.3f} to {high:.3f}), loss {self.loss:.4f}"
        )


def judge(model: Sequential, data: Dataset) -> Judgement:
    """What a model makes of images with labels."""
    figures = model.evaluate(data, return_dict=True)
    assert isinstance(figures, dict)
    guesses, _ = classes(model, data.x)
    return Judgement(figures["loss"], int(np.sum(guesses == data.y)), len(data))


def classes(model: Sequential, x: Array) -> tuple[Array, Array]:
    """(class, its probability) for each image; a single output is the probability of class 1."""
    outputs = model.predict(x)
    if model.loss is not None and getattr(model.loss, "from_logits", False):
        outputs = ACTIVATIONS[model.loss.activation].forward(outputs)
    if outputs.shape[-1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs.argmax(axis=-1), outputs.max(axis=-1)


def check_names(known_by: Path, known: tuple[str, ...], path: Path, names: tuple[str, ...]) -> None:
    """Raise ``DataError`` unless two lists of classes, where there are both, are the same."""
    if known and names and known != names:
        raise DataError(
            f"{path}: expected the classes {', '.join(known)}, as in {known_by}, "
            f"got {', '.join(names)}."
        )
