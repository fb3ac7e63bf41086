"""The means of an epoch or an evaluation: the loss, and the model's metrics.

They are running means over the batches, by their sizes, as in Keras. The loss is that
of the data, plus the penalties of the layers' regularizers.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from minicnn import metrics as metric_table
from minicnn._core.console import Logs
from minicnn._core.shapes import Array, Shape
from minicnn._training.model import Model
from minicnn._training.objective import Goal
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError
from minicnn.layers.building import walk
from minicnn.metrics import Metric


class RunningMetrics:
    """The loss, those of the outputs if several have one, and copies of the model's metrics.

    The metrics are of labels like ``ys``. No run disturbs another, nor the metric objects of the
    user. Raises ``DataError`` when a metric cannot be taken of such labels.
    """

    def __init__(
        self,
        model: Model,
        goals: Sequence[Goal],
        ys: Sequence[Array],
        output_shapes: Sequence[Shape],
    ) -> None:
        with_loss = [i for i, goal in enumerate(goals) if goal.loss is not None]
        self.of_outputs = with_loss if len(with_loss) > 1 else []
        """The outputs whose losses are shown."""
        self.goals = goals

        def fresh(wanted: Sequence[Metric | str], y: Array, shape: Shape) -> list[Metric]:
            return [
                metric_table.for_shapes(model.who, _fresh(metric, model), y.ndim, shape)
                for metric in wanted
            ]

        outputs = list(zip(goals, ys, output_shapes, strict=True))
        self.by_output = [fresh(goal.metrics, y, shape) for goal, y, shape in outputs]
        self.weighted = [fresh(goal.weighted_metrics, y, shape) for goal, y, shape in outputs]
        for plain, weighted in zip(self.by_output, self.weighted, strict=True):
            _name_apart(plain, weighted)
        self.metrics = [*chain(*self.by_output), *chain(*self.weighted)]
        self._sample = [
            (y[:1], np.zeros((1, *shape), model.dtype))
            for y, shape in zip(ys, output_shapes, strict=True)
        ]
        # A metric that does not fit these labels should say so before the first step.
        self._try()
        self.reset()

    def _try(self) -> None:
        for metrics, weighted, sample in zip(
            self.by_output, self.weighted, self._sample, strict=True
        ):
            for metric in (*metrics, *weighted):
                metric.update_state(*sample)

    def reset(self) -> None:
        """Forget all batches, for the next epoch."""
        for metric in self.metrics:
            metric.reset_state()
        self.total = 0.0
        self.totals = [0.0] * len(self.of_outputs)
        self.seen = 0

    def update(
        self,
        loss: float,
        batch: Data,
        predictions: Sequence[Array],
        losses: Sequence[float] = (),
    ) -> None:
        """Take in one batch, without its images; ``losses`` are those of the outputs."""
        n = len(batch.y)
        self.total += loss * n
        for i, output in enumerate(self.of_outputs):
            self.totals[i] += losses[output] * n
        self.seen += n
        for i, (y_true, y_pred) in enumerate(zip(batch.ys, predictions, strict=True)):
            for metric in self.by_output[i]:
                metric.update_state(y_true, y_pred)
            for metric in self.weighted[i]:
                metric.update_state(y_true, y_pred, batch.weights[i])

    def logs(self) -> Logs:
        """All means so far, by name: the output's name first, if there are several."""
        seen = self.seen or float("nan")
        found: Logs = {"loss": self.total / seen}
        for total, output in zip(self.totals, self.of_outputs, strict=True):
            found[f"{self.goals[output].name}_loss"] = total / seen
        for kind in (self.by_output, self.weighted):
            for goal, metrics in zip(self.goals, kind, strict=True):
                before = f"{goal.name}_" if goal.name else ""
                found |= {f"{before}{metric.name}": metric.result() for metric in metrics}
        return found

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint in mid-epoch keeps."""
        counted = [metric.get_state() for metric in self.metrics]
        state = {"total": self.total, "seen": self.seen, "metrics": counted}
        return state | ({"totals": list(self.totals)} if self.totals else {})

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave, for the same metrics."""
        self.total, self.seen = float(state["total"]), int(state["seen"])
        if self.of_outputs:
            totals = [float(total) for total in state["totals"]]
            if len(totals) != len(self.of_outputs):
                raise ValueError
            self.totals = totals
        for metric, counted in zip(self.metrics, state["metrics"], strict=True):
            metric.set_state(copy.deepcopy(counted))
        # What does not fit these labels should say so before the next step, too.
        self._try()
        for metric, counted in zip(self.metrics, state["metrics"], strict=True):
            metric.set_state(counted)
        self.logs()


def _name_apart(metrics: Sequence[Metric], weighted: Sequence[Metric]) -> None:
    """Call a weighted metric "weighted_..." where another has its name, as in Keras."""
    taken = {metric.name for metric in metrics}
    for metric in weighted:
        if metric.name in taken:
            metric.name = f"weighted_{metric.name}"


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
            f"{model.who}: expected metrics of which each run gets a copy, got a "
            f"{type(metric).__name__} that copy.deepcopy refuses ({error}). Define its "
            "__deepcopy__(memo)."
        ) from error
    copied.reset_state()
    return copied
