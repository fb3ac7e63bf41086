"""``evaluate`` and ``predict``, and what ``fit`` shares with them.

Figures are running means over the batches, weighted by their sizes, as in Keras. The loss is that
of the data, plus the penalties of the layers' regularizers.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np

from minicnn import metrics as metric_table
from minicnn._core.console import Figures
from minicnn._core.shapes import Array, DType, Shape
from minicnn._parallel import threads
from minicnn._parallel.workers import filled
from minicnn._training.progress import Progress, Show
from minicnn.activations import ACTIVATIONS
from minicnn.callbacks.history import History
from minicnn.data.arrays import batches, check_batch_size
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError, DataError
from minicnn.kernels import KERNELS, Workspace
from minicnn.layers import Layer, chain
from minicnn.layers.base import walk
from minicnn.layers.chain import Step
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer
from minicnn.regularizers import Regularizer


class Model(Protocol):
    """What the loop needs to know of a model that is built and compiled."""

    @property
    def stack(self) -> Sequence[Layer]: ...
    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def output_shape(self) -> Shape: ...

    dtype: DType
    kernels: str
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: Sequence[str | Metric]
    history: History | None


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


def evaluate(model: Model, data: Data, batch_size: int, verbose: str | int = 0) -> Figures:
    """The loss and the metrics over the data, outside training."""
    check_batch_size(batch_size)
    data = targeted(model, data)
    steps = -(-len(data.x) // batch_size)
    with Progress(verbose).watch("evaluate", steps) as show, at_work(model.kernels) as room:
        return judge(model, data, batch_size, room, show=show).figures()


def targeted(model: Model, data: Data, where: str = "") -> Data:
    """The data with labels as the loss computes with them.

    Raises ``DataError``, which says ``where`` the labels are from, when the loss or a metric cannot
    be taken of labels like these.
    """
    goal = objective(model.steps, compiled_loss(model))
    try:
        data = data._replace(y=goal.loss.targets(data.y, model.output_shape))
        Running(model, data.y)
    except DataError as error:
        raise DataError(f"{where}{error}") from None
    return data


def judge(
    model: Model,
    data: Data,
    batch_size: int,
    room: Workspace,
    steps: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    show: Show = lambda figures, done: None,
    call: Callable[..., None] = lambda event, *arguments: None,
) -> "Running":
    """The figures of the first ``steps`` batches, or of all, until ``stop``.

    ``call`` is told of each batch, as callbacks are.
    """
    goal = objective(model.steps, compiled_loss(model))
    penalty = total_penalty(penalties(model))
    running = Running(model, data.y)
    for step, batch in enumerate(islice(batches(len(data.x), batch_size), steps)):
        call("on_test_batch_begin", step, {})
        part = data.part(batch)
        with room.begin():
            z = chain.infer(goal.steps, as_read(goal.steps, part.x, model.dtype))
        running.update(data_loss(goal, part, z) + penalty, part.y, own(goal.predictions(z), z))
        figures = running.figures()
        show(figures, 1)
        call("on_test_batch_end", step, figures)
        if stop():
            break
    return running


def data_loss(goal: Objective, data: Data, z: Array) -> float:
    """The mean loss of what the steps made of some samples."""
    if data.weights is None:
        return goal.loss(data.y, z)
    return goal.loss(data.y, z, data.weights)


class Penalty(NamedTuple):
    """A parameter, and what holds it small."""

    name: str
    param: Array
    regularizer: Regularizer


def penalties(model: Model) -> list[Penalty]:
    """Those of the parameters that are trained, as in Keras."""
    return [
        Penalty(f"{layer.name}.{name}", array, regularizer)
        for layer in model.stack
        if (array_of := layer.learned())
        for name, regularizer in layer.regularizers().items()
        if (array := array_of.get(name)) is not None
    ]


def total_penalty(found: Sequence[Penalty]) -> float:
    """What the regularizers add to the loss."""
    return sum(penalty.regularizer(penalty.param) for penalty in found)


def as_read(steps: Sequence[Step], x: Array, dtype: DType) -> Array:
    """A batch in the model's dtype, unless the first step reads what is in a file."""
    return x if steps[0].reads_bytes else x.astype(dtype, copy=False)


def own(predictions: Array, z: Array) -> Array:
    """Predictions that a metric may keep: z may lie in memory that the next step writes over."""
    return z.copy() if predictions is z else predictions


def predict(model: Model, x: Array, batch_size: int, verbose: str | int = 0) -> Array:
    """The model's output for every image of x, made a batch at a time."""
    check_batch_size(batch_size)
    steps, todo = model.steps, list(batches(len(x), batch_size))
    seen = 0
    with Progress(verbose).watch("predict", len(todo)) as show, at_work(model.kernels) as room:

        def fill(y: Array, first: int, last: int, elsewhere: bool) -> None:
            nonlocal seen
            for batch in todo[first:last]:
                with room.begin():
                    y[batch] = chain.infer(steps, as_read(steps, x[batch], model.dtype))
                if not elsewhere:
                    seen += 1
                    show({}, 1)

        shape, work = (len(x), *model.output_shape), multiply_adds(model) * len(x)
        y = filled(shape, model.dtype, len(todo), fill, work)
        show({}, len(todo) - seen)
    return y


def multiply_adds(model: Model) -> int:
    """Those of one image, going forward."""
    return sum(layer.multiply_adds(layer.input_shape or ()) for layer in model.stack)


class Running:
    """The running means of an epoch or an evaluation: the loss, and metrics like the model's.

    The metrics are copies, so that no run disturbs another, nor the objects of the user. Raises
    ``DataError`` when a metric cannot be taken of labels like ``y``.
    """

    def __init__(self, model: Model, y: Array) -> None:
        self.metrics = [
            metric_table.for_shapes("Sequential", _fresh(metric, model), y.ndim, model.output_shape)
            for metric in model.metrics
        ]
        self._one = y[:1], np.zeros((1, *model.output_shape), model.dtype)
        for metric in self.metrics:
            # A metric that does not fit these labels should say so before the first step.
            metric.update_state(*self._one)
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
            metric.update_state(*self._one)
            metric.set_state(counted)
        self.figures()


def _fresh(metric: Metric | str, model: Model) -> Metric | str:
    """A copy of the metric that has seen nothing; what belongs to the model it shares with it.

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


def compiled_loss(model: Model) -> Loss:
    """The model's loss; raises ``ConfigError`` if it was never compiled."""
    if model.loss is None and model.optimizer is not None:
        raise ConfigError(
            "Sequential: expected a model compiled with a loss, got none. Call compile(optimizer, "
            "loss, metrics) with one, such as loss='sparse_categorical_crossentropy'."
        )
    if model.loss is None:
        raise ConfigError(
            "Sequential: expected a compiled model. Call compile(optimizer, loss, metrics) first."
        )
    return model.loss


@contextmanager
def at_work(kernels: str) -> Iterator[Workspace]:
    """All threads, memory that is used again, and no warnings.

    Numbers that run away are found in the loss and the weights, which names the layer.
    """
    with (
        threads.working(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        try:
            yield KERNELS[kernels].workspace()
        except MemoryError as error:
            raise ConfigError(
                f"Sequential: this does not fit in memory ({error or 'no more of it'}). Try a "
                "smaller batch_size; model.summary(batch_size=32) says how much one takes."
            ) from None
