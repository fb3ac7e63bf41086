"""What is attached to every run: its callbacks, its history, its program and its progress bar."""

import copy
from contextlib import AbstractContextManager
from typing import Any

from minicnn._core.traits import keeps
from minicnn._parallel.spread import Spread
from minicnn._training.divergence import check_finite
from minicnn._training.model import Model
from minicnn._training.objective import goals
from minicnn._training.program import Program
from minicnn._training.progress import Progress, Show
from minicnn._training.run import Observer, Run
from minicnn.data.passes import Part


class Callbacks(Observer):
    """Calls the callbacks; counts from 0, as they do."""

    def epoch_begin(self, run: Run) -> None:
        if not run.step:
            run.callbacks("on_epoch_begin", run.epoch, {})

    def batch_begin(self, run: Run) -> None:
        run.callbacks("on_train_batch_begin", run.step, {})

    def batch_end(self, run: Run) -> None:
        run.callbacks("on_train_batch_end", run.step - 1, run.logs)

    def epoch_end(self, run: Run) -> None:
        run.callbacks("on_epoch_end", run.epoch, run.logs)


class Recorder(Observer):
    """Keeps the metrics of an epoch, and puts them into the history when it is done."""

    def epoch_begin(self, run: Run) -> None:
        if not run.step:
            run.metrics.reset()
        run.logs = run.metrics.logs()

    def epoch_end(self, run: Run) -> None:
        run.history.append(run.logs, run.epoch)
        run.recorded = run.logs
        run.epoch, run.step = run.epoch + 1, 0


class Programs(Observer):
    """Gives the run its program; for each epoch another if a callback may change a layer."""

    def epoch_begin(self, run: Run) -> None:
        changing = run.callbacks.foreign
        if run.shards is not None and not changing:
            return
        if changing:
            run.program = Program(_as_it_is(run.model))
        elif run.resumed:
            run.program = Program(run.model)  # the checkpoint says which layers are trainable
        run.shards = run.program.shards(run.loader.sample, run.model.rng, run.ranks)
        if isinstance(run.shards, Spread):
            run.stream.take_part(Part(run.shards.own_rows, run.shards.ranks.gathered))


def _as_it_is(model: Model) -> Model:
    """The model with the arguments that its layers and its losses have now, for the next epoch.

    Arrays are shared.
    """
    twin = model.twin()
    for _, copied in twin.leaves():
        copied.params = dict(copied.params)
    losses = [goal.loss for goal in goals(model) if goal.loss is not None]
    if all(keeps(loss, "additive") for loss in losses):
        twin.loss = copy.deepcopy(model.loss)
    return twin


class FiniteNumbers(Observer):
    """Raises ``DivergenceError`` for an epoch that broke the weights."""

    def epoch_end(self, run: Run) -> None:
        check_finite(run.model, run.logs)


class ProgressBar(Observer):
    """Shows how far an epoch is."""

    def __init__(self, verbose: str | int) -> None:
        self.progress = Progress(verbose)
        self.bar: AbstractContextManager[Show] | None = None

    def epoch_begin(self, run: Run) -> None:
        title = f"epoch {run.epoch + 1}/{run.options.epochs}"
        self.bar = self.progress.watch(title, run.steps, run.step)
        self.show = self.bar.__enter__()

    def batch_end(self, run: Run) -> None:
        self.show(run.logs, 1)

    def epoch_end(self, run: Run) -> None:
        self.show(run.logs, 0)
        self.close(None, None, None)

    def epoch_cut_short(self, run: Run) -> None:
        self.close(None, None, None)

    def close(self, *error: Any) -> None:
        bar, self.bar = self.bar, None
        if bar is not None:
            bar.__exit__(*error)
