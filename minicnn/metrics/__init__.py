"""Metrics: numbers to watch while a loss is minimised.

``update_state`` adds a batch, ``result`` gives the value over all batches since ``reset_state``.
``classification_report`` evaluates a set of samples at once.
"""

import copy
import inspect
from collections import Counter
from collections.abc import Sequence
from typing import Any

from minicnn._core.config import by_name, exported, find
from minicnn._core.shapes import Shape
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError
from minicnn.metrics.accuracy import BinaryAccuracy as BinaryAccuracy
from minicnn.metrics.accuracy import CategoricalAccuracy as CategoricalAccuracy
from minicnn.metrics.accuracy import SparseCategoricalAccuracy as SparseCategoricalAccuracy
from minicnn.metrics.accuracy import SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy
from minicnn.metrics.accuracy import TopKCategoricalAccuracy as TopKCategoricalAccuracy
from minicnn.metrics.auc import AUC as AUC
from minicnn.metrics.base import Metric as Metric
from minicnn.metrics.confusion import FalseNegatives as FalseNegatives
from minicnn.metrics.confusion import FalsePositives as FalsePositives
from minicnn.metrics.confusion import PrecisionAtRecall as PrecisionAtRecall
from minicnn.metrics.confusion import RecallAtPrecision as RecallAtPrecision
from minicnn.metrics.confusion import SensitivityAtSpecificity as SensitivityAtSpecificity
from minicnn.metrics.confusion import SpecificityAtSensitivity as SpecificityAtSensitivity
from minicnn.metrics.confusion import TrueNegatives as TrueNegatives
from minicnn.metrics.confusion import TruePositives as TruePositives
from minicnn.metrics.errors import CategoricalHinge as CategoricalHinge
from minicnn.metrics.errors import CosineSimilarity as CosineSimilarity
from minicnn.metrics.errors import Hinge as Hinge
from minicnn.metrics.errors import KLDivergence as KLDivergence
from minicnn.metrics.errors import LogCoshError as LogCoshError
from minicnn.metrics.errors import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from minicnn.metrics.errors import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from minicnn.metrics.errors import Poisson as Poisson
from minicnn.metrics.errors import RootMeanSquaredError as RootMeanSquaredError
from minicnn.metrics.errors import SquaredHinge as SquaredHinge
from minicnn.metrics.functions import functions
from minicnn.metrics.iou import BinaryIoU as BinaryIoU
from minicnn.metrics.iou import IoU as IoU
from minicnn.metrics.iou import MeanIoU as MeanIoU
from minicnn.metrics.iou import OneHotIoU as OneHotIoU
from minicnn.metrics.iou import OneHotMeanIoU as OneHotMeanIoU
from minicnn.metrics.means import BinaryCrossentropy as BinaryCrossentropy
from minicnn.metrics.means import CategoricalCrossentropy as CategoricalCrossentropy
from minicnn.metrics.means import MeanAbsoluteError as MeanAbsoluteError
from minicnn.metrics.means import MeanSquaredError as MeanSquaredError
from minicnn.metrics.means import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from minicnn.metrics.positives import F1Score as F1Score
from minicnn.metrics.positives import FBetaScore as FBetaScore
from minicnn.metrics.positives import Precision as Precision
from minicnn.metrics.positives import Recall as Recall
from minicnn.metrics.report import ClassificationReport as ClassificationReport
from minicnn.metrics.report import classification_report as classification_report
from minicnn.metrics.report import confusion_matrix as confusion_matrix
from minicnn.metrics.report import wilson_interval as wilson_interval
from minicnn.metrics.running import Mean as Mean
from minicnn.metrics.running import Sum as Sum
from minicnn.metrics.running import _FunctionMean

__getattr__ = asked("metrics")

_CLASSES = exported(
    Metric, globals(), "ClassificationReport", "classification_report", "confusion_matrix",
    "check_weighted", "for_shapes", "get", "of_output", "wilson_interval",
)  # fmt: skip
_BY_NAME = by_name(_CLASSES.values())
FUNCTIONS = functions(_BY_NAME)
"""Those that are a mean over samples as functions, by all names that Keras has for them."""
globals().update(FUNCTIONS)
__all__ += FUNCTIONS  # type: ignore[name-defined]  # noqa: F821
_ACCURACY = (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy)
_CROSSENTROPY = (BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy)
_BY_SHAPE: dict[str, tuple[type[Metric], type[Metric], type[Metric]]] = {
    "accuracy": _ACCURACY,
    "acc": _ACCURACY,
    "crossentropy": _CROSSENTROPY,
    "ce": _CROSSENTROPY,
}
"""Names that become one of the three when the shapes are known."""


def get(who: str, value: Any) -> Metric | str:
    """The metric that ``value`` is, names or describes; names in ``_BY_SHAPE`` stay names.

    A metric that was named bears that name, as in Keras, and so does one that a function stands
    for. Any other function of labels and predictions is taken as the mean of what it gives. Raises
    ``ConfigError`` if it is none.

    >>> get("Sequential", "mse")
    MeanSquaredError(name='mse')
    """
    if callable(value) and not isinstance(value, Metric | type):
        if not hasattr(value, "stands_for"):
            return _FunctionMean(value)
        value = value.stands_for
    if isinstance(value, str) and value.lower() in _BY_SHAPE:
        return value
    metric = find(who, "metrics", value, Metric, dict.fromkeys(_BY_SHAPE) | _BY_NAME)
    if isinstance(value, str):
        metric.name = value
    return metric


def of_output(who: str, given: Any) -> list[Metric | str]:
    """The metrics of one output, from what ``compile`` was given: one, several or None."""
    wanted = [given] if isinstance(given, str | Metric) else given
    wanted = () if wanted is None else wanted
    if not isinstance(wanted, Sequence):
        raise ConfigError(f"{who}: expected metrics as a list, got {given!r}.")
    return named_apart(who, [get(who, metric) for metric in wanted])


def check_weighted(who: str, metrics: Sequence[Sequence[Metric | str]]) -> None:
    """Raise ``ConfigError`` for a metric whose ``update_state`` takes no weights."""
    for metric in (metric for of in metrics for metric in of if isinstance(metric, Metric)):
        if "sample_weight" not in inspect.signature(metric.update_state).parameters:
            raise ConfigError(
                f"{who}: expected weighted_metrics that take weights, got the "
                f"{type(metric).__name__} {metric.name!r}, which takes none. Give it as one of "
                "metrics, or define its update_state(y_true, y_pred, sample_weight)."
            )


def for_shapes(who: str, metric: Metric | str, labels_rank: int, output_shape: Shape) -> Metric:
    """A metric from ``get``, for labels and predictions of these shapes.

    "accuracy" is what Keras makes of it: binary when the last axis of the
    predictions is 1, sparse when the labels have an axis less, else categorical;
    and so is "crossentropy". ``labels_rank`` counts the batch axis, ``output_shape``
    leaves it out. The metric bears the name that the user gave.

    >>> for_shapes("Sequential", "accuracy", labels_rank=1, output_shape=(6,))
    SparseCategoricalAccuracy(name='accuracy')
    """
    if isinstance(metric, Metric):
        return metric
    binary, sparse, categorical = _BY_SHAPE[metric.lower()]
    if output_shape[-1] == 1:
        return binary(name=metric)
    if labels_rank < len(output_shape) + 1:
        return sparse(name=metric)
    return categorical(name=metric)


def named_apart(who: str, metrics: Sequence[Metric | str]) -> list[Metric | str]:
    """The metrics, with a number behind a name that is taken, as Keras counts: auc, auc_1.

    A copy gets the number, as the object may serve another model too. Raises ``ConfigError`` for a
    metric called "loss", or like the logs of a validation or of callbacks, and for a string that is
    there twice.

    >>> both = [Precision(class_id=0), Precision(class_id=1)]
    >>> [metric.name for metric in named_apart("Sequential", both)]
    ['precision', 'precision_1']
    """
    taken, numbers, apart = {"loss"}, Counter[str](), list(metrics)
    for i in sorted(range(len(apart)), key=lambda i: not isinstance(apart[i], str)):
        metric = apart[i]
        name = base = metric if isinstance(metric, str) else metric.name
        if name.startswith("val_") or name in ("epoch", "learning_rate"):
            raise ConfigError(
                f"{who}: expected a metric of another name than {name!r}, which logs of a "
                "validation or of callbacks have."
            )
        if name == "loss" or (name in taken and isinstance(metric, str)):
            raise ConfigError(f"{who}: expected metrics of different names, got {name!r} again.")
        if isinstance(metric, Metric) and name in taken:
            while name in taken:
                numbers[base] += 1
                name = f"{base}_{numbers[base]}"
            apart[i] = metric = copy.copy(metric)
            metric.name = name
        taken.add(name)
    return apart
