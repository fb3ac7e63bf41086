"""What is found and missed at thresholds: counts, and the best of one rate for another's sake."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn.data.arrays import as_array
from minicnn.errors import DataError
from minicnn.metrics.base import Metric, expect_bits, predictions
from minicnn.metrics.positives import ratio

BELOW = -1e-7
"""A threshold that every prediction is above."""


def weights_of(metric: Metric, sample_weight: Array | None, values: Array) -> Array:
    """A weight for each of the values: 1, that of their sample, or their own."""
    if sample_weight is None:
        return np.ones(values.shape)
    weights = as_array(type(metric).__name__, sample_weight, "sample_weight")
    if weights.shape == values.shape[:1]:
        weights = weights.reshape(-1, *(1,) * (values.ndim - 1))
    if weights.dtype.kind not in "biuf" or weights.ndim != values.ndim:
        raise DataError(
            f"{type(metric).__name__}: expected sample_weight as {len(values)} numbers, one for "
            f"each sample, or of shape {values.shape}, got {weights.dtype} {weights.shape}."
        )
    return np.broadcast_to(weights.astype(np.float64), values.shape)


def _above(scores: Array, weights: Array, cuts: Array) -> Array:
    """The weights of the scores strictly above each cut, in their precision; NaN is above none."""
    order = np.argsort(cuts)
    rank = np.searchsorted(cuts[order].astype(scores.dtype), scores, "left")
    rank[np.isnan(scores)] = 0
    counts = np.bincount(rank, weights, len(cuts) + 1)
    found = np.empty(len(cuts))
    found[order] = np.cumsum(counts[::-1])[::-1][1:]
    return found


class _Confusion(Metric):
    """The weights of what is true and what is false above each threshold, and in all."""

    class_id: int | None = None

    def __init__(self, cuts: Sequence[float], name: str) -> None:
        self._cuts = np.array(cuts)
        super().__init__(name)

    def reset_state(self) -> None:
        self.true_positives = np.zeros(len(self._cuts))
        self.false_positives = np.zeros(len(self._cuts))
        self.positives = self.negatives = 0.0

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add one batch."""
        y_pred = predictions(self, y_pred)
        labels = expect_bits(self, y_true, y_pred.shape)
        weights = weights_of(self, sample_weight, y_pred)
        if self.class_id is not None:
            if self.class_id >= y_pred.shape[-1]:
                raise DataError(
                    f"{type(self).__name__}: expected predictions of more than {self.class_id} "
                    f"classes, as class_id says, got {y_pred.shape}."
                )
            labels, y_pred, weights = (
                part[..., self.class_id] for part in (labels, y_pred, weights)
            )
        self.true_positives += _above(y_pred[labels], weights[labels], self._cuts)
        self.false_positives += _above(y_pred[~labels], weights[~labels], self._cuts)
        self.positives += float(weights[labels].sum())
        self.negatives += float(weights[~labels].sum())


class _Count(_Confusion):
    def __init__(self, thresholds: float | Sequence[float] | None, name: str) -> None:
        who = type(self).__name__
        cuts = thresholds if isinstance(thresholds, Sequence) else [thresholds]
        cuts = [0.5 if cut is None else cut for cut in cuts] or [0.5]
        for cut in cuts:
            number(who, "thresholds", cut, least=0, most=1)
        self.thresholds = thresholds
        super().__init__(cuts, name)

    def counts(self) -> Array:
        raise TypeError(f"{type(self).__name__} defines no counts().")

    def result(self) -> float | Array:
        """A number, or one for each threshold."""
        counts = self.counts()
        return float(counts[0]) if len(counts) == 1 else counts.copy()


class TruePositives(_Count):
    """How many labels of 1 have a prediction above ``thresholds`` (None: 0.5).

    >>> metric = TruePositives()
    >>> metric.update_state(np.array([0, 1, 1]), np.array([[0.9], [0.8], [0.2]]))
    >>> metric.result()
    1.0
    """

    def __init__(
        self, thresholds: float | Sequence[float] | None = None, name: str = "true_positives"
    ) -> None:
        super().__init__(thresholds, name)

    def counts(self) -> Array:
        """TP."""
        return self.true_positives


class FalsePositives(_Count):
    """How many labels of 0 have a prediction above ``thresholds`` (None: 0.5).

    >>> metric = FalsePositives()
    >>> metric.update_state(np.array([0, 1, 1]), np.array([[0.9], [0.8], [0.2]]))
    >>> metric.result()
    1.0
    """

    def __init__(
        self, thresholds: float | Sequence[float] | None = None, name: str = "false_positives"
    ) -> None:
        super().__init__(thresholds, name)

    def counts(self) -> Array:
        """FP."""
        return self.false_positives


class TrueNegatives(_Count):
    """How many labels of 0 have no prediction above ``thresholds`` (None: 0.5).

    >>> metric = TrueNegatives()
    >>> metric.update_state(np.array([0, 1, 1]), np.array([[0.9], [0.8], [0.2]]))
    >>> metric.result()
    0.0
    """

    def __init__(
        self, thresholds: float | Sequence[float] | None = None, name: str = "true_negatives"
    ) -> None:
        super().__init__(thresholds, name)

    def counts(self) -> Array:
        """TN."""
        return self.negatives - self.false_positives


class FalseNegatives(_Count):
    """How many labels of 1 have no prediction above ``thresholds`` (None: 0.5).

    >>> metric = FalseNegatives()
    >>> metric.update_state(np.array([0, 1, 1]), np.array([[0.9], [0.8], [0.2]]))
    >>> metric.result()
    1.0
    """

    def __init__(
        self, thresholds: float | Sequence[float] | None = None, name: str = "false_negatives"
    ) -> None:
        super().__init__(thresholds, name)

    def counts(self) -> Array:
        """FN."""
        return self.positives - self.true_positives


class _Best(_Confusion):
    """The largest rate of one kind at a threshold where that of another is large enough."""

    rates: ClassVar[tuple[str, str]]
    """What is wanted, and what must be at least the number that the constructor was given."""

    def __init__(
        self, least: float, argument: str, num_thresholds: int, class_id: int | None, name: str
    ) -> None:
        who = type(self).__name__
        number(who, argument, least, least=0, most=1)
        whole_number(who, "num_thresholds", num_thresholds, least=1, most=100_000)
        if class_id is not None:
            whole_number(who, "class_id", class_id, least=0)
        setattr(self, argument, least)
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self._least = float(least)
        cuts = np.linspace(0, 1, num_thresholds) if num_thresholds > 1 else np.array([0.5])
        cuts[cuts == 0] = BELOW
        super().__init__(list(cuts), name)

    def result(self) -> float:
        """The largest, or 0."""
        tp, fp = self.true_positives, self.false_positives
        found = {
            "recall": ratio(tp, self.positives),
            "specificity": ratio(self.negatives - fp, self.negatives),
            "precision": ratio(tp, tp + fp),
        }
        wanted, held = (found[rate] for rate in self.rates)
        return float(np.max(wanted, where=held >= self._least, initial=0.0))


class SensitivityAtSpecificity(_Best):
    """The largest TP / (TP + FN) at a threshold where TN / (TN + FP) is ``specificity`` or more.

    ``num_thresholds`` lie evenly from 0 to 1; with ``class_id`` only that column counts.

    >>> metric = SensitivityAtSpecificity(0.5)
    >>> y, p = np.array([0, 0, 0, 1, 1]), np.array([[0], [0.3], [0.8], [0.3], [0.8]])
    >>> metric.update_state(y, p)
    >>> metric.result()
    0.5
    """

    rates = ("recall", "specificity")

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "sensitivity_at_specificity",
    ) -> None:
        super().__init__(specificity, "specificity", num_thresholds, class_id, name)


class SpecificityAtSensitivity(_Best):
    """The largest TN / (TN + FP) at a threshold where TP / (TP + FN) is ``sensitivity`` or more.

    >>> metric = SpecificityAtSensitivity(0.5)
    >>> y, p = np.array([0, 0, 0, 1, 1]), np.array([[0], [0.3], [0.8], [0.3], [0.8]])
    >>> metric.update_state(y, p)
    >>> round(metric.result(), 3)
    0.667
    """

    rates = ("specificity", "recall")

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "specificity_at_sensitivity",
    ) -> None:
        super().__init__(sensitivity, "sensitivity", num_thresholds, class_id, name)


class PrecisionAtRecall(_Best):
    """The largest TP / (TP + FP) at a threshold where TP / (TP + FN) is ``recall`` or more.

    >>> metric = PrecisionAtRecall(0.5)
    >>> y, p = np.array([0, 0, 0, 1, 1]), np.array([[0], [0.3], [0.8], [0.3], [0.8]])
    >>> metric.update_state(y, p)
    >>> metric.result()
    0.5
    """

    rates = ("precision", "recall")

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "precision_at_recall",
    ) -> None:
        super().__init__(recall, "recall", num_thresholds, class_id, name)


class RecallAtPrecision(_Best):
    """The largest TP / (TP + FN) at a threshold where TP / (TP + FP) is ``precision`` or more.

    >>> metric = RecallAtPrecision(0.5)
    >>> y, p = np.array([0, 0, 0, 1, 1]), np.array([[0], [0.3], [0.8], [0.3], [0.8]])
    >>> metric.update_state(y, p)
    >>> metric.result()
    1.0
    """

    rates = ("recall", "precision")

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "recall_at_precision",
    ) -> None:
        super().__init__(precision, "precision", num_thresholds, class_id, name)
