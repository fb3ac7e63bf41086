"""The data given to ``fit`` and ``evaluate``, as arrays that go together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn.data.arrays import Dataset, as_array, images_and_labels
from minicnn.data.axis_order import remedy
from minicnn.errors import ConfigError, DataError, ShapeError, shown


class Data(NamedTuple):
    """Images, labels and the weight of each sample in the loss, for each input and output."""

    xs: tuple[Array, ...]
    ys: tuple[Array, ...]
    weights: tuple[Array | None, ...]
    """One for each output; None: all samples alike."""

    @classmethod
    def of(cls, x: Array, y: Array, weights: Array | None = None) -> "Data":
        """Those of a model of one input and one output."""
        return cls((x,), (y,), (weights,))

    @property
    def x(self) -> Array:
        """Those of the first input."""
        return self.xs[0]

    @property
    def y(self) -> Array:
        """Those of the first output."""
        return self.ys[0]

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.xs[0])

    @property
    def arrays(self) -> tuple[Array | None, ...]:
        """All arrays in a row; ``like`` puts such a row back."""
        return *self.xs, *self.ys, *self.weights

    def like(self, arrays: Sequence[Array | None]) -> "Data":
        """Data of as many inputs and outputs, from all arrays in a row."""
        i, o = len(self.xs), len(self.xs) + len(self.ys)
        return Data(tuple(arrays[:i]), tuple(arrays[i:o]), tuple(arrays[o:]))  # type: ignore[arg-type]

    def answers(self, samples: Array | slice) -> "Data":
        """The labels and weights of some of the samples, without the images."""
        return self._replace(xs=()).part(samples)

    def part(self, samples: Array | slice) -> "Data":
        """Some of the samples."""
        return self.like([None if a is None else a[samples] for a in self.arrays])


LARGEST_CLASS = 1 << 31
"""Numbers above it are no class's."""

Take = Callable[..., Data]
"""(who, x, y, sample_weight) -> the data, checked."""


def data_of(who: str, x: Any, y: Any, sample_weight: Any = None) -> Data:
    """Arrays, or a dataset, checked; raises ``DataError`` unless they go together."""
    x, y = images_and_labels(who, x, y)
    weights = None if sample_weight is None else weights_of(who, sample_weight, len(x))
    return Data.of(x, y, weights)


def weights_of(who: str, given: Any, samples: int) -> Array:
    """``sample_weight``, checked: finite numbers, one for each sample."""
    weights = as_array(who, given)
    if weights.dtype.kind not in "biuf" or weights.shape != (samples,):
        raise DataError(
            f"{who}: expected sample_weight as {samples} numbers, one for each image, "
            f"got {weights.dtype} {weights.shape}."
        )
    if not np.isfinite(weights).all():
        raise DataError(f"{who}: expected finite numbers, got NaN or infinity in sample_weight.")
    return weights


def validation_of(who: str, take: Take, given: Any) -> Data:
    """``validation_data``: a dataset, (x, y) or (x, y, sample_weight)."""
    parts = (given, None) if isinstance(given, Dataset) else given
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
        raise ConfigError(
            f"{who}: expected a dataset, a pair (x, y), three arrays (x, y, sample_weight) or what "
            f"gives batches of these, got {shown(given)}."
        )
    return take(who, *parts)


def outputs_of(who: str, kind: str, given: Any, names: Sequence[str], samples: int) -> list[Any]:
    """What was given for each output, ``kind`` being labels or sample_weight, in their order.

    Raises ``DataError`` unless it is a list or a dictionary of as many.
    """
    if isinstance(given, Mapping) and set(given) == set(names):
        return [given[name] for name in names]
    if isinstance(given, list | tuple) and len(given) == len(names):
        return list(given)
    if len(names) == 1 and not isinstance(given, Mapping):
        return [given]
    got = ", ".join(map(str, given)) if isinstance(given, Mapping) else shown(given)
    raise DataError(
        f"{who}: expected {kind} for each of the outputs {', '.join(names)}, in a list or a "
        f"dictionary by these names, got {got}."
    )


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
    if len(data.ys) > 1:
        raise ConfigError(
            f"{who}: expected class_weight for a model of one output, got {len(data.ys)}. Give a "
            "sample_weight for each."
        )
    if data.weights[0] is not None:
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
    return data._replace(weights=(weights,))


def split_tail(who: str, data: Data, fraction: float) -> tuple[Data, Data]:
    """(the rest, the last ``fraction`` of the samples), as Keras cuts: before any shuffling.

    Warns when the tail has classes that the rest lacks: then the data are sorted by class.

    >>> train, held_out = split_tail("fit", Data.of(np.zeros((10, 2)), np.arange(10) % 2), 0.25)
    >>> len(train.x), len(held_out.x)
    (7, 3)
    """
    number(who, "validation_split", fraction, least=0, below=1)
    cut = int(data.samples * (1 - fraction))
    if not 0 < cut < data.samples:
        raise ConfigError(
            f"{who}: expected a validation_split that leaves images on both sides, got {fraction} "
            f"of {data.samples}."
        )
    rest, tail = data.part(slice(cut)), data.part(slice(cut, None))
    known, held_out = classes_of(rest.y), classes_of(tail.y)
    if known is not None and held_out is not None:
        missing = sorted(set(held_out.tolist()) - set(known.tolist()))
        if missing:
            warn(
                f"{who}: validation_split={fraction} takes the last {tail.samples} images, and "
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
    if y.dtype.kind == "f" and y.size and float(np.abs(y).max()) > LARGEST_CLASS:
        return None
    return y.reshape(len(y)).astype(np.intp)
