"""The loop behind ``fit``, ``evaluate`` and ``predict``.

One step is ``_train_batch``: go forward, take the loss and its gradient, go back (``_gradients``,
of each share of the batch), move the parameters. All else here is about that: the batches, what
is shown, how it ends.
Figures of an epoch are running means over its batches, weighted by their sizes, as in
Keras.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from minicnn import blas, threads
from minicnn import metrics as metric_table
from minicnn.activations import ACTIVATIONS
from minicnn.console import Figures, Show, ctrl_c_sets_a_flag, progress
from minicnn.data.arrays import batches, check_batch_size
from minicnn.errors import ConfigError, DivergenceError
from minicnn.files.atomic import replacing
from minicnn.kernels.vectorized import Room
from minicnn.layers import Layer, chain
from minicnn.layers.base import walk
from minicnn.layers.chain import Step
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer
from minicnn.shapes import Array, DType, Shape
from minicnn.shares import Result, Shares, filled

SMALLER = "Try a smaller learning rate."


class Model(Protocol):
    """What the loop needs to know of a model that is built and compiled."""

    @property
    def stack(self) -> Sequence[Layer]: ...  # noqa: D102
    @property
    def steps(self) -> Sequence[Step]: ...  # noqa: D102
    @property
    def params(self) -> dict[str, Array]: ...  # noqa: D102
    @property
    def output_shape(self) -> Shape: ...  # noqa: D102

    dtype: DType
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: Sequence[str | Metric]
    history: "History | None"


@dataclass
class History:
    """What each epoch brought: ``history`` maps "loss", "val_loss", ... to a list of figures.

    >>> history = History()
    >>> history.append({"loss": 0.5, "accuracy": 0.9})
    >>> history.history
    {'loss': [0.5], 'accuracy': [0.9]}
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    interrupted: bool = False
    """Whether Ctrl-C ended the training; an epoch cut short, or its validation, is not in it."""

    def append(self, figures: Figures) -> None:
        """Add one epoch."""
        self.epoch.append(len(self.epoch))
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with a row an epoch: its number from 1, then the figures."""
        with (
            replacing(path) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["epoch", *self.history])
            for i, row in zip(self.epoch, zip(*self.history.values(), strict=True), strict=True):
                writer.writerow([i + 1, *row])


class Objective(NamedTuple):
    """What training makes small, seen from where the loss is taken."""

    steps: list[Step]
    loss: Loss
    predictions: Callable[[Array], Array]
    """Makes of the output of ``steps`` what the whole model would give."""


def objective(steps: Sequence[Step], loss: Loss) -> Objective:
    """Take a last softmax or sigmoid off the steps and compute it with its cross-entropy.

    Together the two cannot overflow, and their gradient is (p - y) / N. Raises
    ``ConfigError`` when the loss expects logits and the model ends in an activation.
    """
    trunk, name = steps[-1].split_activation()
    if name in ("softmax", "sigmoid") and getattr(loss, "from_logits", False):
        raise ConfigError(
            f"{type(loss).__name__}: expected logits, as from_logits=True says, got the output "
            f"of a {name}. Drop from_logits, or the last activation."
        )
    if name is None or name != loss.activation:
        return Objective(list(steps), loss, lambda y: y)
    rest = [*steps[:-1], trunk] if trunk else list(steps[:-1])
    return Objective(rest, loss.on_logits(), ACTIVATIONS[name].forward)


def fit(
    model: Model,
    x: Array,
    y: Array,
    batch_size: int,
    epochs: int,
    verbose: str | int,
    validation: tuple[Array, Array] | None,
    shuffle: bool,
) -> History:
    """Train for ``epochs``. Ctrl-C ends it after a batch; an epoch cut short is not recorded."""
    check_batch_size(batch_size)
    goal = objective(model.steps, compiled_loss(model))
    y = goal.loss.targets(y, model.output_shape)
    Running(model, y)
    if validation is not None:
        validation = validation[0], goal.loss.targets(validation[1], model.output_shape)
        Running(model, validation[1])
    if verbose:
        blas.advise_once()
    history = model.history = History()
    steps = -(-len(x) // batch_size)
    with (
        ctrl_c_sets_a_flag() as pressed,
        _at_work() as room,
        closing(_shares(model, goal, x, y, batch_size, epochs, room)) as shares,
    ):
        for epoch in range(epochs):
            running = Running(model, y)
            with progress(verbose, f"epoch {epoch + 1}/{epochs}", steps) as show:
                for batch in batches(len(x), batch_size, model.rng if shuffle else None):
                    loss, predictions = _train_batch(model, shares, x, batch)
                    running.update(loss, y[batch], predictions)
                    show(running.figures(), 1)
                    if pressed():
                        break
                figures = running.figures()
                complete = running.seen == len(x)
                if complete and validation is not None:
                    judged = _judge(model, *validation, batch_size, room, stop=pressed)
                    figures |= {f"val_{name}": value for name, value in judged.figures().items()}
                    complete = judged.seen == len(validation[0])
                if complete:
                    _check_finite(model, figures)
                    show(figures, 0)
                    history.append(figures)
            if pressed():
                history.interrupted = True
                if verbose:
                    print("\nStopped by Ctrl-C; what was learned is kept.")
                break
    return history


def _train_batch(
    model: Model, shares: Shares, x: Array, batch: Array | slice
) -> tuple[float, Array]:
    """One step: forward, loss, gradient, back, update. Returns the loss and the predictions."""
    assert model.optimizer is not None
    numbers = np.arange(batch.start, batch.stop) if isinstance(batch, slice) else batch
    first, *others = shares.run(numbers)
    loss = first.loss + sum(other.loss for other in others)
    if not np.isfinite(loss):
        raise _divergence(model.stack, x[numbers].astype(model.dtype, copy=False), loss)
    for other in others:
        for name, grad in other.grads.items():
            first.grads[name] += grad
    model.optimizer.step(model.params, first.grads)
    return loss, np.concatenate([first.predictions, *(other.predictions for other in others)])


def _shares(
    model: Model, goal: Objective, x: Array, y: Array, batch_size: int, epochs: int, room: Room
) -> Shares:
    """What computes the batches of a training."""

    def compute(numbers: Array, share: float, rng: np.random.Generator) -> Result:
        return _gradients(model, goal, x[numbers], y[numbers], share, rng, room)

    return Shares(
        compute,
        model.params,
        model.output_shape,
        model.dtype,
        min(batch_size, len(x)),
        _multiply_adds(model),
        len(x) * epochs,
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
    return own and not any(layer.why_not_sharded for layer in layers)


def _gradients(
    model: Model,
    goal: Objective,
    x: Array,
    y: Array,
    share: float,
    rng: np.random.Generator,
    room: Room,
) -> Result:
    """What comes of that share of a batch; without gradients if the loss is no number.

    The room is open to the steps alone: a loss may be anyone's, and keep what it computes.
    """
    with room.begin():
        z, caches = chain.forward(goal.steps, _input(goal.steps, x, model.dtype), True, rng)
    loss, dz = goal.loss(y, z) * share, goal.loss.gradient(y, z)
    if share != 1:
        dz *= share
    grads = {}
    if np.isfinite(loss):
        with room:
            grads = chain.backward(goal.steps, dz, caches, need_dx=False)[1]
        if share == 1:
            chain.apply_state(goal.steps, caches)
    return Result(loss, _own(goal.predictions(z), z), grads)


def _input(steps: Sequence[Step], x: Array, dtype: DType) -> Array:
    """A batch in the model's dtype, unless the first step reads what is in a file."""
    return x if steps[0].reads_bytes else x.astype(dtype, copy=False)


def _own(predictions: Array, z: Array) -> Array:
    """Predictions that a metric may keep: z may lie in memory that the next step writes over."""
    return z.copy() if predictions is z else predictions


def evaluate(model: Model, x: Array, y: Array, batch_size: int, verbose: str | int = 0) -> Figures:
    """The loss and the metrics over x and y, outside training."""
    check_batch_size(batch_size)
    steps = -(-len(x) // batch_size)
    with progress(verbose, "evaluate", steps) as show, _at_work() as room:
        return _judge(model, x, y, batch_size, room, show=show).figures()


def _judge(
    model: Model,
    x: Array,
    y: Array,
    batch_size: int,
    room: Room,
    stop: Callable[[], bool] = lambda: False,
    show: Show = lambda figures, done: None,
) -> "Running":
    goal = objective(model.steps, compiled_loss(model))
    y = goal.loss.targets(y, model.output_shape)
    running = Running(model, y)
    for batch in batches(len(x), batch_size):
        with room.begin():
            z = chain.infer(goal.steps, _input(goal.steps, x[batch], model.dtype))
        running.update(goal.loss(y[batch], z), y[batch], _own(goal.predictions(z), z))
        show(running.figures(), 1)
        if stop():
            break
    return running


def predict(model: Model, x: Array, batch_size: int, verbose: str | int = 0) -> Array:
    """The model's output for every image of x, made a batch at a time."""
    check_batch_size(batch_size)
    steps, todo = model.steps, list(batches(len(x), batch_size))
    with progress(verbose, "predict", len(todo)) as show, _at_work() as room:

        def fill(y: Array, first: int, last: int, elsewhere: bool) -> None:
            for batch in todo[first:last]:
                with room.begin():
                    y[batch] = chain.infer(steps, _input(steps, x[batch], model.dtype))
                if not elsewhere:
                    show({}, 1)

        shape, work = (len(x), *model.output_shape), _multiply_adds(model) * len(x)
        y = filled(shape, model.dtype, len(todo), fill, work)
    return y


def _multiply_adds(model: Model) -> int:
    """Those of one image, going forward."""
    return sum(layer.multiply_adds(layer.input_shape or ()) for layer in model.stack)


class Running:
    """The running means of an epoch: the loss, and the model's metrics.

    Raises ``DataError`` when a metric cannot be taken of labels like ``y``.
    """

    def __init__(self, model: Model, y: Array) -> None:
        self.metrics = [
            metric_table.for_shapes("Sequential", metric, y.ndim, model.output_shape)
            for metric in model.metrics
        ]
        for metric in self.metrics:
            # A metric that does not fit these labels should say so before the first step.
            metric.update_state(y[:1], np.zeros((1, *model.output_shape), model.dtype))
            metric.reset_state()
        self.total = 0.0
        self.seen = 0

    def update(self, loss: float, y_true: Array, y_pred: Array) -> None:
        """Take in one batch."""
        self.total += loss * len(y_true)
        self.seen += len(y_true)
        for metric in self.metrics:
            metric.update_state(y_true, y_pred)

    def figures(self) -> Figures:
        """All means so far, by name."""
        loss = self.total / self.seen if self.seen else float("nan")
        return {"loss": loss} | {metric.name: metric.result() for metric in self.metrics}


def compiled_loss(model: Model) -> Loss:
    """The model's loss; raises ``ConfigError`` if it was never compiled."""
    if model.loss is None:
        raise ConfigError(
            "Sequential: expected a compiled model. Call compile(optimizer, loss, metrics) first."
        )
    return model.loss


@contextmanager
def _at_work() -> Iterator[Room]:
    """All threads, memory that is used again, and no warnings.

    Numbers that run away are found in the loss and the weights, which names the layer.
    """
    with (
        threads.working(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        yield Room()


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
