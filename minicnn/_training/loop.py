"""The loop behind ``fit``.

One step is ``_train_batch``: go forward, take the loss and its gradient, go back (``_gradients``,
of each share of the batch), move the parameters. All else here is about that: the epochs and
their batches, the validation, the callbacks, how it ends.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Protocol

import numpy as np

from minicnn._core.console import Figures, say
from minicnn._core.shapes import Array
from minicnn._files.checkpoint import Tree
from minicnn._parallel import blas
from minicnn._parallel.shards import Arrays, Result, Shards, shards_of
from minicnn._parallel.workers import Workers, workers_for
from minicnn._training.checkpoints import Checkpoints, damage, finite, put_back, reserved, state_of
from minicnn._training.divergence import check_finite, divergence
from minicnn._training.fingerprint import described_training, given
from minicnn._training.mistakes import advise
from minicnn._training.options import EXACT, Plan, backed_up
from minicnn._training.program import (
    Model,
    Objective,
    Running,
    as_read,
    at_work,
    compiled_loss,
    data_loss,
    judge,
    multiply_adds,
    objective,
    own,
    penalties,
    targeted,
    total_penalty,
)
from minicnn._training.progress import Progress
from minicnn._training.signals import STOPPED, Stop, signals_set_a_flag
from minicnn.callbacks.callback_list import Hooks, watched
from minicnn.callbacks.history import History
from minicnn.data.arrays import Stream
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError, DivergenceError
from minicnn.kernels import Workspace
from minicnn.layers import Layer, chain
from minicnn.layers.base import walk
from minicnn.layers.chain import Step
from minicnn.losses import Loss


class TrainedModel(Model, Protocol):
    """What training also writes."""

    stack: list[Layer]
    fuse: bool
    seed: int | None
    stop_training: bool


class _Run:
    """A training under way: what all of its epochs share, and how far it has come."""

    def __init__(
        self, model: TrainedModel, data: Data, validation: Data | None, plan: Plan, stop: Stop
    ) -> None:
        self.model = model
        self.data = data
        self.validation = validation
        self.plan = plan
        self.stop = stop
        passes = -(-len(data.x) // plan.batch_size)
        self.steps = plan.steps_per_epoch or passes
        self.stream = Stream(len(data.x), plan.batch_size, model.rng if plan.shuffle else None)
        self.epoch = plan.initial_epoch
        """How many epochs are done."""
        self.step = 0
        """How many batches of the next one are done."""
        self.running = Running(model, data.y)
        self.checkpoints: Checkpoints | None = None
        self.found: Tree | None = None
        if plan.checkpoint is not None:
            settings = {name: getattr(plan, name) for name in EXACT}
            settings["callbacks"] = watched(plan.callbacks)
            about = described_training(model, data, validation, settings)
            often = plan.checkpoint_freq
            self.checkpoints = Checkpoints(plan.checkpoint, about, given(model), often)
            self.found = self.checkpoints.read(plan.resume, plan.epochs, self.steps)
        params = {
            "verbose": plan.verbose,
            "epochs": plan.epochs,
            "steps": self.steps,
            "validation": plan.validation is not None,
            "resumed": self.found is not None,
        }
        self.hooks = Hooks(plan.callbacks, model, params)
        self.history = model.history = self.hooks.history
        self.progress = Progress(plan.verbose)
        self.workers: Workers | None = None
        self.saved = False
        """Whether the last checkpoint that was to be written has been."""

    def begin(self) -> None:
        """Tell the callbacks; if a checkpoint was found, go on from it."""
        tree, self.found = self.found, None  # its arrays are not needed twice
        if tree is not None:
            self.epoch, self.step = tree["epoch"], tree["step"]
        self.hooks("on_train_begin", {})
        if tree is not None:
            self.go_on(tree)
            if self.plan.verbose:
                say(self.found_line())

    def go_on(self, tree: Tree) -> None:
        """Put all back as it was; raises ``ModelFileError`` if it cannot be."""
        assert self.checkpoints is not None
        if self.step:
            self.hooks("on_epoch_begin", self.epoch, {})
        with damage(self.checkpoints.path):
            if self.step:
                self.running.set_state(tree["running"])
            self.stream.set_state(tree["stream"])
            self.history.set_state(tree["history"])
            self.hooks.set_state(tree["callbacks"], ours=True)
        self.hooks.set_state(tree["callbacks"], ours=False)
        with damage(self.checkpoints.path):
            put_back(self.model, tree)

    def found_line(self) -> str:
        """What a user is told of the checkpoint that was found."""
        assert self.checkpoints is not None
        if self.to_do:
            batch = f", batch {self.step + 1}" * bool(self.step)
            return f"Going on from {self.checkpoints.path}: epoch {self.epoch + 1}{batch}."
        early = self.epoch < self.plan.epochs
        how = "ended by a callback or a time budget" if early else "finished"
        return (
            f"{self.checkpoints.folder} holds this training, {how} after {self.epoch} epochs: "
            "nothing to do."
        )

    @property
    def to_do(self) -> bool:
        """Whether there is an epoch to train, or to end."""
        return self.epoch < self.plan.epochs and bool(self.step or not self.model.stop_training)

    def save(self, must: bool = False) -> None:
        """Write a checkpoint if there are to be any and it is time, but never a broken model."""
        points, done = self.checkpoints, (self.epoch, self.step, self.steps)
        if points is None or not (must or points.due(*done)):
            return
        self.saved = False
        if not finite(self.model):
            return
        points.write(
            lambda: (
                state_of(self.model)
                | {
                    "epoch": self.epoch,
                    "step": self.step,
                    "running": self.running.get_state(),
                    "stream": self.stream.get_state(),
                    "history": self.history.get_state(),
                    "callbacks": self.hooks.get_state(),
                }
            )
        )
        self.saved = not points.failed

    def plan_steps(self, room: Workspace) -> Workers:
        """What computes the batches; made anew when a callback may have changed a layer."""
        if self.workers is None or self.hooks.foreign:
            self.close()
            model = _as_it_is(self.model) if self.hooks.foreign else self.model
            goal = objective(model.steps, compiled_loss(model))
            self.penalties = penalties(model)
            images = self.steps * self.plan.batch_size
            if not self.hooks.foreign:
                images *= self.plan.epochs
            self.params = model.params
            self.workers = _workers(model, goal, self.data, self.plan, images, room)
            self.workers.start()
        return self.workers

    def close(self) -> None:
        """End the workers."""
        if self.workers is not None:
            self.workers.close()


_under_way: set[int] = set()
"""The identities of the models that are being trained."""


@contextmanager
def _alone_with(model: TrainedModel) -> Iterator[None]:
    """Raise ``ConfigError`` if a callback of a model's ``fit``, or a thread, trains it again."""
    if id(model) in _under_way:
        raise ConfigError(
            "fit: expected a model that is not being trained, got one in the middle of its fit. "
            "Train a copy in a callback: copy.deepcopy(model)."
        )
    _under_way.add(id(model))
    try:
        yield
    finally:
        _under_way.discard(id(model))


def fit(model: TrainedModel, data: Data, plan: Plan) -> History:
    """Train as planned. Ctrl-C ends it after a batch; an epoch cut short is not recorded.

    Raises ``ConfigError`` for a model that is being trained already.
    """
    data, validation = targeted(model, data), plan.validation
    if validation is not None:
        validation = targeted(model, validation, "fit, validation_data: ")
    advise(model, data, plan.batch_size)
    if plan.verbose:
        blas.advise_once()
    sigterm = plan.checkpoint is not None
    plan, backup = backed_up(plan)
    with (
        _alone_with(model),
        reserved(plan.checkpoint),
        signals_set_a_flag(sigterm) as stop,
        at_work(model.kernels) as room,
    ):
        model.stop_training = False
        run = _Run(model, data, validation, plan, stop)
        resumed = run.found is not None
        run.begin()
        last: Figures = {}
        with closing(run):
            try:
                if not resumed:
                    run.save(must=True)
                while run.to_do:
                    figures = _epoch(run, room)
                    if figures is None:
                        break
                    run.history.append(figures, run.epoch)
                    last = figures
                    run.epoch, run.step = run.epoch + 1, 0
                    ended = bool(stop) or model.stop_training or run.epoch == plan.epochs
                    run.save(must=ended)
                    if ended:
                        break
            except DivergenceError as error:
                if not run.hooks.end_on_nan:
                    raise
                if plan.verbose:
                    say(f"{error} Training ends here.")
            finally:
                run.hooks("on_train_end", last)
        complete = model.stop_training or run.epoch >= plan.epochs
        if complete and backup and backup.delete_checkpoint and run.checkpoints:
            run.checkpoints.delete()
        if stop:
            stop.told = True
            run.history.interrupted, run.history.exit_status = True, STOPPED + stop.number
            if plan.verbose:
                say(f"Stopped by {stop.name}; {_kept(run)}.")
    return run.history


def _kept(run: _Run) -> str:
    """What a training that was stopped leaves."""
    if run.checkpoints is None:
        return "what was learned is kept"
    if not run.saved:
        return f"{run.checkpoints.path} is of some time before"
    return f"{run.checkpoints.path} has all that it takes to resume: fit(..., resume=True)"


def _epoch(run: _Run, room: Workspace) -> Figures | None:
    """Train for an epoch, or its rest; its figures, or None if a signal cut it short."""
    model, plan, hooks, epoch = run.model, run.plan, run.hooks, run.epoch
    rest = run.steps - run.step
    if not run.step:
        hooks("on_epoch_begin", epoch, {})
        run.running = Running(model, run.data.y)
    elif model.stop_training:
        rest = 0
    workers, figures = run.plan_steps(room), run.running.figures()
    title = f"epoch {epoch + 1}/{plan.epochs}"
    with run.progress.watch(title, run.steps, run.step) as show:
        for batch in islice(run.stream, rest):
            hooks("on_train_batch_begin", run.step, {})
            loss, predictions = _train_batch(run, workers, batch)
            run.running.update(loss, run.data.y[batch], predictions)
            figures = run.running.figures()
            show(figures, 1)
            hooks("on_train_batch_end", run.step, figures)
            run.step += 1
            if run.stop or model.stop_training:
                break
            run.save()
        figures = run.running.figures()  # the callbacks were free to change theirs
        if run.stop and run.step < run.steps:
            run.save(must=True)
            return None
        if run.validation is not None and plan.validates(epoch) and not hooks.time_is_up:
            hooks("on_test_begin", {})
            judged = judge(
                model,
                run.validation,
                plan.validation_batch_size,
                room,
                plan.validation_steps,
                stop=lambda: bool(run.stop) or hooks.time_is_up,
                call=hooks,
            )
            hooks("on_test_end", judged.figures())
            if run.stop:
                run.save(must=True)
                return None
            if not hooks.time_is_up:
                figures |= {f"val_{name}": value for name, value in judged.figures().items()}
        check_finite(model, figures)
        show(figures, 0)
    hooks("on_epoch_end", epoch, figures)
    return figures


def _as_it_is(model: TrainedModel) -> TrainedModel:
    """The model with the arguments that its layers and its loss have now, for the next epoch.

    What is learned it shares; what is frozen it has for itself, as each worker has.
    """
    twin = copy.copy(model)
    twin.stack = [copy.copy(layer) for layer in model.stack]
    for layer, copied in zip(walk(model.stack), walk(twin.stack), strict=True):
        if copied is layer or copied.sublayers:
            continue
        copied.params = dict(copied.params)
        if not copied.trainable:
            copied.params = {name: array.copy() for name, array in copied.params.items()}
            copied.state = {name: array.copy() for name, array in copied.state.items()}
    if may_be_cut((), (compiled_loss(model),)):
        twin.loss = copy.deepcopy(model.loss)
    return twin


def _train_batch(run: _Run, workers: Workers, batch: Array | slice) -> tuple[float, Array]:
    """One step: forward, loss, gradient, back, update. Returns the loss and the predictions."""
    model = run.model
    assert model.optimizer is not None
    numbers = np.arange(batch.start, batch.stop) if isinstance(batch, slice) else batch
    loss, predictions, grads = workers.gradients(numbers)
    loss += total_penalty(run.penalties)
    if not np.isfinite(loss):
        x = run.data.x[numbers].astype(model.dtype, copy=False)
        raise divergence(model.stack, x, loss)
    for name, param, regularizer in run.penalties:
        grads[name] += regularizer.gradient(param)
    model.optimizer.step(run.params, grads)
    return loss, predictions


def _workers(
    model: Model, goal: Objective, data: Data, plan: Plan, images: int, room: Workspace
) -> Workers:
    """What computes the batches of a run."""

    def compute(part: Arrays, share: float, rng: np.random.Generator) -> Result:
        return _gradients(model, goal, Data._make(part), share, rng, room)

    work, batch_size = multiply_adds(model), min(plan.batch_size, len(data.x))
    cut = may_be_cut(model.stack, (*goal.steps, goal.loss))
    random = any(layer.random for layer in walk(model.stack))
    count = shards_of(batch_size, work) if cut else 1
    shards = Shards(compute, data, batch_size, count, random, model.rng)
    return workers_for(shards, model.params, model.output_shape, model.dtype, work * images)


def may_be_cut(layers: Sequence[Layer], parts: Sequence[Step | Loss]) -> bool:
    """Whether the gradient of a batch is the sum of those of its shards.

    Any layer promises that it is, unless it says why not; but one that someone writes may forget
    to say, and the wrong gradients would be silent.
    """
    layers = list(walk(layers))
    if any(layer.kernels.threaded for layer in layers):
        return False  # the kernels use all cores by themselves
    own = all(type(part).__module__.startswith("minicnn.") for part in (*layers, *parts))
    reasons = (getattr(part, "why_not_sharded", "") for part in (*layers, *parts))
    return own and not any(reasons)


def _gradients(
    model: Model,
    goal: Objective,
    data: Data,
    share: float,
    rng: np.random.Generator,
    room: Workspace,
) -> Result:
    """What comes of that share of a batch; without gradients if the loss is no number.

    The room is open to the steps alone: a loss may be anyone's, and keep what it computes.
    """
    with room.begin():
        x = as_read(goal.steps, data.x, model.dtype)
        z, caches = chain.forward(goal.steps, x, True, rng)
    loss = data_loss(goal, data, z) * share
    weights = () if data.weights is None else (data.weights,)
    dz = goal.loss.gradient(data.y, z, *weights)
    if share != 1:
        dz *= share
    grads = {}
    if np.isfinite(loss):
        with room:
            grads = chain.backward(goal.steps, dz, caches, need_dx=False)[1]
        if share == 1:
            chain.apply_state(goal.steps, caches)
    return Result(loss, own(goal.predictions(z), z), grads)
