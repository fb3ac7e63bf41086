"""Precision, recall and F1."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError
from minicnn.metrics.base import Metric, expect_bits, predictions, weights_like


class _AtThresholds(Metric):
    def __init__(
        self,
        thresholds: float | Sequence[float] | None,
        top_k: int | None,
        class_id: int | None,
        name: str,
    ) -> None:
        if thresholds is None:
            cuts = [0.5 if top_k is None else -np.inf]
        else:
            cuts = list(thresholds) if isinstance(thresholds, Sequence) else [thresholds]
            if not cuts:
                raise ConfigError(f"{type(self).__name__}: expected at least one of thresholds.")
            for cut in cuts:
                number(type(self).__name__, "thresholds", cut, least=0, most=1)
        if top_k is not None:
            whole_number(type(self).__name__, "top_k", top_k, least=1)
        if class_id is not None:
            whole_number(type(self).__name__, "class_id", class_id, least=0)
        self.thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self._cuts = np.array(cuts)
        super().__init__(name)

    def reset_state(self) -> None:
        self.true_positives = np.zeros(len(self._cuts))
        self.false_positives = np.zeros(len(self._cuts))
        self.positives: float = 0

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        y_pred = predictions(self, y_pred)
        labels = expect_bits(self, y_true, y_pred.shape)
        if self.top_k is not None:
            best = np.argsort(-y_pred, axis=-1, kind="stable")[..., : self.top_k]
            among = np.zeros(y_pred.shape, bool)
            np.put_along_axis(among, best, True, axis=-1)
            y_pred = np.where(among, y_pred, -np.inf)
        if self.class_id is not None:
            if self.class_id >= y_pred.shape[-1]:
                raise DataError(
                    f"{type(self).__name__}: expected predictions of more than {self.class_id} "
                    f"classes, as class_id says, got {y_pred.shape}."
                )
            labels, y_pred = labels[..., self.class_id], y_pred[..., self.class_id]
        counts = Counts.of(self, labels, y_pred, self._cuts, sample_weight)
        self.true_positives += counts.true_positives
        self.false_positives += counts.false_positives
        self.positives += counts.positives

    def _shown(self, values: Array) -> float | Array:
        return float(values[0]) if len(values) == 1 else values


class Precision(_AtThresholds):
    """The fraction of predicted positives that are right: TP / (TP + FP), 0 if there are none.

    For labels of 0 and 1 in the shape of the predictions, each counted by itself. Positive are
    predictions strictly above ``thresholds``, a number from 0 to 1 (None: 0.5) or several; then
    ``result()`` is an array. With ``top_k`` only the k largest predictions of a row can be
    positive, and without thresholds all those are; with ``class_id`` only that column counts.

    >>> metric = Precision()
    >>> metric.update_state(np.array([0, 1, 1, 1]), np.array([[0.9], [0.2], [0.8], [0.7]]))
    >>> round(metric.result(), 3)
    0.667
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str = "precision",
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def result(self) -> float | Array:
        """A number, or one for each threshold."""
        return self._shown(ratio(self.true_positives, self.true_positives + self.false_positives))


class Recall(_AtThresholds):
    """The fraction of the positives that are found: TP / (TP + FN), 0 if there are none.

    For labels of 0 and 1 in the shape of the predictions, each counted by itself. ``thresholds``,
    ``top_k`` and ``class_id`` say what counts as positive, as in ``Precision``.

    >>> metric = Recall()
    >>> metric.update_state(np.array([0, 1, 1, 1]), np.array([[0.9], [0.2], [0.8], [0.4]]))
    >>> round(metric.result(), 3)
    0.333
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str = "recall",
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def result(self) -> float | Array:
        """A number, or one for each threshold."""
        return self._shown(ratio(self.true_positives, self.positives))


class FBetaScore(Metric):
    """(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP) with b = ``beta``, and 0 for 0 / 0.

    For labels of 0 and 1 in the shape of the predictions (N, ..., classes). Positive are
    predictions strictly above ``threshold``; without one it is the largest of each row, or the
    largest ones where several are equal and not 0.

    ``average``: None gives an array of one number for each class, "macro" their mean, "weighted"
    their mean weighted by how often each class is true, "micro" the score of all counts together.
    A ``beta`` above 1 counts what is missed more than what is found wrongly.

    >>> metric = FBetaScore(beta=2.0, threshold=0.5)
    >>> y = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0]])
    >>> metric.update_state(y, np.array([[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]))
    >>> metric.result().round(3).tolist()
    [0.385, 0.909, 0.833]
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
    ) -> None:
        super().__init__(name)
        who = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ConfigError(
                f"{who}: expected average as None, 'micro', 'macro' or 'weighted', got {average!r}."
            )
        number(who, "beta", beta, above=0)
        if threshold is not None:
            number(who, "threshold", threshold, above=0, most=1)
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def reset_state(self) -> None:
        """Reset to no batches."""
        self.true_positives = self.false_positives = self.false_negatives = np.zeros(())

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add one batch."""
        y_pred = predictions(self, y_pred)
        labels = expect_bits(self, y_true, y_pred.shape)
        if self.threshold is not None:
            found = y_pred > self.threshold
        elif y_pred.shape[-1] > 1:
            found = (y_pred >= y_pred.max(axis=-1, keepdims=True)) & (np.abs(y_pred) > 1e-9)
        else:
            who = type(self).__name__
            raise DataError(
                f"{who}: expected predictions of several classes, of which the largest counts, "
                f"got one. Use {who}(threshold=0.5)."
            )
        batch = tuple(range(y_pred.ndim - 1))
        once = 1 if sample_weight is None else weights_like(self, sample_weight, y_pred)
        self.true_positives = self.true_positives + np.sum((found & labels) * once, axis=batch)
        self.false_positives = self.false_positives + np.sum((found & ~labels) * once, axis=batch)
        self.false_negatives = self.false_negatives + np.sum((~found & labels) * once, axis=batch)

    def result(self) -> float | Array:
        """A number, or without ``average`` one for each class."""
        square, tp = float(self.beta) ** 2, self.true_positives
        wrong = self.false_positives + square * self.false_negatives
        right = (1 + square) * tp
        if self.average == "micro":
            return float(ratio(right.sum(), right.sum() + wrong.sum()))
        scores = ratio(right, right + wrong)
        if self.average == "macro":
            return float(scores.mean())
        if self.average == "weighted":
            support = tp + self.false_negatives
            return float(ratio(np.sum(scores * support), support.sum()))
        return scores


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN), 0 for 0 / 0.

    It is ``FBetaScore`` with ``beta=1``, which says what ``average`` and ``threshold`` are.

    >>> metric = F1Score(threshold=0.5)
    >>> y = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0]])
    >>> metric.update_state(y, np.array([[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]))
    >>> metric.result().round(3).tolist()
    [0.5, 0.8, 0.667]
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
    ) -> None:
        super().__init__(average, 1.0, threshold, name)


def ratio(part: Array | float, whole: Array | float) -> Array:
    """part / whole, and 0 where ``whole`` is."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    shape = np.broadcast_shapes(part.shape, whole.shape)
    return np.divide(part, whole, out=np.zeros(shape), where=whole != 0)


class Counts(NamedTuple):
    """How many predictions of a batch lie above each cut, and how many labels are 1 and 0."""

    true_positives: Array
    false_positives: Array
    positives: float
    negatives: float

    @classmethod
    def of(
        cls, metric: Metric, labels: Array, scores: Array, cuts: Array, sample_weight: Array | None
    ) -> "Counts":
        """Each counted once, or as often as the weight of its sample says."""
        if sample_weight is None:
            positives = int(np.count_nonzero(labels))
            found, wrong = (count_above(scores[which], cuts) for which in (labels, ~labels))
            return cls(found, wrong, positives, labels.size - positives)
        weights = weights_like(metric, sample_weight, scores)
        found, wrong = (
            count_above(scores[which], cuts, weights[which]) for which in (labels, ~labels)
        )
        return cls(found, wrong, float(weights[labels].sum()), float(weights[~labels].sum()))


def count_above(scores: Array, cuts: Array, weights: Array | None = None) -> Array:
    """How many of the scores lie strictly above each cut, in their precision; NaN above none.

    >>> count_above(np.array([0.9, 0.2, 0.7]), np.array([0.1, 0.5]), np.array([1.0, 5.0, 0.5]))
    array([6.5, 1.5])
    """
    numbers = ~np.isnan(scores)
    scores = scores[numbers]
    if weights is None:
        scores = np.sort(scores, axis=None)
        return np.asarray(len(scores) - np.searchsorted(scores, cuts.astype(scores.dtype), "right"))
    order = np.argsort(scores, axis=None)
    upto = np.concatenate([[0.0], np.cumsum(weights[numbers][order])])
    return np.asarray(
        upto[-1] - upto[np.searchsorted(scores[order], cuts.astype(scores.dtype), "right")]
    )
