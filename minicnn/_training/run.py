"""A run of ``fit``: what its epochs share, how far it has come, and what is attached to it."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

import numpy as np

from minicnn._core.console import Logs, warn
from minicnn._parallel.ranks import Ranks
from minicnn._parallel.shards import Shards
from minicnn._training.distributed import Joint
from minicnn._training.divergence import divergence
from minicnn._training.evaluation import evaluated
from minicnn._training.metrics import RunningMetrics
from minicnn._training.model import Model
from minicnn._training.options import FitOptions
from minicnn._training.program import Program
from minicnn._training.signals import Stop
from minicnn.callbacks.callback_list import CallbackList
from minicnn.data.loaders import Batch, Loader


class Observer:
    """What is attached to a run: it is told of each moment."""

    def epoch_begin(self, run: "Run") -> None:
        """An epoch begins, or what is left of one."""

    def batch_begin(self, run: "Run") -> None:
        """``run.step`` batches of the epoch are done."""

    def batch_end(self, run: "Run") -> None:
        """One more is done; ``run.logs`` has the means so far."""

    def epoch_end(self, run: "Run") -> None:
        """The epoch is done; ``run.logs`` has all that is recorded of it."""

    def epoch_cut_short(self, run: "Run") -> None:
        """A signal has ended the run within an epoch."""

    def close(self, *error: Any) -> None:
        """The run is over; ``error`` is what ``__exit__`` is given."""


class Run:
    """A run under way. The data and those to validate come with their metrics."""

    def __init__(
        self,
        model: Model,
        program: Program,
        data: tuple[Loader, RunningMetrics],
        validation: tuple[Loader, RunningMetrics] | None,
        options: FitOptions,
        stop: Stop,
        resumed: bool,
        joint: Joint | None = None,
    ) -> None:
        self.model = model
        self.program = program
        self.loader, self.metrics = data
        self.validation = validation
        self.options = options
        self.stop = stop
        """Whether a signal has asked the run to end."""
        self.resumed = resumed
        self.joint = joint
        """What the ranks agree upon, where there are several."""
        self.time_is_up = False
        self.steps = options.steps_per_epoch or self.loader.steps
        """The batches of an epoch; None: as many as there are."""
        rng = model.rng if options.shuffle else None
        self.stream = self.loader.stream(rng, endless=options.steps_per_epoch is not None)
        self.epoch = options.initial_epoch
        """How many epochs are done."""
        self.step = 0
        """How many batches of the next one are done."""
        self.logs: Logs = {}
        self.recorded: Logs = {}
        """The logs of the last epoch that was done."""
        params = {
            "verbose": options.verbose,
            "epochs": options.epochs,
            "steps": self.steps,
            "validation": validation is not None,
            "resumed": resumed,
        }
        first = joint is None or not joint.ranks.number
        self.callbacks = CallbackList(options.callbacks, model, params, first)
        self.history = model.history = self.callbacks.history
        self.history.params = params
        self.callbacks.set_run(self)
        self.shards: Shards | None = None
        """What computes the batches."""
        self.observers: list[Observer] = []
        """In the order in which they are told of an end; of a beginning the last is told first."""

    @property
    def ranks(self) -> Ranks | None:
        """The ranks that make the run together, where there are several."""
        return None if self.joint is None else self.joint.ranks

    def tell(self, moment: str) -> None:
        """Tell all that is attached."""
        ends = not moment.endswith("_begin")
        for observer in self.observers if ends else self.observers[::-1]:
            getattr(observer, moment)(self)

    @property
    def to_do(self) -> bool:
        """Whether there is an epoch to train, or to end."""
        more = bool(self.step) or not self.model.stop_training
        return self.epoch < self.options.epochs and more

    @property
    def ending(self) -> bool:
        """Whether a signal or a callback has asked the run to end."""
        return bool(self.stop) or self.model.stop_training

    def batches(self) -> Iterator[Batch]:
        """The rest of the epoch's batches, until the run is asked to end."""
        rest = None if self.steps is None else self.steps - self.step
        for batch in islice(self.stream, 0 if self.step and self.model.stop_training else rest):
            yield batch
            self.agree(batch)
            if self.ending:
                return
        if not self.step or (self.steps is not None and self.step < self.steps):
            self._note_end()

    def agree(self, batch: Batch | None = None) -> None:
        """Let all ranks know whether the run is to end, and see that they had the same batch."""
        self.time_is_up = self.callbacks.time_is_up
        if self.joint is not None:
            asked = self._asked(batch)
            self.model.stop_training, self.time_is_up = self.joint.agree(*asked)

    def _asked(self, batch: Batch | None) -> tuple[bool, bool, Batch | None]:
        """What the ranks are to agree upon, as this one has it."""
        drawn = None if self.loader.in_memory else batch
        return self.model.stop_training, self.callbacks.time_is_up, drawn

    def _note_end(self) -> None:
        """End the run, as there are no more batches."""
        if not self.model.stop_training:
            wanted = "more" if self.steps is None else f"{self.steps} an epoch"
            warn(
                f"fit: expected {wanted} batches, but the data came to their end in epoch "
                f"{self.epoch + 1} after {self.step}. Training ends here. A generator has to go "
                "round without end, or the number of epochs or steps_per_epoch to be smaller.",
                UserWarning,
            )
            self.model.stop_training = True

    def train(self, batch: Batch) -> None:
        """One step: forward and backward passes, here and on other ranks, and the update."""
        assert self.shards is not None
        data, numbers = batch.data, batch.numbers
        if self.joint is not None:
            self.joint.tell(*self._asked(batch))
        loss, predictions, grads, losses, _ = self.shards.gradients(data.arrays, numbers)
        loss += self.program.penalty()
        if not np.isfinite(loss):
            some = numbers if batch.own is None else numbers[batch.own]
            xs = [x[some].astype(self.model.dtype, copy=False) for x in data.xs]
            error = divergence(self.model, xs, loss)
            raise error if self.joint is None else self.joint.diagnosis(error)
        self.program.update(grads)
        if self.joint is not None:
            self.joint.update(self.program.params)
        self.metrics.update(loss, data.answers(batch.samples), predictions, losses)
        self.step += 1
        self.logs = self.metrics.logs()

    def validate(self) -> None:
        """Evaluate the validation data, and add their logs to those of the epoch."""
        assert self.validation is not None
        options, callbacks = self.options, self.callbacks
        callbacks("on_test_begin", {})
        logs = evaluated(
            Program(self.model) if callbacks.foreign else self.program,
            *self.validation,
            options.validation_steps,
            stop=self._ends_validation,
            call=callbacks,
            ranks=self.ranks,
        )
        callbacks("on_test_end", logs)
        if not self.time_is_up:
            self.logs |= {f"val_{name}": value for name, value in logs.items()}

    def _ends_validation(self) -> bool:
        self.agree()
        return bool(self.stop) or self.time_is_up

    @property
    def validates(self) -> bool:
        """Whether the model is evaluated after this epoch."""
        due = self.validation is not None and self.options.validates(self.epoch)
        return due and not self.time_is_up

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        """Let go of what is attached."""
        self.stream.close()
        for observer in self.observers:
            observer.close(*error)
