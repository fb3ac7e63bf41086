"""Results of the commands: the classes that a model sees, and how often it is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicnn._cli.convert import read_model
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn.data import Dataset, HDF5Dataset
from minicnn.errors import ConfigError, DataError
from minicnn.evaluation import probabilities
from minicnn.layers import Layer, Rescaling
from minicnn.metrics import wilson_interval
from minicnn.models.model import Model

FAINT = 4.0
"""Images from 0 to 255 are brighter than this somewhere; scaled ones are not."""


@dataclass
class Score:
    """The evaluation of a model on some images."""

    loss: float
    right: int
    total: int

    def line(self, label: str) -> str:
        """The fraction that is right, its 95% interval and the loss."""
        low, high = wilson_interval(self.right, self.total)
        return (
            f"{label} {self.right / self.total:.3f} ({self.right} of {self.total}; "
            f"95% interval {low:.3f} to {high:.3f}), loss {self.loss:.4f}"
        )


def scored(model: Model, data: Dataset | HDF5Dataset) -> Score:
    """Evaluate a model on images with labels."""
    logs = model.evaluate(data, return_dict=True)
    assert isinstance(logs, dict)
    x, y = (data.x, data.y) if isinstance(data, Dataset) else (data, data.labels)
    guesses, _ = classes(model, x)
    return Score(logs["loss"], int(np.sum(guesses == y)), len(data))


def classes(model: Model, x: Array | HDF5Dataset) -> tuple[Array, Array]:
    """(class, its probability) for each image; a single output is the probability of class 1."""
    scores = probabilities(model, x)
    return scores.argmax(axis=-1), scores.max(axis=-1)


def check_range(path: Path, x: Array) -> None:
    """Raise ``DataError`` unless images can be those of a network that divides them by 255.

    Of bytes every one can; warns of those that are 0 and 1, as truncated fractions are.
    """
    low, high = float(x.min()), float(x.max())
    if x.dtype.kind != "f":
        if (low, high) == (0, 1):
            warn(
                f"{path}: expected images from 0 to 255, got nothing but 0 and 1. Were they "
                "divided by 255 before they were stored as whole numbers?"
            )
        return
    if low < 0 or not FAINT < high <= 255:
        before = "as they were before they were scaled, " * (low < 0 or high <= FAINT)
        raise DataError(
            f"{path}: expected images from 0 to 255, which the network scales itself, got "
            f"floating-point numbers from {low:.6g} up to {high:.6g}. Store them {before}as uint8."
        )


def scales_bytes(layers: Sequence[Layer]) -> bool:
    """Whether a model takes images from 0 to 255: it scales them before its first weights."""
    for layer in layers:
        if isinstance(layer, Rescaling):
            return bool(FAINT * np.max(np.abs(layer.scale)) < 0.1)
        if layer.params:
            break
    return False


def check_names(known_by: Path, known: tuple[str, ...], path: Path, names: tuple[str, ...]) -> None:
    """Raise ``DataError`` unless two lists of classes, where there are both, are the same."""
    if known and names and known != names:
        raise DataError(
            f"{path}: expected the classes {', '.join(known)}, as in {known_by}, "
            f"got {', '.join(names)}."
        )


def load(path: Path) -> Model:
    """A saved model that classifies images."""
    model = read_model(path)
    if len(model.input_shape) != 3 or len(model.output_shape) != 1:
        raise ConfigError(
            f"{path}: expected a model that classifies images (H, W, C), "
            f"got {model.input_shape} to {model.output_shape}."
        )
    return model


def check_images(model: Model, path: Path, x: Array) -> None:
    """Raise ``DataError`` unless images can be those that the model was trained on."""
    if x.shape[1:] != model.input_shape:
        raise DataError(
            f"{path}: expected images of shape {model.input_shape}, as the model was trained on, "
            f"got {x.shape[1:]}."
        )
    if scales_bytes(model.layers):
        check_range(path, x)
