"""Whether one model is better than another, or was lucky."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.console import html_table
from minicnn._core.shapes import Array
from minicnn.evaluation.predicting import check_labels, pairs, probabilities
from minicnn.metrics import wilson_interval

DRAWS = 10_000
"""Samples of the bootstrap."""


@dataclass(frozen=True)
class Comparison:
    """The result of ``compare``; printed, it is a few lines."""

    names: tuple[str, str]
    accuracies: tuple[float, float]
    intervals: tuple[tuple[float, float], tuple[float, float]]
    """95%, Wilson's."""
    difference: float
    """The second accuracy less the first."""
    difference_interval: tuple[float, float]
    """95%, by the paired bootstrap."""
    only: tuple[int, int]
    """How many samples the first alone has right, and the second alone."""
    both: int
    neither: int
    p_value: float
    """McNemar's exact test, of two sides."""

    @property
    def significant(self) -> bool:
        """Whether such a difference comes by chance in fewer than one of 20 cases."""
        return self.p_value < 0.05

    def __str__(self) -> str:
        """The accuracies, the samples that only one has right, and what follows."""
        (low, high), p = self.difference_interval, self.p_value
        width = max(map(len, self.names))
        lines = [
            f"{name:{width}}  {right:.3f}  (95% interval {a:.3f} to {b:.3f})"
            for name, right, (a, b) in zip(self.names, self.accuracies, self.intervals, strict=True)
        ]
        lines += [
            f"difference {self.difference:+.3f}, 95% interval {low:+.3f} to {high:+.3f}",
            f"right by {self.names[0]} alone: {self.only[0]}, by {self.names[1]} alone: "
            f"{self.only[1]}, by both: {self.both}, by neither: {self.neither}",
            f"McNemar's exact test: p = {p:.3g}. " + self._verdict(),
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _verdict(self) -> str:
        if not self.significant:
            return "These data do not tell which is better."
        return f"{self.names[self.difference > 0]} is better, on data like these."

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        rows = [["", "accuracy", "95% interval", "right alone"]]
        columns = zip(self.names, self.accuracies, self.intervals, self.only, strict=True)
        for name, right, (a, b), only in columns:
            rows.append([name, f"{right:.3f}", f"{a:.3f} to {b:.3f}", str(only)])
        low, high = self.difference_interval
        rows.append(["difference", f"{self.difference:+.3f}", f"{low:+.3f} to {high:+.3f}", ""])
        return html_table(rows, f"McNemar's exact test: p = {self.p_value:.3g}. {self._verdict()}")


def compare(
    a: Any, b: Any, x: Any, y: Any = None, *, names: Sequence[str] = ("a", "b"), seed: int = 0
) -> Comparison:
    """Compare two classifiers on the same samples, which neither has learned from.

    ``a`` and ``b`` are models, or what they predicted, (N, classes) probabilities. ``x`` and ``y``
    are as in ``evaluate``, or a data set alone. What counts are the samples that only one of the
    two has right: were they equally good, each would be either's with a chance of 1/2 (McNemar
    1947). Raises ``DataError`` for labels that do not fit.

    >>> y = np.array([0] * 12)
    >>> a = np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 9)
    >>> b = np.array([[0.9, 0.1]] * 12)
    >>> print(compare(a, b, None, y))
    a  0.250  (95% interval 0.089 to 0.532)
    b  1.000  (95% interval 0.758 to 1.000)
    difference +0.750, 95% interval +0.500 to +1.000
    right by a alone: 0, by b alone: 9, by both: 3, by neither: 0
    McNemar's exact test: p = 0.00391. b is better, on data like these.
    """
    x, y = pairs("compare", x, y)
    right = []
    for one in (a, b):
        scores = probabilities(one, x)
        check_labels("compare", y, scores)
        right.append(scores.argmax(axis=1) == y)
    return _compared(right[0], right[1], (str(names[0]), str(names[1])), seed)


def _compared(a: Array, b: Array, names: tuple[str, str], seed: int) -> Comparison:
    n, only_a, only_b = len(a), int((a & ~b).sum()), int((b & ~a).sum())
    # Drawing samples again is drawing how many fall to either alone.
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, [only_a / n, only_b / n, 1 - (only_a + only_b) / n], DRAWS)
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / n, (0.025, 0.975))
    counts = int(a.sum()), int(b.sum())
    return Comparison(
        names=names,
        accuracies=(counts[0] / n, counts[1] / n),
        intervals=(wilson_interval(counts[0], n), wilson_interval(counts[1], n)),
        difference=(counts[1] - counts[0]) / n,
        difference_interval=(float(low), float(high)),
        only=(only_a, only_b),
        both=int((a & b).sum()),
        neither=int((~a & ~b).sum()),
        p_value=mcnemar(only_a, only_b),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """The p-value of McNemar's exact test of two sides.

        min(1, 2 sum over i <= min(a, b) of C(a + b, i) / 2^(a + b))

    ``only_a`` samples are right by the first alone, ``only_b`` by the second alone.

    >>> mcnemar(1, 6)
    0.125
    """
    for name, value in (("only_a", only_a), ("only_b", only_b)):
        whole_number("mcnemar", name, value, 0)
    n, chance, total = only_a + only_b, 1, 0
    for i in range(min(only_a, only_b) + 1):
        total += chance
        chance = chance * (n - i) // (i + 1)
    return min(1.0, float(Fraction(2 * total, 2**n)))
