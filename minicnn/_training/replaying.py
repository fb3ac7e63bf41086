"""A step of a run, done again from its checkpoints: the same bits, and all of them kept.

The run is trained on from the last checkpoint before the step, as ``fit`` does it. The step itself
is computed by the run's program too, in a graph that keeps what each node takes and gives.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn import callbacks as known_callbacks
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn._files import checkpoint
from minicnn._files.checkpoint import Tree
from minicnn._parallel.shards import Result
from minicnn._training.checkpointing import go_on_from, state_of_run
from minicnn._training.checkpoints import NEWEST, damage, files, schedule
from minicnn._training.fingerprint import described_run, machine, network, other_bits, other_run
from minicnn._training.loop import train
from minicnn._training.model import Model
from minicnn._training.observers import (
    Callbacks,
    FiniteNumbers,
    Programs,
    ProgressBar,
    Recorder,
)
from minicnn._training.options import EXACT, FitOptions
from minicnn._training.program import Program, at_work
from minicnn._training.run import Observer, Run
from minicnn._training.signals import Stop
from minicnn.callbacks import BackupAndRestore
from minicnn.callbacks.callback_list import flat, with_state
from minicnn.callbacks.history import History
from minicnn.data.loaders import Batch, Loader
from minicnn.errors import ConfigError, ModelFileError
from minicnn.kernels.base import Workspace
from minicnn.layers.graph import Graph, Step

CHANGING = ("LearningRateScheduler", "ReduceLROnPlateau", "LambdaCallback")
"""The callbacks here that may change what a run learns; custom ones may, too."""

WATCHING = ("Doctor", "LayerStatistics")
"""Those of ``minicnn.explain``, which change nothing."""


class Kept:
    """The checkpoints in the folder of a run.

    Raises ``ConfigError`` for a folder without one, ``ModelFileError`` if all are damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        there = files(folder)
        if not there:
            raise ConfigError(
                f"replay: expected the folder of a run, with {NEWEST}, got {folder}. fit(..., "
                "checkpoint=folder) and minicnn train write one."
            )
        found, errors = [], list[ModelFileError]()
        for path in there:
            try:
                tree = checkpoint.read(path)
                with damage(path):
                    if not (0 <= tree["epoch"] + tree["step"] < 10**9):
                        raise ValueError
                    found.append((done(tree), path, tree))
            except ModelFileError as error:
                errors.append(error)
        if not found:
            raise errors[0]
        found.sort(key=lambda one: one[0])
        self.found: list[tuple[int, Path, Tree]] = found
        """Each with how many steps were done, in the order of these."""
        _, path, self.newest = found[-1]
        self.history = History()
        with damage(path):
            self.about: Mapping[str, Any] = self.newest["about"]
            self.samples = int(self.about["data"]["x"]["shape"][0])
            """Those that the run learned from; of data in batches those of the first."""
            self.validated = self.about["validation"] is not None
            self.callbacks = list(self.about["callbacks"])
            self.stopped = bool(self.newest["stopped"])
            self.options = self._options()
            self.history.set_state(self.newest["history"])

    def _options(self) -> FitOptions:
        begun = self.newest["epoch"] + (self.newest["step"] > 0)
        return FitOptions(
            **{name: self.about[name] for name in EXACT},
            epochs=max(self.newest.get("epochs", 1), begun, 1),
            verbose=0,
            callbacks=None,
            checkpoint=None,
            resume=False,
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """Samples of a batch to learn from, and of one to evaluate."""
        return self.options.batch_size, self.options.validation_batch_size

    def before(self, step: int, steps: int | None) -> tuple[Path, Tree]:
        """The last before a step, in a run of so many steps an epoch, if that is known.

        Raises ``ConfigError`` for a step that the run has not, or that no checkpoint reaches.
        """
        first, last = self.found[0][0] + 1, self.found[-1][0]
        if steps and not self.stopped:  # a run that was killed has come further than it says
            last += (self.options.epochs - self.newest["epoch"]) * steps - self.newest["step"]
        if first > last:
            raise ConfigError(
                f"replay: expected a checkpoint from before step {step} in {self.folder}, got only "
                f"that of the run's end, after step {last}. Runs that begin now keep their start, "
                "checkpoint.start.h5."
            )
        if not first <= step <= last:
            raise ConfigError(
                f"replay: expected a step from {first} to {last}, which the checkpoints in "
                f"{self.folder} reach, got {step}."
            )
        return next((path, tree) for n, path, tree in reversed(self.found) if n < step)


def done(tree: Tree) -> int:
    """How many steps the optimizer had made."""
    return int(tree["optimizer"]["counters"][0])


@dataclass(frozen=True)
class RecordedGraph(Graph):
    """A graph that keeps what its nodes take and give."""

    forwards: list[Step] = field(default_factory=list)
    backwards: list[Step] = field(default_factory=list)

    def steps(self, values: list[Any], training: bool, rng: Any) -> Iterator[Step]:
        """See ``Graph``; copies, as the backward pass may write over what nobody else needs."""
        for step in super().steps(values, training, rng):
            taken = step.taken
            kept = tuple(map(np.copy, taken)) if isinstance(taken, tuple) else taken.copy()
            self.forwards.append(step._replace(taken=kept, made=step.made.copy()))
            yield step

    def steps_back(self, *args: Any, **kwargs: Any) -> Iterator[Step]:
        """See ``Graph``; the gradients are copies, to which the penalties' are not added."""
        for step in super().steps_back(*args, **kwargs):
            grads = {name: grad.copy() for name, grad in step.cache.items()}
            self.backwards.append(step._replace(cache=grads))
            yield step


class Replayed(NamedTuple):
    """A step that was done again, and the model as it is after it."""

    model: Model
    before: Tree
    """The state of the run before it, as in a checkpoint."""
    path: Path
    """The checkpoint from which it was reached."""
    batch: Batch
    graph: RecordedGraph
    """The network at work on the batch."""
    loss: float
    result: Result
    grads: dict[str, Array]
    """With those of the penalties, as the optimizer was given them; none if the loss is no
    number."""
    rate: float
    """The learning rate."""
    steps: int | None
    """Of an epoch."""
    loader: Loader


def replayed(
    model: Model,
    loader: Loader,
    kept: Kept,
    step: int,
    callbacks: Sequence[Any],
    verbose: str | int,
) -> Replayed:
    """Do the step of a run again, with a model like its, which changes.

    Raises ``ConfigError`` for another model or other data than the run's, and for a step that it
    has not; ``DivergenceError`` where the run did.
    """
    options = options_of(kept, callbacks, verbose)
    program = Program(model)
    prepared = program.prepared(model, loader)
    _check(kept, model, prepared[0], callbacks)
    path, tree = kept.before(step, options.steps_per_epoch or loader.steps)
    _tell_machine(path, tree, {"model": {"kernels": model.kernels}})
    with damage(path):
        _take_schedule(model, tree)
    model.stop_training = False
    validation = prepared if kept.validated else None  # it is never looked at
    run = _Replay(model, program, prepared, validation, options, Stop(), resumed=True)
    run.wanted, run.was, run.before = step, kept.history, copy.deepcopy(tree)
    shown = [ProgressBar(options.verbose)] if step - done(tree) > 1 else []
    run.observers = [FiniteNumbers(), *shown, Programs(), Callbacks(), Recorder(), _Before()]
    with at_work(), run:
        run.callbacks("on_train_begin", {})
        go_on_from(run, tree, path)
        try:
            train(run)
        except _ReachedError as reached:
            return reached.step._replace(path=path)
        finally:
            run.callbacks("on_train_end", run.recorded)
    raise ConfigError(
        f"replay: expected a run with a step {step}, got one that ended before. Give the callbacks "
        "that it had."
    )


def options_of(kept: Kept, callbacks: Sequence[Any], verbose: str | int) -> FitOptions:
    """What ``fit`` was told in the run; it writes no checkpoint."""
    callbacks = [one for one in flat(callbacks) if not isinstance(one, BackupAndRestore)]
    return replace(kept.options, callbacks=callbacks, verbose=verbose)


class _ReachedError(Exception):
    """The step is done."""

    def __init__(self, step: Replayed) -> None:
        super().__init__()
        self.step = step


class _Replay(Run):
    """A run up to a step that is wanted. What it once found out in a validation it still knows."""

    wanted: int
    was: History
    before: Tree

    @property
    def steps_done(self) -> int:
        assert self.model.optimizer is not None
        return self.model.optimizer.iterations

    def train(self, batch: Batch) -> None:
        if self.steps_done + 1 < self.wanted:
            super().train(batch)
        else:
            raise _ReachedError(_recorded(self, batch))

    def validate(self) -> None:
        self.logs |= {n: v for n, v in self._then().items() if n.startswith("val_")}

    def check(self) -> None:
        """Warn if an epoch had another loss than in the run."""
        was, now = self._then().get("loss"), self.recorded["loss"]
        if was is not None and was != now:
            warn(
                f"replay: epoch {self.epoch} of the run had the loss {was}, and has {now} now: the "
                "step is not the run's to the bit. Callbacks that change what is learned, such as "
                "one for the learning rate, must be given, what draws batches must be made anew, "
                "and versions and the number of ranks be the same."
            )

    def _then(self) -> dict[str, Any]:
        """The logs of the epoch that was trained last."""
        epoch = self.epoch - (self.step == 0)
        return {
            name: values[self.was.epochs(name).index(epoch)]
            for name, values in self.was.history.items()
            if epoch in self.was.epochs(name)
        }


class _Before(Observer):
    """Keeps the state of the run before the step that is wanted."""

    def batch_end(self, run: Run) -> None:
        assert isinstance(run, _Replay)
        if run.steps_done + 1 == run.wanted:
            run.before = copy.deepcopy(state_of_run(run))

    def epoch_end(self, run: Run) -> None:
        assert isinstance(run, _Replay)
        self.batch_end(run)
        run.check()


def _recorded(run: _Replay, batch: Batch) -> Replayed:
    """One step, as ``Run.train`` makes it."""
    assert run.model.optimizer is not None
    program, of = copy.copy(run.program), run.program.graph
    program.workspace = Workspace()  # nothing is written over
    program.graph = graph = RecordedGraph(of.given, of.nodes, of.outputs)
    result = program.gradients(batch.part(), 1, run.model.rng)
    loss = result.loss + program.penalty()
    grads = result.grads if np.isfinite(loss) else {}
    if grads:
        program.add_penalties(grads)
        program.optimize({name: grad.copy() for name, grad in grads.items()})
    rate = run.model.optimizer.rate
    made = batch, graph, loss, result, grads, rate
    return Replayed(run.model, run.before, Path(), *made, run.steps, run.loader)


def _check(kept: Kept, model: Model, loader: Loader, callbacks: Sequence[Any]) -> None:
    """Raise ``ConfigError`` unless model, data and callbacks are those of the run."""
    about = kept.about
    settings = {name: about.get(name) for name in (*EXACT, "callbacks")}
    now = described_run(model, loader, None, settings) | {"validation": about.get("validation")}
    for what, was, is_now in other_run(about, now):
        of_data = what.startswith("data.")
        remedy = "Give its x and y in their order, and its weights." if of_data else ""
        raise ConfigError(
            f"replay: expected the {'data' if of_data else 'model'} of the run in {kept.folder}, "
            f"but {what} was {was} and is now {is_now}. {remedy}".rstrip()
        )
    harmless = {*dir(known_callbacks), *WATCHING} - set(CHANGING)
    given = with_state(callbacks)
    missing = [
        name
        for name in kept.callbacks
        if name not in given and name.partition("_")[0] not in harmless
    ]
    if missing:
        raise ConfigError(
            f"replay: expected the callbacks of the run that may change what it learned, "
            f"{', '.join(missing)}, got {', '.join(given) or 'none'}. Give callbacks=[...]."
        )


def _take_schedule(model: Model, tree: Tree) -> None:
    """Let the learning rate follow the run's schedule, where it has another later."""
    assert model.optimizer is not None
    was = schedule(tree.get("network"))
    if was is not None and was != schedule(network(model)):
        model.optimizer.learning_rate = was


def _tell_machine(path: Path, tree: Tree, about: Tree) -> None:
    changed = [
        f"{what} was {then} and is now {now}"
        for what, then, now in other_bits(tree, about, machine(about))
    ]
    if changed:
        warn(f"{path}: {'; '.join(changed[:8])}. The bits may differ from those of the run.")
