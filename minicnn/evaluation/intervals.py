"""Intervals: of a mean by Student's t, and of anything by the bootstrap."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError

T = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
"""The 97.5% points of Student's t for 1, 2, ... degrees of freedom (Student 1908)."""

Z = 1.959963984540054
"""That of the normal distribution."""


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of the mean of what a few numbers were drawn from.

        mean -+ t(n - 1) s / sqrt(n)

    It is of numbers that scatter like a normal distribution, as accuracies over seeds roughly do.
    Raises ``DataError`` for fewer than two.

    >>> [round(bound, 4) for bound in mean_interval([0.90, 0.92, 0.94])]
    [0.8703, 0.9697]
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or len(numbers) < 2:
        raise DataError(f"mean_interval: expected two numbers or more, got {numbers.shape}.")
    spread = _t(len(numbers) - 1) * float(numbers.std(ddof=1)) / math.sqrt(len(numbers))
    return float(numbers.mean()) - spread, float(numbers.mean()) + spread


def _t(freedom: int) -> float:
    """Student's t; beyond the table by the expansion of Cornish and Fisher, to 1e-4."""
    if freedom <= len(T):
        return T[freedom - 1]
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    return Z + first / freedom + second / freedom**2


def bootstrap_interval(
    values: Any,
    statistic: Callable[[Array], float] = np.mean,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95% interval of a statistic of the rows of ``values``, by drawing rows again.

    So many samples of as many rows are drawn with replacement, and the statistic is taken of each:
    the bounds are the 2.5% and 97.5% points of these (Efron 1979). Rows that belong together, as
    those of two models on one picture, are drawn together. Raises ``DataError`` for no rows.

    >>> low, high = bootstrap_interval([0, 1, 1, 1, 0, 1, 1, 1, 1, 1])
    >>> low < 0.8 < high
    True
    """
    rows = np.asarray(values)
    if not rows.ndim or not len(rows):
        raise DataError(f"bootstrap_interval: expected one row or more, got {rows.shape}.")
    whole_number("bootstrap_interval", "draws", draws, 1)
    if not callable(statistic):
        raise ConfigError(f"bootstrap_interval: expected a function, got {statistic!r:.60}.")
    rng = np.random.default_rng(seed)
    found = [float(statistic(rows[rng.integers(0, len(rows), len(rows))])) for _ in range(draws)]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
