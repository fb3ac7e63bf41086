"""The data given to ``fit`` and ``evaluate``, as arrays that go together."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn.data.arrays import Dataset, as_array, images_and_labels
from minicnn.data.orders import remedy
from minicnn.errors import ConfigError, DataError, ShapeError, shown


class Data(NamedTuple):
    """Images, labels and the weight of each sample in the loss (None: all alike)."""

    x: Array
    y: Array
    weights: Array | None = None

    def part(self, samples: Array | slice) -> "Data":
        """Some of the samples."""
        weights = None if self.weights is None else self.weights[samples]
        return Data(self.x[samples], self.y[samples], weights)


def training_data(
    who: str,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_split: float,
    validation_data: Any,
) -> tuple[Data, Data | None]:
    """(the data to learn from, the data to evaluate on, if any), from the arguments of ``fit``."""
    if validation_split is not None:
        number(who, "validation_split", validation_split, least=0, below=1)
    data, validation = data_of(who, x, y, sample_weight), None
    if validation_data is not None:
        validation = validation_of(who, validation_data)
    elif validation_split:
        data, validation = split_tail(who, data, validation_split)
    if class_weight is not None:
        data = weighted_by_class(who, data, class_weight)
    return data, validation


def data_of(who: str, x: Any, y: Any, sample_weight: Any = None) -> Data:
    """Arrays, or a dataset, checked; raises ``DataError`` unless they go together."""
    x, y = images_and_labels(who, x, y)
    if sample_weight is None:
        return Data(x, y)
    weights = as_array(who, sample_weight)
    if weights.dtype.kind not in "biuf" or weights.shape != (len(x),):
        raise DataError(
            f"{who}: expected sample_weight as {len(x)} numbers, one for each image, "
            f"got {weights.dtype} {weights.shape}."
        )
    if not np.isfinite(weights).all():
        raise DataError(f"{who}: expected finite numbers, got NaN or infinity in sample_weight.")
    return Data(x, y, weights)


def validation_of(who: str, given: Any) -> Data:
    """``validation_data``: a dataset, (x, y) or (x, y, sample_weight)."""
    parts = (given, None) if isinstance(given, Dataset) else given
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
        raise ConfigError(
            f"{who}: expected validation_data as a dataset, a pair (x, y) or three arrays "
            f"(x, y, sample_weight), got {shown(given)}."
        )
    return data_of(f"{who}, validation_data", *parts)


def check_validation(who: str, x: Array, validation: Array) -> None:
    """Raise ``ShapeError`` unless images to evaluate have the shape of those to train on."""
    if validation.shape[1:] == x.shape[1:]:
        return
    what_to_do = remedy(x.shape[1:], validation.shape)
    if not what_to_do or "Input(" in what_to_do:
        what_to_do = " Prepare both in the same way."
    raise ShapeError(
        f"{who}, validation_data: expected input of shape (N, {', '.join(map(str, x.shape[1:]))}), "
        f"like that to train on, got {validation.shape}.{what_to_do}"
    )


def weighted_by_class(who: str, data: Data, class_weight: Mapping[int, float]) -> Data:
    """The data with the weight of each sample's class, which is 1 for a class that is not named."""
    if not isinstance(class_weight, Mapping):
        raise ConfigError(
            f"{who}: expected class_weight as a dictionary from class numbers to weights, "
            f"such as {{0: 1.0, 1: 5.0}}, got {shown(class_weight)}."
        )
    if data.weights is not None:
        raise ConfigError(f"{who}: expected class_weight or sample_weight, got both.")
    labels = classes_of(data.y)
    if labels is None:
        raise DataError(
            f"{who}: expected labels that are class numbers or one-hot with class_weight, "
            f"got shape {data.y.shape}."
        )
    weights = np.ones(len(labels))
    for name, weight in class_weight.items():
        number_of_class = isinstance(name, int | np.integer | float | np.floating)
        whole = number_of_class and float(name).is_integer()
        if not whole or name < 0:
            raise ConfigError(f"{who}: expected class_weight for class numbers, got {name!r}.")
        number(who, f"class_weight[{name}]", weight, least=0)
        weights[labels == name] = weight
    return data._replace(weights=weights)


def split_tail(who: str, data: Data, fraction: float) -> tuple[Data, Data]:
    """(the rest, the last ``fraction`` of the samples), as Keras cuts: before any shuffling.

    Warns when the tail has classes that the rest lacks: then the data are sorted by class.

    >>> train, held_out = split_tail("fit", Data(np.zeros((10, 2)), np.arange(10) % 2), 0.25)
    >>> len(train.x), len(held_out.x)
    (7, 3)
    """
    number(who, "validation_split", fraction, least=0, below=1)
    cut = int(len(data.x) * (1 - fraction))
    if not 0 < cut < len(data.x):
        raise ConfigError(
            f"{who}: expected a validation_split that leaves images on both sides, got {fraction} "
            f"of {len(data.x)}."
        )
    rest, tail = data.part(slice(cut)), data.part(slice(cut, None))
    known, held_out = classes_of(rest.y), classes_of(tail.y)
    if known is not None and held_out is not None:
        missing = sorted(set(held_out.tolist()) - set(known.tolist()))
        if missing:
            warn(
                f"{who}: validation_split={fraction} takes the last {len(tail.x)} images, and "
                f"nothing before them is of class {', '.join(map(str, missing))}. "
                "Shuffle images and labels first.",
                UserWarning,
            )
    return rest, tail


def classes_of(y: Array) -> Array | None:
    """The class number of each label, one-hot or not; None where labels are something else."""
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(axis=1))
    if y.ndim > 2 or (y.dtype.kind == "f" and (y != np.floor(y)).any()):
        return None
    return y.reshape(len(y)).astype(np.intp)
