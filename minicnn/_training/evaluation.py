"""``evaluate`` and ``predict``, and the validation within ``fit``."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice

import numpy as np

from minicnn._core.console import Logs
from minicnn._core.shapes import Array
from minicnn._parallel.ranks import Ranks
from minicnn._training import kept
from minicnn._training.metrics import RunningMetrics
from minicnn._training.model import Model
from minicnn._training.program import Program, at_work
from minicnn._training.progress import Progress, Show, check_verbose
from minicnn.data.arrays import batches, check_batch_size
from minicnn.data.fitting import Data
from minicnn.data.loaders import Batch, Loader
from minicnn.data.pixels import compare
from minicnn.errors import DataError


def evaluate(
    model: Model, loader: Loader, verbose: str | int = 0, steps: int | None = None
) -> Logs:
    """The loss and the metrics over so many batches, or all, outside training."""
    with kept.program(model) as program:
        loader, metrics = program.prepared(model, loader)
        steps = min((n for n in (steps, loader.steps) if n is not None), default=None)
        with Progress(verbose).watch("evaluate", steps) as show, at_work():
            return evaluated(program, loader, metrics, steps, show=show)


def evaluated(
    program: Program,
    loader: Loader,
    metrics: RunningMetrics,
    steps: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    show: Show = lambda logs, done: None,
    call: Callable[..., None] = lambda event, *arguments: None,
    ranks: Ranks | None = None,
) -> Logs:
    """The logs of the first ``steps`` batches, or of all, until ``stop``.

    ``call`` is told of each batch, as callbacks are. Of several ranks each computes some batches.
    """
    penalty = program.penalty()
    metrics.reset()
    found = _computed(program, islice(loader.once(), steps), ranks)
    for step, (part, compute) in enumerate(found):
        call("on_test_batch_begin", step, {})
        loss, losses, predictions = compute()
        metrics.update(loss + penalty, part, predictions, losses)
        logs = metrics.logs()
        show(logs, 1)
        call("on_test_batch_end", step, logs)
        if stop():
            break
    return metrics.logs()


Evaluated = tuple[float, tuple[float, ...], tuple[Array, ...]]
"""See ``Program.evaluate``."""


def _computed(
    program: Program, batches: Iterator[Batch], ranks: Ranks | None
) -> Iterator[tuple[Data, Callable[[], Evaluated]]]:
    """Each batch without need of its images, and what gives its losses and predictions."""
    if ranks is None:
        for batch in batches:
            part = batch.part()
            yield part, partial(program.evaluate, part)
        return
    while True:
        answers, own = [], None
        for number, batch in enumerate(islice(batches, ranks.count)):
            if number == ranks.number:
                own = program.evaluate(batch.part())
            answers.append(batch.data.answers(batch.samples))
        if not answers:
            return
        for part, made in zip(answers, ranks.collected(own), strict=False):
            yield part, partial(_given, made)


def _given(made: Evaluated) -> Evaluated:
    return made


def predict_batches(
    model: Model, batches: Iterator[Sequence[Array]], verbose: str | int, steps: int | None
) -> tuple[Array, ...]:
    """The model's outputs for all batches; the model is built when the first has come.

    Raises ``DataError`` if there is none.
    """
    made = []
    with ExitStack() as stack:
        show = stack.enter_context(Progress(verbose).watch("predict", steps))
        stack.enter_context(at_work())
        program = None
        for xs in batches:
            if program is None:
                compare("predict", model.pixels, xs[0])
                program = stack.enter_context(kept.inference(model))
            made.append([y.copy() for y in program.outputs(xs)])
            show({}, 1)
    if not made:
        raise DataError("predict: expected batches, got none.")
    return tuple(np.concatenate(parts) for parts in zip(*made, strict=True))


def predict(
    model: Model, xs: Sequence[Array], batch_size: int, verbose: str | int = 0
) -> tuple[Array, ...]:
    """The model's outputs for every image of the inputs, made a batch at a time."""
    check_batch_size(batch_size)
    check_verbose(verbose)
    images = len(xs[0])
    if images <= batch_size and not verbose:
        with kept.inference(model) as program:
            return tuple(y.astype(program.dtype, order="C") for y in program.answer(xs))
    todo = list(batches(images, batch_size))
    watch = Progress(verbose).watch("predict", len(todo))
    with watch as show, kept.inference(model) as program, at_work():
        shapes = program.output_shapes
        ys = tuple(np.empty((images, *shape), program.dtype) for shape in shapes)
        for batch in todo:
            for y, made in zip(ys, program.outputs([x[batch] for x in xs]), strict=True):
                y[batch] = made
            show({}, 1)
    return ys
