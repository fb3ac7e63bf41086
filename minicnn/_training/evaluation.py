"""``evaluate`` and ``predict``, and the validation within ``fit``."""

from collections.abc import Callable, Sequence
from itertools import islice

from minicnn._core.console import Logs
from minicnn._core.shapes import Array
from minicnn._parallel.workers import filled
from minicnn._training.metrics import RunningMetrics
from minicnn._training.model import Model
from minicnn._training.program import Inference, Program, at_work
from minicnn._training.progress import Progress, Show
from minicnn.data.arrays import batches, check_batch_size
from minicnn.data.fitting import Data


def evaluate(model: Model, data: Data, batch_size: int, verbose: str | int = 0) -> Logs:
    """The loss and the metrics over the data, outside training."""
    check_batch_size(batch_size)
    program = Program(model)
    data, metrics = program.prepared(model, data)
    steps = -(-data.samples // batch_size)
    with Progress(verbose).watch("evaluate", steps) as show, at_work():
        return evaluated(program, data, metrics, batch_size, show=show)


def evaluated(
    program: Program,
    data: Data,
    metrics: RunningMetrics,
    batch_size: int,
    steps: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    show: Show = lambda logs, done: None,
    call: Callable[..., None] = lambda event, *arguments: None,
) -> Logs:
    """The logs of the first ``steps`` batches, or of all, until ``stop``.

    ``call`` is told of each batch, as callbacks are.
    """
    penalty = program.penalty()
    metrics.reset()
    for step, batch in enumerate(islice(batches(data.samples, batch_size), steps)):
        call("on_test_batch_begin", step, {})
        part = data.part(batch)
        loss, losses, predictions = program.evaluate(part)
        metrics.update(loss + penalty, part, predictions, losses)
        logs = metrics.logs()
        show(logs, 1)
        call("on_test_batch_end", step, logs)
        if stop():
            break
    return metrics.logs()


def predict(
    model: Model, xs: Sequence[Array], batch_size: int, verbose: str | int = 0
) -> tuple[Array, ...]:
    """The model's outputs for every image of the inputs, made a batch at a time."""
    check_batch_size(batch_size)
    images = len(xs[0])
    program, todo = Inference(model), list(batches(images, batch_size))
    seen = 0
    with Progress(verbose).watch("predict", len(todo)) as show, at_work():

        def fill(ys: Sequence[Array], first: int, last: int, elsewhere: bool) -> None:
            nonlocal seen
            for batch in todo[first:last]:
                for y, made in zip(ys, program.outputs([x[batch] for x in xs]), strict=True):
                    y[batch] = made
                if not elsewhere:
                    seen += 1
                    show({}, 1)

        shapes = [(images, *shape) for shape in program.output_shapes]
        ys = filled(shapes, program.dtype, len(todo), fill, program.multiply_adds * images)
        show({}, len(todo) - seen)
    return ys
