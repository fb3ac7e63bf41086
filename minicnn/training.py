"""The loop behind ``fit``.

One step is ``_train_batch``: go forward, take the loss and its gradient, go back (``_gradients``,
of each share of the batch), move the parameters. All else here is about that: the epochs and
their batches, the validation, the callbacks, how it ends.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain as joined
from itertools import count, islice
from typing import Any, Protocol

import numpy as np

from minicnn import blas
from minicnn.config import whole_number
from minicnn.console import Figures, check_verbose, ctrl_c_sets_a_flag, progress
from minicnn.data.arrays import batches, check_batch_size
from minicnn.data.fitting import Data
from minicnn.errors import DivergenceError
from minicnn.history import History
from minicnn.hooks import Hooks
from minicnn.inference import (
    Model,
    Objective,
    Penalty,
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
from minicnn.kernels.vectorized import Room
from minicnn.layers import Layer, chain
from minicnn.layers.base import walk
from minicnn.layers.chain import Step
from minicnn.losses import Loss
from minicnn.shapes import Array
from minicnn.shares import Result, Shares

SMALLER = "Try a smaller learning rate."


class TrainedModel(Model, Protocol):
    """What training also writes."""

    stack: list[Layer]
    stop_training: bool
    initial_epoch: int


@dataclass(frozen=True)
class Plan:
    """How to train: what ``Sequential.fit`` was told, besides the data.

    Raises ``ConfigError`` for numbers that make no sense.
    """

    batch_size: int
    epochs: int
    """The number of the last epoch, counted from 1."""
    verbose: str | int
    callbacks: Any
    validation: Data | None
    shuffle: bool
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int
    validation_freq: int | Sequence[int]

    def __post_init__(self) -> None:
        whole = partial(whole_number, "fit")
        whole("epochs", self.epochs)
        whole("initial_epoch", self.initial_epoch, least=0)
        for name in ("steps_per_epoch", "validation_steps"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name))
        often = self.validation_freq
        for epoch in often if isinstance(often, Sequence) else [often]:
            whole("validation_freq", epoch)
        check_batch_size(self.batch_size)
        check_batch_size(self.validation_batch_size)
        check_verbose(self.verbose)

    def validates(self, epoch: int) -> bool:
        """Whether the model is judged after that epoch, counted from 0."""
        if self.validation is None:
            return False
        if isinstance(self.validation_freq, Sequence):
            return epoch + 1 in self.validation_freq
        return (epoch + 1) % self.validation_freq == 0


class _Run:
    """A training under way: what all of its epochs share."""

    def __init__(self, model: TrainedModel, data: Data, plan: Plan, room: Room) -> None:
        self.model = model
        self.data = data
        self.plan = plan
        self.room = room
        passes = -(-len(data.x) // plan.batch_size)
        self.steps = plan.steps_per_epoch or passes
        self.stream = _stream(len(data.x), plan.batch_size, model.rng if plan.shuffle else None)
        self.params = {
            "verbose": plan.verbose,
            "epochs": plan.epochs,
            "steps": self.steps,
            "validation": plan.validation is not None,
        }
        self.hooks = Hooks(plan.callbacks, model, self.params)
        self.shares: Shares | None = None

    def plan_steps(self) -> Shares:
        """What computes the batches; made anew when a callback may have changed a layer."""
        if self.shares is None or self.hooks.foreign:
            self.close()
            model = _as_it_is(self.model) if self.hooks.foreign else self.model
            goal = objective(model.steps, compiled_loss(model))
            self.penalties = penalties(model)
            images = self.steps * self.plan.batch_size
            if not self.hooks.foreign:
                images *= self.plan.epochs
            self.shares = _shares(model, goal, self.data, self.plan, images, self.room)
        return self.shares

    def close(self) -> None:
        """End the partners."""
        if self.shares is not None:
            self.shares.close()


def fit(model: TrainedModel, data: Data, plan: Plan) -> History:
    """Train as planned. Ctrl-C ends it after a batch; an epoch cut short is not recorded."""
    data = targeted(model, data)
    validation = None if plan.validation is None else targeted(model, plan.validation)
    if plan.verbose:
        blas.advise_once()
    last: Figures = {}
    model.stop_training, model.initial_epoch = False, plan.initial_epoch
    with ctrl_c_sets_a_flag() as pressed, at_work() as room:
        run = _Run(model, data, plan, room)
        history = model.history = run.hooks.history
        run.hooks("on_train_begin", {})
        with closing(run):
            try:
                for epoch in range(model.initial_epoch, plan.epochs):
                    figures = _epoch(run, epoch, validation, pressed)
                    if figures is not None:
                        history.append(figures, epoch)
                        last = figures
                    if pressed() or model.stop_training:
                        break
            except DivergenceError as error:
                if not run.hooks.end_on_nan:
                    raise
                if plan.verbose:
                    print(f"{error} Training ends here.")
            finally:
                run.hooks("on_train_end", last)
        if pressed():
            history.interrupted = True
            if plan.verbose:
                print("\nStopped by Ctrl-C; what was learned is kept.")
    return history


def _epoch(
    run: _Run, epoch: int, validation: Data | None, pressed: Callable[[], bool]
) -> Figures | None:
    """Train for one epoch; its figures, or None if Ctrl-C cut it or its validation short."""
    model, plan, hooks = run.model, run.plan, run.hooks
    hooks("on_epoch_begin", epoch, {})
    shares = run.plan_steps()
    running = Running(model, run.data.y)
    with progress(plan.verbose, f"epoch {epoch + 1}/{plan.epochs}", run.steps) as show:
        for step, batch in enumerate(islice(run.stream, run.steps)):
            hooks("on_train_batch_begin", step, {})
            loss, predictions = _train_batch(model, shares, run.penalties, run.data.x, batch)
            running.update(loss, run.data.y[batch], predictions)
            figures = running.figures()
            show(figures, 1)
            hooks("on_train_batch_end", step, figures)
            if pressed() or model.stop_training:
                break
        if pressed() and step + 1 < run.steps:
            return None
        if validation is not None and plan.validates(epoch) and not hooks.time_is_up:
            hooks("on_test_begin", {})
            judged = judge(
                model,
                validation,
                plan.validation_batch_size,
                run.room,
                plan.validation_steps,
                stop=lambda: pressed() or hooks.time_is_up,
                call=hooks,
            )
            hooks("on_test_end", judged.figures())
            if pressed():
                return None
            if not hooks.time_is_up:
                figures |= {f"val_{name}": value for name, value in judged.figures().items()}
        _check_finite(model, figures)
        show(figures, 0)
    hooks("on_epoch_end", epoch, figures)
    return figures


def _as_it_is(model: TrainedModel) -> TrainedModel:
    """The model with the arguments that its layers have now, for the epoch that begins.

    What is learned it shares; what is frozen it has for itself, as each partner has.
    """
    twin = copy.copy(model)
    twin.stack = [copy.copy(layer) for layer in model.stack]
    for layer, copied in zip(walk(model.stack), walk(twin.stack), strict=True):
        if copied is not layer and not copied.trainable and not copied.sublayers:
            copied.params = {name: array.copy() for name, array in copied.params.items()}
            copied.state = {name: array.copy() for name, array in copied.state.items()}
    return twin


def _stream(n: int, batch_size: int, rng: np.random.Generator | None) -> Iterator[Array | slice]:
    """The batches of one pass over the data after another, without end."""
    return joined.from_iterable(batches(n, batch_size, rng) for _ in count())


def _train_batch(
    model: Model, shares: Shares, found: Sequence[Penalty], x: Array, batch: Array | slice
) -> tuple[float, Array]:
    """One step: forward, loss, gradient, back, update. Returns the loss and the predictions."""
    assert model.optimizer is not None
    numbers = np.arange(batch.start, batch.stop) if isinstance(batch, slice) else batch
    first, *others = shares.run(numbers)
    loss = first.loss + sum(other.loss for other in others) + total_penalty(found)
    if not np.isfinite(loss):
        raise _divergence(model.stack, x[numbers].astype(model.dtype, copy=False), loss)
    for other in others:
        for name, grad in other.grads.items():
            first.grads[name] += grad
    for name, param, regularizer in found:
        first.grads[name] += regularizer.gradient(param)
    model.optimizer.step(shares.params, first.grads)
    return loss, np.concatenate([first.predictions, *(other.predictions for other in others)])


def _shares(
    model: Model, goal: Objective, data: Data, plan: Plan, images: int, room: Room
) -> Shares:
    """What computes the batches of a training."""

    def compute(numbers: Array, share: float, rng: np.random.Generator) -> Result:
        return _gradients(model, goal, data.part(numbers), share, rng, room)

    return Shares(
        compute,
        model.params,
        model.output_shape,
        model.dtype,
        min(plan.batch_size, len(data.x)),
        multiply_adds(model),
        images,
        may_be_cut(model.stack, (*goal.steps, goal.loss)),
        any(layer.random for layer in walk(model.stack)),
        model.rng,
    )


def may_be_cut(layers: Sequence[Layer], parts: Sequence[Step | Loss]) -> bool:
    """Whether the gradient of a batch is the sum of those of its shares.

    Any layer promises that it is, unless it says why not; but one that someone writes may forget
    to say, and the wrong gradients would be silent.
    """
    layers = list(walk(layers))
    own = all(type(part).__module__.startswith("minicnn.") for part in (*layers, *parts))
    reasons = (getattr(part, "why_not_sharded", "") for part in (*layers, *parts))
    return own and not any(reasons)


def _gradients(
    model: Model,
    goal: Objective,
    data: Data,
    share: float,
    rng: np.random.Generator,
    room: Room,
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


def _divergence(layers: Sequence[Layer], x: Array, loss: float) -> DivergenceError:
    """Say where the numbers went wrong: the first layer whose output is not finite."""
    where = "the loss itself"
    for layer in layers:
        x = layer.forward(x)[0]
        if not np.isfinite(x).all():
            where = f"the output of {layer.who}"
            break
    return DivergenceError(
        f"Sequential: the loss became {loss}; the first to go was {where}. {SMALLER}"
    )


def _check_finite(model: Model, figures: Figures) -> None:
    """Raise ``DivergenceError`` if the last steps of an epoch broke the weights."""
    for layer in model.stack:
        for name, array in layer.arrays().items():
            if not np.isfinite(array).all():
                raise DivergenceError(
                    f"{layer.who}: {name} is no longer finite after an epoch. {SMALLER}"
                )
    for name in ("loss", "val_loss"):
        value = figures.get(name, 0.0)
        if not np.isfinite(value):
            raise DivergenceError(f"Sequential: {name} became {value}. {SMALLER}")
