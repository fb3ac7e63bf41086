"""The threads that work on a batch: how many there are, and how work is cut for them.

NumPy lets other threads run while it copies and multiplies, so a batch is cut into as
many runs of images ("shards") as there are threads, each worked on from end to end, and BLAS
itself gets one thread in each. The alternative, one thread that hands every product
to a BLAS with many, leaves the other cores idle in all that is not a product, and
its threads wait for each other, spinning, many times in a step.

Shards are cut in the same places every time and their sums added in the same order: at a
fixed number of threads results repeat to the bit.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from minicnn.errors import ConfigError
from minicnn.shapes import Array

__all__ = ["get_threads", "product", "set_threads", "shards", "working"]

CHOICES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""Where a user may have said how many threads there should be."""

WORTH_SHARDS = 4_000_000
"""Multiply-adds from which a product is cut: about 40 microseconds of one core."""

T = TypeVar("T")
Task = tuple[Callable[[], Any], "SimpleQueue[tuple[Any, BaseException | None]]"]


class _Team:
    """The state of the process: the wish, the workers, and how many runs are under way."""

    def __init__(self) -> None:
        self.wanted: int | None = None
        self.tasks: list[SimpleQueue[Task]] = []
        self.lock = threading.Lock()
        self.runs = 0

    def worker(self, number: int) -> "SimpleQueue[Task]":
        """The queue of that worker, who is started when first asked for."""
        with self.lock:
            while len(self.tasks) <= number:
                tasks: SimpleQueue[Task] = SimpleQueue()
                threading.Thread(target=_serve, args=(tasks,), daemon=True).start()
                self.tasks.append(tasks)
        return self.tasks[number]

    def forget_workers(self) -> None:
        """After a fork: the child has no threads but the one that forked."""
        self.lock, self.tasks, self.runs = threading.Lock(), [], 0


_team = _Team()
_inside = threading.local()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_team.forget_workers)


def _serve(tasks: "SimpleQueue[Task]") -> None:
    _inside.shard = True
    while True:
        work, done = tasks.get()
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))
        del work, done  # what a finished shard held should not live on until the next one


def set_threads(n: int | None) -> None:
    """Use n threads in ``fit``, ``evaluate`` and ``predict``; None is one for every core.

    Without it their number is that in OPENBLAS_NUM_THREADS, OMP_NUM_THREADS,
    MKL_NUM_THREADS or BLIS_NUM_THREADS, or else the number of cores that the process may use.
    Results repeat to the bit at one number of threads, not from one number to another.
    Raises ``ConfigError`` unless n is a whole number of at least 1.

    >>> set_threads(1)
    >>> get_threads()
    1
    >>> set_threads(None)
    """
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
        raise ConfigError(
            f"set_threads: expected a whole number of at least 1, or None, got {n!r}."
        )
    _team.wanted = n


def get_threads() -> int:
    """How many threads ``fit``, ``evaluate`` and ``predict`` use (see ``set_threads``).

    >>> get_threads() >= 1
    True
    """
    if _team.wanted is not None:
        return _team.wanted
    for name in CHOICES:
        if os.environ.get(name, "").isdigit() and int(os.environ[name]) > 0:
            return int(os.environ[name])
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def working() -> Iterator[None]:
    """Within, ``shards`` uses all threads, and BLAS one thread for each product.

    The limit on BLAS is one for the whole process. When runs overlap in threads, threadpoolctl
    lets only the first of them change it and put it back.
    """
    with _controller().limit(limits=1, user_api="blas"):
        _team.runs += 1
        try:
            yield
        finally:
            _team.runs -= 1


def shards(n: int, work: Callable[[int, int], T]) -> list[T]:
    """``work(first, last)`` for runs that cover range(n), on a thread each, results in order.

    Outside ``working`` and within a shard there is one run, and no other thread.
    """
    count = min(get_threads(), n) if _team.runs and not hasattr(_inside, "shard") else 1
    if count < 2:
        return [work(0, n)]
    limits = [n * i // count for i in range(count + 1)]
    answers = []
    for i in range(1, count):
        done: SimpleQueue[tuple[T, BaseException | None]] = SimpleQueue()
        # In a copy of this thread's context, which holds NumPy's error settings.
        part = partial(copy_context().run, work, limits[i], limits[i + 1])
        _team.worker(i - 1).put((part, done))
        answers.append(done)
    _inside.shard = True
    try:
        results = [work(0, limits[1])]
    finally:
        del _inside.shard
        others = [done.get() for done in answers]  # no shard is left running, whatever happens
    for result, error in others:
        if error is not None:
            raise error
        results.append(result)
    return results


def product(a: Array, b: Array) -> Array:
    """a @ b, the longer side of the result cut into shards where that is worth it.

    >>> product(np.ones((2, 3)), np.ones((3, 4))).tolist()
    [[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]]
    """
    if a.ndim != 2 or b.ndim != 2 or a.size * b.shape[1] < WORTH_SHARDS:
        return np.asarray(a @ b)
    out = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    if out.shape[0] >= out.shape[1]:
        shards(len(a), lambda first, last: np.matmul(a[first:last], b, out=out[first:last]))
    else:
        shards(
            out.shape[1],
            lambda first, last: np.matmul(a, b[:, first:last], out=out[:, first:last]),
        )
    return out


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
