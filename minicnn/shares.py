"""A batch in equal shares, each computed by a process of its own where that can be.

The gradient of a batch is the sum of those of its shares, so two processes can go forward and
back with one half each. Threads (``minicnn.threads``) serve where that cannot be. But a small
network is hundreds of short calls of NumPy, and for each a thread waits for Python's one lock:
two threads are hardly faster than one then.

A partner is forked when training begins. It has the images and the model from then on without
a copy; for each step it is told the parameters and which images are in the batch, and leaves
what came of its share in memory that both see. It ends when the pipe on which it waits is
closed, by ``Shares`` or by the end of this process. Where a batch is cut depends on its size and
on the number of threads, not on whether there are partners: the results are the same.

Predictions are cut into runs of whole batches, and a partner ends when it has filled its run.
"""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from mmap import mmap
from typing import NamedTuple

import numpy as np

from minicnn import threads
from minicnn.console import warn
from minicnn.shapes import Array, DType, Shape

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


Compute = Callable[[Array, float, np.random.Generator], Result]
"""(the numbers of some images, how large a share of their batch they are, what random layers draw
from) -> what comes of them."""


def shares_of(batch_size: int, work: int) -> int:
    """Into how many shares a batch is cut, when an image is so many multiply-adds."""
    if work * batch_size < WORTH_CUTTING:
        return 1
    return max(1, min(threads.get_threads(), batch_size // SMALLEST))


class Shares:
    """Computes batches in shares, with partners until it is closed.

    ``params`` are read before each batch; predictions are of shape (images, *output_shape).
    ``work`` is the multiply-adds of an image, ``images`` how many there will be, all epochs
    together. With ``cut=False`` each batch is one share, and draws from ``rng``. Else, if there are
    layers that draw (``random``), a number is drawn from it for each batch, and from that and its
    own each share starts a generator.
    """

    def __init__(
        self,
        compute: Compute,
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
        self.params = params
        self.random = random
        self.rng = rng
        self.count = shares_of(batch_size, work) if cut else 1
        self.partners: list[_Partner] = []
        if self.count > 1 and work * images >= WORTH_FORKING and may_fork():
            outputs = (-(-batch_size // self.count), *output_shape)
            try:
                self.batch = _shared((batch_size + 2,), np.dtype(np.int64))
                self.now = {name: _shared(a.shape, a.dtype) for name, a in params.items()}
                for number in range(1, self.count):
                    self.partners.append(_Partner(self, number, outputs, dtype))
            except OSError:  # no memory or no process left for them: all or none
                self.close()

    def close(self) -> None:
        """End the partners; this process computes their shares from now on."""
        while self.partners:
            self.partners.pop().end()

    def run(self, numbers: Array) -> list[Result]:
        """What comes of each share of the batch with those images, in order.

        The gradients of all but the first are lost at the next call.
        """
        parts = self.cut(numbers)
        seed = int(self.rng.integers(1 << 62)) if self.random and self.count > 1 else 0
        partners = self.partners[: len(parts) - 1]
        if partners:
            self.batch[:2] = len(numbers), seed
            self.batch[2 : len(numbers) + 2] = numbers
            for name, array in self.params.items():
                self.now[name][...] = array
        for partner in partners:
            partner.begin()
        with threads.alone(bool(partners)):
            results = [self.share(parts, 0, seed)]
            for number, part in enumerate(parts[1:]):
                found = partners[number].result(len(part)) if partners else None
                results.append(found or self.share(parts, number + 1, seed))
        return results

    def share(self, parts: list[Array], number: int, seed: int) -> Result:
        """What comes of one share of a batch, computed here and now."""
        own = self.random and self.count > 1
        rng = np.random.default_rng((seed, number)) if own else self.rng
        return self.compute(parts[number], len(parts[number]) / sum(map(len, parts)), rng)

    def cut(self, numbers: Array) -> list[Array]:
        """A batch's images share by share; one that is too small is one share."""
        n, count = len(numbers), self.count
        if n < count * SMALLEST:
            return [numbers]
        return [numbers[n * i // count : n * (i + 1) // count] for i in range(count)]


class _Partner:
    """A forked process, as the one that forked it sees it, and what it does itself."""

    def __init__(self, shares: Shares, number: int, outputs: Shape, dtype: DType) -> None:
        self.loss = _shared((1,), np.dtype(np.float64))
        self.predictions = _shared(outputs, dtype)
        self.grads = {name: _shared(a.shape, a.dtype) for name, a in shares.params.items()}
        self.failed = False
        with ExitStack() as ours, ExitStack() as its:
            asked, self.ask = os.pipe()
            its.callback(os.close, asked)
            ours.callback(os.close, self.ask)
            self.answered, answer = os.pipe()
            its.callback(os.close, answer)
            ours.callback(os.close, self.answered)
            self.pid = _forked(lambda: self._serve(shares, number, asked, answer))
            ours.pop_all()

    def _serve(self, shares: Shares, number: int, asked: int, answer: int) -> None:
        """Compute that share of every batch, until nobody asks any more."""
        # The pipes of the partners before, too, must end with the process that asks.
        for partner in (*shares.partners, self):
            os.close(partner.ask)
        while os.read(asked, 1):
            for name, array in shares.params.items():
                array[...] = shares.now[name]
            n, seed = map(int, shares.batch[:2])
            result = shares.share(shares.cut(shares.batch[2 : n + 2]), number, seed)
            self.loss[0] = result.loss
            self.predictions[: len(result.predictions)] = result.predictions
            for name, grad in result.grads.items():
                self.grads[name][...] = grad
            done = b"." if result.grads else b"0"
            del result  # the next one needs the memory
            os.write(answer, done)

    def begin(self) -> None:
        """Ask for the share of the batch at hand."""
        if not self.failed:
            with suppress(BrokenPipeError):  # there will be no answer either
                os.write(self.ask, b".")

    def result(self, n: int) -> Result | None:
        """What came of the n images of the share; None when the partner is no more."""
        answer = b"" if self.failed else os.read(self.answered, 1)
        if not answer:
            if not self.failed:
                warn(
                    "A process that helped to train has ended; its share is computed here, more "
                    "slowly, with the same result."
                )
            self.failed = True
            return None
        grads = self.grads if answer == b"." else {}
        return Result(float(self.loss[0]), self.predictions[:n], grads)

    def end(self) -> None:
        """Let the process end, and wait until it has."""
        os.close(self.ask)
        os.close(self.answered)
        os.waitpid(self.pid, 0)


Fill = Callable[[Array, int, int, bool], None]
"""(y, first, last, whether in a partner): computes that run of the parts of y."""


def filled(shape: Shape, dtype: DType, parts: int, fill: Fill, work: int) -> Array:
    """An array whose parts, so many, are filled by ``fill``, runs of them by partners.

    ``work`` is the multiply-adds of all. What a partner leaves undone is computed here.
    """
    count = min(threads.get_threads(), parts)
    y, partners = np.empty(shape, dtype), {}
    if count > 1 and work >= WORTH_FORKING and may_fork():
        with suppress(OSError):  # no memory or no process left: fewer partners, or none
            y = _shared(shape, dtype)
            for i in reversed(range(1, count)):
                run = parts * i // count, parts * (i + 1) // count
                partners[_forked(partial(fill, y, *run, True))] = run
    try:
        with threads.alone(bool(partners)):
            fill(y, 0, min((first for first, _ in partners.values()), default=parts), False)
            for pid in list(partners):
                first, last = partners.pop(pid)
                if os.waitpid(pid, 0)[1]:
                    fill(y, first, last, False)
    finally:
        for pid in partners:  # only after an interrupt or an error is any left
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return y


def _forked(work: Callable[[], None]) -> int:
    """The number of a new process that does the work and ends, with status 0 if it could."""
    # No signal comes before the child has laid down the program's handlers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside other threads; see may_fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            # Ctrl-C is for the one that asks, and so is SIGTERM if that one heeds it.
            ignored = [signal.SIGINT]
            if callable(signal.getsignal(signal.SIGTERM)):
                ignored.append(signal.SIGTERM)
            for sign in signal.valid_signals():
                if callable(signal.getsignal(sign)):
                    signal.signal(sign, signal.SIG_DFL)
            for sign in ignored:
                signal.signal(sign, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            with threads.alone():
                work()
            status = 0
        finally:
            os._exit(status)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def may_fork() -> bool:
    """Whether this process can be forked without harm.

    A lock that another thread holds at that moment stays locked in the child forever. So there
    must be no threads but those known to be at rest: BLAS', our own, and that of tqdm. Nor may
    the program see to the end of its children itself, as it would then see to ours.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
        return False
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    known = all(t.name == threads.WORKER or type(t).__name__ == "TMonitor" for t in others)
    at_rest = 1 + len(others) + threads.blas_workers()
    try:
        return known and len(os.listdir("/proc/self/task")) <= at_rest
    except OSError:
        return False


def _shared(shape: Shape, dtype: DType) -> Array:
    """Zeros in memory that a forked process shares."""
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(mmap(-1, max(size, 1)), dtype, int(np.prod(shape))).reshape(shape)
