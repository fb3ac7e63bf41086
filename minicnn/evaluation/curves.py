"""Curves of a classifier over its threshold, and whether its probabilities are honest."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.errors import DataError
from minicnn.evaluation.predicting import check_labels, class_numbers, probabilities


class Curve(NamedTuple):
    """One number over another, for every threshold at which they change."""

    x: Array
    y: Array
    thresholds: Array
    area: float
    """Below the curve; of precision over recall the average precision."""


def _ranked(who: str, y_true: Any, y_score: Any) -> tuple[Array, Array, Array]:
    """(true positives, false positives, thresholds) as the threshold falls."""
    y, score = np.asarray(y_true), np.asarray(y_score, np.float64)
    if y.shape != score.shape or y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise DataError(
            f"{who}: expected labels of 0 and 1 (N,) and as many scores, got {y.shape} and "
            f"{score.shape}."
        )
    if not np.isfinite(score).all():
        raise DataError(f"{who}: expected scores as finite numbers, got {score.min()}.")
    if len(np.unique(y)) < 2:
        raise DataError(f"{who}: expected samples of both kinds, got only {y[:1]} as labels.")
    order = np.argsort(-score, kind="stable")
    y, score = y[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(y) - 1)
    right = np.cumsum(y)[ends].astype(np.float64)
    return right, ends + 1 - right, score[ends]


def roc_curve(y_true: Any, y_score: Any) -> Curve:
    """True positive rate over false positive rate, as the threshold falls.

        x = FP / (FP + TN)     y = TP / (TP + FN)

    ``y_true`` (N,) is 1 for samples of the class and 0 for others, ``y_score`` (N,) is high where
    the class is likely. The area is the chance that a sample of the class has a higher score than
    another (Hanley and McNeil 1982). Raises ``DataError`` where one kind is missing.

    >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.x.tolist(), curve.y.tolist(), curve.area
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0], 0.75)
    """
    right, wrong, thresholds = _ranked("roc_curve", y_true, y_score)
    x, y = np.append(0, wrong / wrong[-1]), np.append(0, right / right[-1])
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    return Curve(x, y, np.append(np.inf, thresholds), area)


def precision_recall_curve(y_true: Any, y_score: Any) -> Curve:
    """Precision over recall, as the threshold falls.

        x = TP / (TP + FN)     y = TP / (TP + FP)     area = sum of y_i (x_i - x_(i - 1))

    The area is the average precision. Labels and scores are as in ``roc_curve``.

    >>> curve = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.x.tolist(), round(curve.area, 4)
    ([0.0, 0.5, 0.5, 1.0, 1.0], 0.8333)
    """
    right, wrong, thresholds = _ranked("precision_recall_curve", y_true, y_score)
    x, y = np.append(0, right / right[-1]), np.append(1, right / (right + wrong))
    return Curve(x, y, np.append(np.inf, thresholds), float(np.sum(np.diff(x) * y[1:])))


class CalibrationCurve(NamedTuple):
    """How sure a classifier was, and how often it was right, in bins of its sureness."""

    sure: Array
    """The mean probability of what it said, for each bin that has samples."""
    right: Array
    """The fraction of these that was right."""
    counts: Array
    error: float
    """The expected calibration error: the mean of |sure - right| over the samples."""


def calibration_curve(y_true: Any, y_score: Any, bins: int = 15) -> CalibrationCurve:
    """Whether what is said with 80% is right in 80% of cases.

        error = sum over the bins of n_bin / N * |right - sure|

    ``y_true`` are labels, ``y_score`` (N, classes) probabilities, of which the largest is how sure
    the classifier was (Guo et al. 2017). Raises ``DataError`` for other shapes.

    >>> curve = calibration_curve([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]], bins=10)
    >>> curve.counts.tolist(), round(curve.error, 3)
    ([1, 2], 0.333)
    """
    whole_number("calibration_curve", "bins", bins, 1)
    y, scores = class_numbers("calibration_curve", y_true), probabilities(y_score, None)
    check_labels("calibration_curve", y, scores)
    sure, right = scores.max(axis=1), scores.argmax(axis=1) == y
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    kept = counts > 0
    means, fractions = (
        np.bincount(place, values, minlength=bins)[kept] / counts[kept]
        for values in (sure.astype(np.float64), right.astype(np.float64))
    )
    counts = counts[kept]
    error = float(np.sum(counts * abs(means - fractions)) / len(y))
    return CalibrationCurve(means, fractions, counts, error)
