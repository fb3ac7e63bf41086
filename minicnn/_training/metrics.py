"""The means of an epoch or an evaluation: the loss, and the model's metrics.

They are running means over the batches, weighted by their sizes, as in Keras. The loss is that
of the data, plus the penalties of the layers' regularizers.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn import metrics as metric_table
from minicnn._core.console import Logs
from minicnn._core.shapes import Array, Shape
from minicnn._training.model import Model
from minicnn.errors import ConfigError
from minicnn.layers.building import walk
from minicnn.metrics import Metric


class RunningMetrics:
    """The loss, and copies of the model's metrics, for labels like ``y``.

    No run disturbs another, nor the metric objects of the user. Raises ``DataError`` when a
    metric cannot be taken of such labels.
    """

    def __init__(self, model: Model, y: Array, output_shape: Shape) -> None:
        self.metrics = [
            metric_table.for_shapes("Sequential", _fresh(metric, model), y.ndim, output_shape)
            for metric in model.metrics
        ]
        self._sample = y[:1], np.zeros((1, *output_shape), model.dtype)
        for metric in self.metrics:
            # A metric that does not fit these labels should say so before the first step.
            metric.update_state(*self._sample)
        self.reset()

    def reset(self) -> None:
        """Forget all batches, for the next epoch."""
        for metric in self.metrics:
            metric.reset_state()
        self.total = 0.0
        self.seen = 0

    def update(self, loss: float, y_true: Array, y_pred: Array) -> None:
        """Take in one batch."""
        self.total += loss * len(y_true)
        self.seen += len(y_true)
        for metric in self.metrics:
            metric.update_state(y_true, y_pred)

    def logs(self) -> Logs:
        """All means so far, by name."""
        loss = self.total / self.seen if self.seen else float("nan")
        return {"loss": loss} | {metric.name: metric.result() for metric in self.metrics}

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint in mid-epoch keeps."""
        counted = [metric.get_state() for metric in self.metrics]
        return {"total": self.total, "seen": self.seen, "metrics": counted}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave, for the same metrics."""
        self.total, self.seen = float(state["total"]), int(state["seen"])
        for metric, counted in zip(self.metrics, state["metrics"], strict=True):
            # What does not fit these labels should say so before the next step, too.
            metric.set_state(copy.deepcopy(counted))
            metric.update_state(*self._sample)
            metric.set_state(counted)
        self.logs()


def _fresh(metric: Metric | str, model: Model) -> Metric | str:
    """A copy of the metric; what belongs to the model it shares with the metric.

    Raises ``ConfigError`` for a metric that cannot be copied.
    """
    if isinstance(metric, str):
        return metric
    of_model = (model, *walk(model.stack), model.optimizer, model.loss, model.rng, model.history)
    shared: dict[int, Any] = {id(each): each for each in of_model}
    try:
        copied = copy.deepcopy(metric, shared)
    except Exception as error:
        raise ConfigError(
            f"Sequential: expected metrics of which each run gets a copy, got a "
            f"{type(metric).__name__} that copy.deepcopy refuses ({error}). Define its "
            "__deepcopy__(memo)."
        ) from error
    copied.reset_state()
    return copied
