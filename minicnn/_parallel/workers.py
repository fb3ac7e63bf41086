"""Who computes the shards of a batch: this process, or workers that it has forked.

Threads (``minicnn._parallel.threads``) share the work within a shard. But a small network is
hundreds of short calls of NumPy, and for each a thread waits for Python's one lock: two threads
are hardly faster than one then, and two processes are.

``Workers`` is all that training knows of them. Another way to compute the shards, such as several
machines, is one more class with these three methods: it takes the shards from ``Shards.cut`` and
hands their results, in order, to ``reduced``.

Predictions are cut into runs of whole batches (``filled``), and a worker ends when it has filled
its run.
"""

import gc
import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from mmap import mmap
from typing import Any, Protocol

import numpy as np

from minicnn._core.drawing import PartOfBatch
from minicnn._core.shapes import Array, DType, Shape
from minicnn._parallel import threads
from minicnn._parallel.processes import ForkedProcess, may_fork
from minicnn._parallel.shards import Arrays, Batch, Result, Shards, reduced, some_of

WORTH_FORKING = 1_000_000_000
"""Multiply-adds of a whole run, in the forward passes, from which forked workers are worth the tens
of milliseconds that they take to start."""


SPARE = 256
"""Bytes by which a generator's state, pickled, may grow."""


class Workers(Protocol):
    """Computes the batches of a run, from ``start`` until ``close``.

    Whoever computes a shard, its result is the same to the bit, and so is the batch's.
    """

    shards: Shards
    """How batches are cut, and what computes a shard."""

    def start(self) -> None:
        """Get ready to compute."""

    def gradients(self, data: Arrays, numbers: Array) -> Result:
        """What comes of the batch of those of the samples, its shards added up.

        The parameters and the data are read as they are at that moment.
        """

    def close(self) -> None:
        """Give back what ``start`` took; batches can still be computed, more slowly."""


def workers_for(
    shards: Shards,
    params: Mapping[str, Array],
    output_shapes: Sequence[Shape],
    dtype: DType,
    work: int,
) -> Workers:
    """Forked workers where they are worth it and can be had, else this process alone.

    ``work`` is the multiply-adds of the whole run; ``params`` are read before each batch, and
    the predictions of each output of
    shape (samples, *output_shape).
    """
    if shards.count > 1 and work >= WORTH_FORKING and may_fork():
        return Forked(shards, params, output_shapes, dtype)
    return InProcess(shards)


class InProcess:
    """Computes one shard after another in this process."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards

    def start(self) -> None:
        """See ``Workers.start``: there is nothing to do."""

    def gradients(self, data: Arrays, numbers: Array) -> Result:
        """See ``Workers.gradients``."""
        batch = self.shards.cut(data, numbers)
        return reduced([self.shards.result(batch, i) for i in range(len(batch.parts))])

    def close(self) -> None:
        """See ``Workers.close``: there is nothing to do."""


class Forked:
    """A forked process for each shard but the first, which this process computes meanwhile.

    A worker has the model, as it was when the run began, without a copy; for each batch the
    parameters and its shard's samples are laid into memory that both see, and it leaves there what
    came of them. What a worker leaves undone is computed here.
    """

    def __init__(
        self,
        shards: Shards,
        params: Mapping[str, Array],
        output_shapes: Sequence[Shape],
        dtype: DType,
    ) -> None:
        self.shards = shards
        self.params = params
        self.outputs = output_shapes, dtype
        self.owner = os.getpid()
        self.frozen = False
        self.workers: list[_ShardWorker] = []

    def start(self) -> None:
        """Fork the workers: all, or none if one cannot be had.

        Meanwhile no garbage is collected among what is there now: that would touch, and so copy,
        all memory that the workers share with this process.
        """
        self.frozen = gc.get_freeze_count() == 0
        if self.frozen:
            gc.freeze()
        try:
            self.now = {name: _shared(a.shape, a.dtype) for name, a in self.params.items()}
            for _ in range(1, self.shards.count):
                self.workers.append(_ShardWorker(self))
                self.workers[-1].start(partial(self.workers[-1].serve, self))
        except OSError:
            self.close()

    def close(self) -> None:
        """End the workers; this process computes their shards from now on."""
        if self.frozen:
            gc.unfreeze()
            self.frozen = False
        while self.workers:
            self.workers[-1].end()
            self.workers.pop()

    def gradients(self, data: Arrays, numbers: Array) -> Result:
        """See ``Workers.gradients``."""
        batch = self.shards.cut(data, numbers)
        count = len(batch.parts)
        busy = {i: one for i, one in enumerate(self.workers, 1) if one.pids and i < count}
        if os.getpid() != self.owner:
            busy = {}  # a callback has forked this process; the workers are not its children
        if busy:
            for name, array in self.params.items():
                self.now[name][...] = array
        busy = {i: worker for i, worker in busy.items() if worker.begin(batch, i)}
        begun = time.perf_counter()
        with threads.alone(bool(busy)):
            results = [self.shards.result(batch, 0)]
            took = time.perf_counter() - begun
            for number in range(1, count):
                found = busy[number].result(took) if number in busy else None
                results.append(found or self.shards.result(batch, number))
        return reduced(results)


class _ShardWorker(ForkedProcess):
    """A worker for one shard of every batch, and the memory in which it is given and answers."""

    def __init__(self, forked: Forked) -> None:
        super().__init__("train")
        shards, (output_shapes, dtype) = forked.shards, forked.outputs
        most = -(-shards.batch_size // shards.count)
        self.asked = _shared((4,), np.dtype(np.int64))
        """The first sample of the shard, the one after its last, how many the batch has, and the
        bytes of ``state``."""
        self.state = _shared((len(pickle.dumps(_state_of(shards))) + SPARE,), np.dtype(np.uint8))
        """That of the batch's generator, pickled."""
        self.data = tuple(
            None if a is None else _shared((most, *a.shape[1:]), a.dtype) for a in shards.like
        )
        self.made = _shared((2 + len(output_shapes),), np.dtype(np.float64))
        """The loss, whether there are gradients, and the losses of the outputs."""
        self.predictions = tuple(_shared((most, *shape), dtype) for shape in output_shapes)
        self.grads = {name: _shared(a.shape, a.dtype) for name, a in forked.params.items()}

    def begin(self, batch: Batch, number: int) -> bool:
        """Ask for what comes of a shard; False if it is too large, or of another kind."""
        samples = len(batch.parts[number])
        pairs = list(zip(self.data, batch.of(number), strict=True))
        if not all(_fits(array, place) for place, array in pairs):
            return False
        first, state = sum(map(len, batch.parts[:number])), pickle.dumps(batch.state)
        self.asked[:] = first, first + samples, batch.samples, len(state)
        self.state[: len(state)] = np.frombuffer(state, np.uint8)
        for place, array in pairs:
            if place is not None:
                place[:samples] = array
        self.ask()
        return True

    def serve(self, forked: Forked) -> None:
        """In the process: compute the shard."""
        for name, array in forked.params.items():
            array[...] = forked.now[name]
        first, end, batch, size = map(int, self.asked)
        n, state, rng = end - first, pickle.loads(self.state[:size].tobytes()), forked.shards.rng
        if state is not None:
            rng = PartOfBatch(forked.shards.drawing(state), slice(first, end), batch)
        result = forked.shards.compute(some_of(self.data, slice(n)), n / batch, rng)
        self.made[:2] = result.loss, bool(result.grads)
        self.made[2 : 2 + len(result.losses)] = result.losses
        for place, array in zip(self.predictions, result.predictions, strict=True):
            place[:n] = array
        for name, grad in result.grads.items():
            self.grads[name][...] = grad

    def result(self, seconds: float) -> Result | None:
        """What came of the shard, which should take so many seconds; None if nothing will come.

        Its arrays are written over at the next batch.
        """
        if not self.answers(seconds):
            return None
        grads = self.grads if self.made[1] else {}
        predictions = tuple(place[: self.asked[1] - self.asked[0]] for place in self.predictions)
        losses = self.made[2:].tolist() if len(self.predictions) > 1 else ()
        return Result(float(self.made[0]), predictions, grads, tuple(losses))


Fill = Callable[[tuple[Array, ...], int, int, bool], None]
"""(ys, first, last, whether in a worker): computes that run of the parts of all ys."""


def filled(
    shapes: Sequence[Shape], dtype: DType, parts: int, fill: Fill, work: int
) -> tuple[Array, ...]:
    """Arrays whose parts, so many, are filled by ``fill``, runs of them by forked workers.

    ``work`` is the multiply-adds of all; 0 where workers are of no use. What a worker
    leaves undone is computed here.
    """
    count = min(threads.get_threads(), parts)
    ys = tuple(np.empty(shape, dtype) for shape in shapes)
    workers = list[tuple[ForkedProcess, int, int]]()
    try:
        if count > 1 and work >= WORTH_FORKING and may_fork():
            with suppress(OSError):  # no memory or no process left: fewer workers, or none
                ys = tuple(_shared(shape, dtype) for shape in shapes)
                for i in reversed(range(1, count)):
                    first, last = parts * i // count, parts * (i + 1) // count
                    worker = ForkedProcess("predict")
                    workers.append((worker, first, last))
                    worker.start(partial(fill, ys, first, last, True))
                    worker.ask()
        begun = time.perf_counter()
        with threads.alone(any(worker.pids for worker, _, _ in workers)):
            fill(ys, 0, min((first for _, first, _ in workers), default=parts), False)
            took = time.perf_counter() - begun
            for worker, first, last in workers:
                if not worker.answers(took):
                    fill(ys, first, last, False)
    finally:
        for worker, _, _ in workers:
            worker.end()
    # Processes that are forked later copy theirs, too.
    return tuple(y.copy() for y in ys) if workers else ys


def _state_of(shards: Shards) -> Any:
    return shards.rng.bit_generator.state if shards.random else None


def _fits(array: Array | None, place: Array | None) -> bool:
    """Whether an array can be laid into memory that was made for others."""
    if array is None or place is None:
        return array is place
    kind = array.shape[1:], array.dtype
    return len(array) <= len(place) and kind == (place.shape[1:], place.dtype)


def _shared(shape: Shape, dtype: DType) -> Array:
    """Zeros in memory that a forked process shares."""
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(mmap(-1, max(size, 1)), dtype, int(np.prod(shape))).reshape(shape)
