"""A batch in equal shards, each computed by a process of its own where that can be.

The gradient of a batch is the sum of those of its shards, so two processes can compute forward and
backward passes of one half each. Threads (``minicnn._parallel.threads``) serve where that cannot
be. But a small network is hundreds of short calls of NumPy, and for each a thread waits for
Python's one lock: two threads are hardly faster than one then.

A worker is forked when a run begins (``minicnn._parallel.workers``). It has the model from then on
without a copy; for each step the parameters and the images of its shard are laid into memory that
both see, as they are at that moment, and it leaves there what came of them. Where a batch is cut
depends on its size and on the number of threads, not on whether there are workers: the results
are the same.

Predictions are cut into runs of whole batches, and a worker ends when it has filled its run.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from mmap import mmap
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn._parallel import threads
from minicnn._parallel.workers import Worker, may_fork
from minicnn.data.fitting import Data

WORTH_CUTTING = 10_000_000
"""Multiply-adds of a batch, going forward, from which it is cut into shares."""

WORTH_FORKING = 1_000_000_000
"""Multiply-adds of a whole training or prediction, going forward, from which partners are worth
the tens of milliseconds that they take to start."""

SMALLEST = 8
"""Images in a share."""


class Result(NamedTuple):
    """What comes of a share. Losses and gradients add up to those of the batch."""

    loss: float
    predictions: Array
    grads: dict[str, Array]


Compute = Callable[[Data, float, np.random.Generator], Result]
"""(some images with their labels, how large a share of their batch they are, what random layers
draw from) -> what comes of them."""


def shares_of(batch_size: int, work: int) -> int:
    """Into how many shares a batch is cut, when an image is so many multiply-adds."""
    if work * batch_size < WORTH_CUTTING:
        return 1
    return max(1, min(threads.get_threads(), batch_size // SMALLEST))


class Shares:
    """Computes batches of ``data`` in shares, with partners from ``start`` until it is closed.

    ``params`` are read before each batch; predictions are of shape (images, *output_shape).
    ``work`` is the multiply-adds of an image, ``images`` how many there will be, all epochs
    together. With ``cut=False`` each batch is one share, and draws from ``rng``. Else, if there are
    layers that draw (``random``), a number is drawn from it for each batch, and from that and its
    own each share starts a generator.
    """

    def __init__(
        self,
        compute: Compute,
        data: Data,
        params: Mapping[str, Array],
        output_shape: Shape,
        dtype: DType,
        batch_size: int,
        work: int,
        images: int,
        cut: bool,
        random: bool,
        rng: np.random.Generator,
    ) -> None:
        self.compute = compute
        self.data = data
        self.params = params
        self.outputs = output_shape, dtype
        self.batch_size = batch_size
        self.random = random
        self.rng = rng
        self.count = shares_of(batch_size, work) if cut else 1
        self.worth_forking = self.count > 1 and work * images >= WORTH_FORKING
        self.owner = os.getpid()
        self.partners: list[_Partner] = []

    def start(self) -> None:
        """Fork the partners if they are worth it and can be had: all or none."""
        if self.worth_forking and may_fork():
            try:
                self.now = {name: _shared(a.shape, a.dtype) for name, a in self.params.items()}
                for number in range(1, self.count):
                    self.partners.append(_Partner(self))
                    self.partners[-1].start(partial(self.partners[-1].serve, self, number))
            except OSError:
                self.close()

    def close(self) -> None:
        """End the partners; this process computes their shares from now on."""
        while self.partners:
            self.partners[-1].end()
            self.partners.pop()

    def run(self, numbers: Array) -> list[Result]:
        """What comes of each share of the batch with those images, in order.

        The gradients of all but the first are lost at the next call.
        """
        parts = self.cut(numbers)
        seed = int(self.rng.integers(1 << 62)) if self.random and self.count > 1 else 0
        helpers = {i: one for i, one in enumerate(self.partners, 1) if one.pids and i < len(parts)}
        if os.getpid() != self.owner:
            helpers = {}  # a callback has forked this process; the partners are not its children
        if helpers:
            for name, array in self.params.items():
                self.now[name][...] = array
        for number, helper in helpers.items():
            helper.begin(self.data.part(parts[number]), len(numbers), seed)
        begun = time.perf_counter()
        with threads.alone(bool(helpers)):
            results = [self.share(parts, 0, seed)]
            took = time.perf_counter() - begun
            for number in range(1, len(parts)):
                found = helpers[number].result(took) if number in helpers else None
                results.append(found or self.share(parts, number, seed))
        return results

    def share(self, parts: list[Array], number: int, seed: int) -> Result:
        """What comes of one share of a batch, computed here and now."""
        part = parts[number]
        rng = self.generator(number, seed)
        return self.compute(self.data.part(part), len(part) / sum(map(len, parts)), rng)

    def generator(self, number: int, seed: int) -> np.random.Generator:
        """What the random layers of a share draw from."""
        own = self.random and self.count > 1
        return np.random.default_rng((seed, number)) if own else self.rng

    def cut(self, numbers: Array) -> list[Array]:
        """A batch's images share by share; one that is too small is one share."""
        n, count = len(numbers), self.count
        if n < count * SMALLEST:
            return [numbers]
        return [numbers[n * i // count : n * (i + 1) // count] for i in range(count)]


class _Partner(Worker):
    """A worker for one share of every batch, and the memory in which it is given and answers."""

    def __init__(self, shares: Shares) -> None:
        super().__init__("train")
        most = -(-shares.batch_size // shares.count)
        output_shape, dtype = shares.outputs
        self.asked = _shared((3,), np.dtype(np.int64))
        """How many images the share has, how many the batch, and a seed."""
        x, y, *weights = (
            _shared((most, *a.shape[1:]), a.dtype) for a in shares.data if a is not None
        )
        self.data = Data(x, y, *weights)
        self.made = _shared((2,), np.dtype(np.float64))
        """The loss, and whether there are gradients."""
        self.predictions = _shared((most, *output_shape), dtype)
        self.grads = {name: _shared(a.shape, a.dtype) for name, a in shares.params.items()}

    def begin(self, part: Data, batch: int, seed: int) -> None:
        """Ask for what comes of that part of a batch of so many."""
        self.asked[:] = len(part.x), batch, seed
        for place, array in zip(self.data, part, strict=True):
            if place is not None:
                place[: len(part.x)] = array
        self.ask()

    def serve(self, shares: Shares, number: int) -> None:
        """In the process: compute the share."""
        for name, array in shares.params.items():
            array[...] = shares.now[name]
        n, batch, seed = map(int, self.asked)
        rng = shares.generator(number, seed)
        result = shares.compute(self.data.part(slice(n)), n / batch, rng)
        self.made[:] = result.loss, bool(result.grads)
        self.predictions[:n] = result.predictions
        for name, grad in result.grads.items():
            self.grads[name][...] = grad

    def result(self, seconds: float) -> Result | None:
        """What came of the share, which should take so many seconds; None if nothing will come."""
        if not self.answers(seconds):
            return None
        grads = self.grads if self.made[1] else {}
        return Result(float(self.made[0]), self.predictions[: self.asked[0]], grads)


Fill = Callable[[Array, int, int, bool], None]
"""(y, first, last, whether in a partner): computes that run of the parts of y."""


def filled(shape: Shape, dtype: DType, parts: int, fill: Fill, work: int) -> Array:
    """An array whose parts, so many, are filled by ``fill``, runs of them by partners.

    ``work`` is the multiply-adds of all. What a partner leaves undone is computed here.
    """
    count = min(threads.get_threads(), parts)
    y, workers = np.empty(shape, dtype), list[tuple[Worker, int, int]]()
    try:
        if count > 1 and work >= WORTH_FORKING and may_fork():
            with suppress(OSError):  # no memory or no process left: fewer partners, or none
                y = _shared(shape, dtype)
                for i in reversed(range(1, count)):
                    first, last = parts * i // count, parts * (i + 1) // count
                    worker = Worker("predict")
                    workers.append((worker, first, last))
                    worker.start(partial(fill, y, first, last, True))
                    worker.ask()
        begun = time.perf_counter()
        with threads.alone(any(worker.pids for worker, _, _ in workers)):
            fill(y, 0, min((first for _, first, _ in workers), default=parts), False)
            took = time.perf_counter() - begun
            for worker, first, last in workers:
                if not worker.answers(took):
                    fill(y, first, last, False)
    finally:
        for worker, _, _ in workers:
            worker.end()
    return y.copy() if workers else y  # processes that are forked later have their own, too


def _shared(shape: Shape, dtype: DType) -> Array:
    """Zeros in memory that a forked process shares."""
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(mmap(-1, max(size, 1)), dtype, int(np.prod(shape))).reshape(shape)
