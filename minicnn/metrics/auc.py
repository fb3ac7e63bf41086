"""The area under a curve that is drawn by moving the threshold."""

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.activations import sigmoid
from minicnn.errors import ConfigError
from minicnn.metrics.base import Metric, expect_bits, predictions
from minicnn.metrics.positives import Counts, ratio

CURVES = ("ROC", "PR")
METHODS = ("interpolation", "minoring", "majoring")
MOST_THRESHOLDS = 100_000
"""A limit, because each takes memory, also in a model that was read from a file."""

BEYOND = 1e-7
"""The distance of the first and last threshold from 0 and 1, outside, as in Keras."""


class AUC(Metric):
    """The area under the ROC or the precision-recall curve, drawn at ``num_thresholds`` points.

    For labels of 0 and 1 in the shape of the predictions, each counted by itself, and predictions
    from 0 to 1, or logits with ``from_logits``. ``curve`` "ROC" is the true positive rate over the
    false positive rate; "PR" is precision over recall.

    Between two thresholds ``summation_method`` "interpolation" takes the mean of the two
    heights for ROC, and lets the counts rather than their ratio run straight for PR (Davis
    and Goadrich, 2006):

        slope (dTP + intercept log(P_a / P_b)) / positives,   P = TP + FP,
        slope = dTP / dP,   intercept = TP_b - slope P_b;

    "minoring" takes the lower height and "majoring" the higher, which bound the area.

    >>> metric = AUC(num_thresholds=3)
    >>> metric.update_state(np.array([0, 0, 1, 1]), np.array([0.0, 0.5, 0.3, 0.9]))
    >>> metric.result()
    0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str = "auc",
        from_logits: bool = False,
    ) -> None:
        whole_number(type(self).__name__, "num_thresholds", num_thresholds, 2, MOST_THRESHOLDS)
        if not isinstance(curve, str) or curve.upper() not in CURVES:
            raise ConfigError(f"AUC: expected curve as 'ROC' or 'PR', got {curve!r}.")
        if summation_method not in METHODS:
            raise ConfigError(
                f"AUC: expected summation_method as one of {', '.join(METHODS)}, "
                f"got {summation_method!r}."
            )
        self.num_thresholds = num_thresholds
        self.curve = curve
        self.summation_method = summation_method
        self.from_logits = from_logits
        self._cuts = np.linspace(0, 1, num_thresholds)
        self._cuts[0], self._cuts[-1] = -BEYOND, 1 + BEYOND
        super().__init__(name)

    def reset_state(self) -> None:
        """Reset to no batches."""
        self.true_positives = np.zeros(self.num_thresholds)
        self.false_positives = np.zeros(self.num_thresholds)
        self.positives: float = 0
        self.negatives: float = 0

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add one batch."""
        y_pred = predictions(self, y_pred)
        labels = expect_bits(self, y_true, y_pred.shape)
        scores = np.clip(sigmoid(y_pred) if self.from_logits else y_pred, 0, 1)
        counts = Counts.of(self, labels, scores, self._cuts, sample_weight)
        self.true_positives += counts.true_positives
        self.false_positives += counts.false_positives
        self.positives += counts.positives
        self.negatives += counts.negatives

    def result(self) -> float:
        """The area, from 0 to 1."""
        tp, found = self.true_positives, self.true_positives + self.false_positives
        recall = ratio(tp, self.positives)
        if self.curve.upper() == "ROC":
            x, y = ratio(self.false_positives, self.negatives), recall
        elif self.summation_method == "interpolation":
            return float(ratio(_interpolated(tp, found), self.positives))
        else:
            x, y = recall, ratio(tp, found)
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }[self.summation_method]
        return float(np.sum((x[:-1] - x[1:]) * heights))


def _interpolated(tp: Array, found: Array) -> Array:
    """The area under precision over TP, where both counts run straight between thresholds."""
    slope = ratio(tp[:-1] - tp[1:], found[:-1] - found[1:])
    intercept = tp[1:] - slope * found[1:]
    # Where nothing is found at the higher threshold, precision stays what it is at the lower.
    quotient = np.where(found[1:] > 0, ratio(found[:-1], found[1:]), 1)
    return np.asarray(np.sum(slope * (tp[:-1] - tp[1:] + intercept * np.log(quotient))))
