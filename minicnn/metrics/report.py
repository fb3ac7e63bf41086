"""The quality of a classifier on a set of samples, class by class, with intervals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.console import html_table, legible, padded, width_of
from minicnn._core.shapes import Array
from minicnn.data.arrays import as_array
from minicnn.errors import ConfigError, DataError
from minicnn.metrics.positives import ratio


class Means(NamedTuple):
    """Metrics averaged over the classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """The result of ``classification_report``; printed, it is a table."""

    class_names: tuple[str, ...]
    confusion: Array
    """(classes, classes) counts: a row for each true class, a column for each predicted one."""
    precision: Array
    """(classes,) TP / (TP + FP), 0 for a class that was never predicted."""
    precision_interval: Array
    """(classes, 2) bounds, as all intervals here."""
    recall: Array
    """(classes,) TP / (TP + FN), 0 for a class that never occurs."""
    recall_interval: Array
    f1: Array
    """(classes,) 2 TP / (2 TP + FP + FN)."""
    f1_interval: Array
    support: Array
    """(classes,) counts of how often each class is true."""
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro: Means
    """Plain means over the classes that occur among the labels or the predictions."""
    weighted: Means
    """Means weighted by ``support``."""

    def __str__(self) -> str:
        """A table with a line for each class, and the 95% interval after each number."""
        rows = [[legible(name).replace("\t", " "), *cells] for name, *cells in self._rows()]
        width = max(width_of(name) for name, *_ in rows)
        return "\n".join(
            "  ".join([padded(name, width), *(f"{cell:17}" for cell in cells[:3]), f"{last:>7}"])
            if (last := cells[3])
            else f"{padded(name, width)}  {cells[0]}"
            for name, *cells in rows
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return html_table(list(self._rows()))

    def _rows(self) -> Iterator[list[str]]:
        """The cells of the table, with its header: a name, precision, recall, F1 and support."""
        yield ["", "precision", "recall", "f1", "support"]
        columns = (
            (self.precision, self.precision_interval),
            (self.recall, self.recall_interval),
            (self.f1, self.f1_interval),
        )
        for i, name in enumerate(self.class_names):
            cells = [_cell(scores[i], interval[i]) for scores, interval in columns]
            yield [name, *cells, str(self.support[i])]
        total = str(self.support.sum())
        for name, means in (("macro mean", self.macro), ("weighted mean", self.weighted)):
            yield [name, *(f"{mean:.3f}" for mean in means), total]
        yield ["accuracy", _cell(self.accuracy, self.accuracy_interval), "", "", ""]


def confusion_matrix(y_true: Array, y_pred: Array, classes: int | None = None) -> Array:
    """How often each class was taken for each: (classes, classes), rows true, columns predicted.

    ``y_true`` and ``y_pred`` (N,) or (N, 1) are class numbers from 0. Or ``y_true`` is
    one-hot (N, classes); or ``y_pred`` is (N, classes), of which the largest counts, or
    the output of one sigmoid, (N,) or (N, 1) floating-point numbers from 0 to 1, of which
    those above 0.5 are class 1. Without ``classes`` there are as many as columns, or as the
    highest number asks for.

    Raises ``DataError`` for anything else.

    >>> confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist()
    [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    """
    true, rows = _classes(y_true, "y_true")
    predicted, columns = _classes(y_pred, "y_pred")
    if true.shape != predicted.shape or not len(true):
        raise DataError(
            "confusion_matrix: expected a label for each prediction, and at least one, got "
            f"{len(true)} labels and {len(predicted)} predictions."
        )
    found = max(rows, columns)
    if classes is not None and found > whole_number("confusion_matrix", "classes", classes, 1):
        raise DataError(
            f"confusion_matrix: expected classes from 0 to {classes - 1}, got {found - 1}."
        )
    n = classes or found
    return np.bincount(true * n + predicted, minlength=n * n).reshape(n, n)


def classification_report(
    y_true: Array, y_pred: Array, class_names: Sequence[str] = ()
) -> ClassificationReport:
    """Precision, recall and F1 of each class, and the accuracy, with 95% intervals.

        precision = TP / (TP + FP)     recall = TP / (TP + FN)     F1 = 2 TP / (2 TP + FP + FN)

    Labels and predictions are those of ``confusion_matrix``. The intervals of fractions are
    Wilson's; F1 is 2 J / (1 + J) of the fraction J = TP / (TP + FP + FN), and its bounds follow
    from J's. The means are those of scikit-learn.

    Raises ``DataError`` for other labels or predictions, or where a name is missing.

    >>> y_true, y_pred = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    >>> report = classification_report(y_true, y_pred, ["cat", "dog"])
    >>> report.precision.tolist(), report.accuracy
    ([1.0, 0.5], 0.75)
    >>> print(report)
                   precision          recall             f1                 support
    cat            1.000 0.342-1.000  0.667 0.208-0.939  0.800 0.344-0.968        3
    dog            0.500 0.095-0.905  1.000 0.207-1.000  0.667 0.173-0.950        1
    macro mean     0.750              0.833              0.733                    4
    weighted mean  0.875              0.750              0.767                    4
    accuracy       0.750 0.301-0.954
    """
    confusion = confusion_matrix(y_true, y_pred, len(class_names) or None)
    right, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    either = support + predicted - right
    occurs, total = either > 0, int(support.sum())
    precision, recall = ratio(right, predicted), ratio(right, support)
    f1 = ratio(2 * right, support + predicted)
    jaccard = _intervals(right, either)
    scores = (precision, recall, f1)
    return ClassificationReport(
        class_names=tuple(class_names) or tuple(map(str, range(len(confusion)))),
        confusion=confusion,
        precision=precision,
        precision_interval=_intervals(right, predicted),
        recall=recall,
        recall_interval=_intervals(right, support),
        f1=f1,
        f1_interval=2 * jaccard / (1 + jaccard),
        support=support,
        accuracy=int(right.sum()) / total,
        accuracy_interval=wilson_interval(int(right.sum()), total),
        macro=Means(*(float(score[occurs].mean()) for score in scores)),
        weighted=Means(*(float(np.sum(score * support) / total) for score in scores)),
    )


def wilson_interval(right: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The 95% interval of a fraction of ``right`` out of ``total``.

        (p + z^2 / 2n  -+  z * sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Wilson (1927): honest near 0 and 1 and for few trials, where the usual
    p -+ 1.96 sqrt(p (1 - p) / n) is not.

    >>> [round(bound, 3) for bound in wilson_interval(114, 120)]
    [0.895, 0.977]
    """
    if not 0 <= right <= total or total == 0:
        raise ConfigError(
            f"wilson_interval: expected 0 <= right <= total and total above 0, "
            f"got {right} of {total}."
        )
    p = right / total
    centre = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + (z / (2 * total)) ** 2)
    scale = 1 + z * z / total
    # At 0 and 1 the interval ends there exactly, which rounding may miss.
    low = (centre - spread) / scale if right else 0.0
    high = (centre + spread) / scale if right < total else 1.0
    return low, high


def _classes(given: Array, what: str) -> tuple[Array, int]:
    """Class numbers, and the least number of classes."""
    who = "confusion_matrix"
    values = as_array(who, given, what)
    if values.ndim not in (1, 2) or values.dtype.kind not in "buif":
        raise DataError(
            f"{who}: expected {what} of shape (N,) or (N, classes), got {values.dtype} "
            f"{values.shape}."
        )
    if values.ndim == 2 and values.shape[1] > 1:
        if what == "y_true" and ((values < 0) | (values > 1)).any():
            raise DataError(
                f"{who}: expected y_true of {values.shape[1]} columns as one-hot rows, got "
                f"numbers from {values.min()} to {values.max()}."
            )
        return values.argmax(axis=1), values.shape[1]
    values = values.ravel()
    if what == "y_pred" and values.dtype.kind == "f":
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            raise DataError(
                f"{who}: expected y_pred as whole numbers, or as probabilities from 0 to 1, got "
                f"{values[wrong][0]}."
            )
        return (values > 0.5).astype(np.intp), 2
    wrong = (values < 0) | (values != np.floor(values))
    if wrong.any():
        raise DataError(f"{who}: expected {what} as class numbers from 0, got {values[wrong][0]}.")
    return values.astype(np.intp), int(values.max(initial=0)) + 1


def _intervals(right: Array, total: Array) -> Array:
    """Wilson's bounds of each fraction; from 0 to 1 where there was nothing to count."""
    pairs = zip(right.tolist(), total.tolist(), strict=True)
    return np.array([wilson_interval(k, n) if n else (0.0, 1.0) for k, n in pairs])


def _cell(score: float, interval: Sequence[float]) -> str:
    return f"{score:.3f} {interval[0]:.3f}-{interval[1]:.3f}"
