"""Means and sums of whatever a loop gives them, and of what a function makes of a batch."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.arrays import as_array
from minicnn.errors import ConfigError, shown
from minicnn.metrics.base import Metric


class Sum(Metric):
    """The sum of all values, times their weights if there are any.

    >>> metric = Sum()
    >>> metric.update_state([1.0, 3.0], sample_weight=[0.5, 1.0])
    >>> metric.result()
    3.5
    """

    def __init__(self, name: str = "sum") -> None:
        super().__init__(name)

    def reset_state(self) -> None:
        """Reset to no values."""
        self.total = 0.0

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Add values of any shape; ``sample_weight`` has as many axes or fewer."""
        self.total += _of_samples(self, values, sample_weight, np.sum)[0]

    def result(self) -> float:
        """The sum so far."""
        return self.total


class Mean(Metric):
    """The mean of all values, by their weights if there are any: sum(w v) / sum(w).

    Of values with several axes the mean of each sample counts once. A mean of nothing is 0, as in
    Keras.

    >>> metric = Mean()
    >>> metric.update_state([1.0, 3.0], sample_weight=[3.0, 1.0])
    >>> metric.result()
    1.5
    """

    def __init__(self, name: str = "mean") -> None:
        super().__init__(name)

    def reset_state(self) -> None:
        """Reset to no values."""
        self.total = 0.0
        self.count = 0.0

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Add values of any shape; ``sample_weight`` has as many axes or fewer."""
        total, count = _of_samples(self, values, sample_weight, np.mean)
        self.total += total
        self.count += count

    def result(self) -> float:
        """The mean so far."""
        return self.total / self.count if self.count else 0.0


class _FunctionMean(Mean):
    """The mean of what a function of y_true and y_pred gives, which Keras calls MeanMetricWrapper.

    >>> metric = _FunctionMean(lambda y_true, y_pred: np.abs(y_true - y_pred))
    >>> metric.update_state(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.result()
    1.0
    """

    def __init__(self, fn: Callable[[Array, Array], Any], name: str | None = None) -> None:
        super().__init__(name or str(getattr(fn, "__name__", type(fn).__name__)))
        self.fn = fn

    def update_state(  # type: ignore[override]
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add what the function makes of a batch: a number, or one for each sample."""
        values = self.fn(y_true, y_pred)
        try:
            super().update_state(values, sample_weight)
        except (TypeError, ValueError):
            raise ConfigError(
                f"metrics: expected of {self.name} a number, or one for each sample, got "
                f"{shown(values)}."
            ) from None

    def result(self) -> float:
        """The mean so far."""
        return self.total / self.count if self.count else math.nan

    def __repr__(self) -> str:
        """What it is the mean of."""
        return f"the mean of {self.name}(y_true, y_pred)"

    def description(self) -> dict[str, Any]:
        """As Keras' files have a function: its name."""
        return {
            "module": "builtins",
            "class_name": "function",
            "config": self.name,
            "registered_name": "function",
        }


def _of_samples(
    metric: Metric, values: Any, weights: Any, reduce: Callable[..., Any]
) -> tuple[float, float]:
    """The sum of the samples' values, each reduced to a number, and that of their weights."""
    values = np.asarray(as_array(type(metric).__name__, values, "values"), np.float64)
    if weights is None:
        samples = reduce(values, axis=tuple(range(1, values.ndim)))
        return float(np.sum(samples)), float(len(values) if values.ndim else 1)
    weights = np.asarray(as_array(type(metric).__name__, weights, "sample_weight"), np.float64)
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
    weights = np.broadcast_to(weights, values.shape)
    others = tuple(range(1, values.ndim))
    return (
        float(np.sum(reduce(values * weights, axis=others))),
        float(np.sum(reduce(weights, axis=others))),
    )
