"""The threads that work on a batch, and how work is cut for them.

NumPy lets other threads run while it copies and multiplies. So the work on a batch is cut into
runs of images ("shards"), each done from end to end by the next thread that is free, and
BLAS itself gets one thread in each. The alternative, one thread that hands every product
to a BLAS with many, leaves the other cores idle in all that is not a product, and
its threads wait for each other, spinning, many times in a step: with one of two cores busy
elsewhere, a run of 18 seconds was seen to take 106.

Where work is cut depends on the work alone, and sums are added up in order: the results are the
same to the bit, whatever the number of threads.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from minicnn._core.shapes import Array
from minicnn.errors import ConfigError

__all__ = [
    "alone",
    "chosen_threads",
    "controller",
    "get_threads",
    "product",
    "set_threads",
    "shards",
    "shards_of",
    "threads_now",
    "working",
]

CHOICES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""Where a user may have said how many threads there should be."""

SHARD = 700_000
"""Nanoseconds of work from which on a shard is cut in two, where there are two already."""

WORTH_SHARDS = 300_000
"""Nanoseconds of work from which it is cut: to wake another thread and to wait for it takes 50
to 100 microseconds, and both need Python's one lock for every call they make."""

MOST_SHARDS = 64

MULTIPLY_ADDS = 90
"""A nanosecond, of one core with AVX-512, in a large product."""

MOMENT = 0.05
"""Seconds for which the number of threads is not looked up again."""

WORKER = "minicnn"
"""The name of our threads."""

T = TypeVar("T")
Task = Callable[[], None]


class _Team:
    """The state of the process: the wish, the workers, and how many runs are under way."""

    def __init__(self) -> None:
        self.wanted: int | None = None
        self.tasks: list[SimpleQueue[Task]] = []
        self.lock = threading.Lock()
        self.runs = 0
        self.count = 1
        """The number of threads that the environment gave the first of the runs."""
        self.found: Any = None
        self.looked = (-1.0, 1)
        """When the number of threads was last looked up, and what it was."""

    def workers(self, count: int) -> "list[SimpleQueue[Task]]":
        """The queues of so many workers, or of as many as the system allows.

        They are started when first asked for.
        """
        with self.lock, suppress(RuntimeError, MemoryError):
            while len(self.tasks) < count:
                tasks: SimpleQueue[Task] = SimpleQueue()
                threading.Thread(target=_serve, args=(tasks,), name=WORKER, daemon=True).start()
                self.tasks.append(tasks)
        return self.tasks[:count]

    def forget_workers(self) -> None:
        """After a fork: the child has no threads but the one that forked."""
        self.lock, self.tasks, self.runs = threading.Lock(), [], 0
        self.looked = (-1.0, 1)


_team = _Team()
_inside = threading.local()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_team.forget_workers)


def _serve(tasks: "SimpleQueue[Task]") -> None:
    _inside.shard = True
    while True:
        tasks.get()()


def set_threads(n: int | None) -> None:
    """Use n threads in ``fit``, ``evaluate`` and ``predict``; None is one for every core.

    Without it their number is that in OPENBLAS_NUM_THREADS, OMP_NUM_THREADS,
    MKL_NUM_THREADS or BLIS_NUM_THREADS, or else the number of cores that the process may use.
    The results are the same to the bit at any number. Raises ``ConfigError`` unless n is a whole
    number of at least 1.

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
    if _team.runs and _team.wanted is None:
        return _team.count
    return chosen_threads()[0]


def chosen_threads() -> tuple[int, str]:
    """(how many threads, who says so).

    >>> set_threads(3)
    >>> chosen_threads()
    (3, 'from set_threads')
    >>> set_threads(None)
    """
    if _team.wanted is not None:
        return _team.wanted, "from set_threads"
    for name in CHOICES:
        if os.environ.get(name, "").isdigit() and int(os.environ[name]) > 0:
            return int(os.environ[name]), f"from {name}"
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)), "one for every core"
    return os.cpu_count() or 1, "one for every core"


def threads_now() -> int:
    """How many threads a compiled kernel may use here: one within a shard, else as ``get_threads``.

    A kernel may be called a thousand times a second: ``set_threads`` is heard at once, but what the
    system says is looked up anew only after a moment.

    >>> with alone():
    ...     threads_now()
    1
    """
    if hasattr(_inside, "shard"):
        return 1
    if _team.wanted is not None:
        return _team.wanted
    now = time.monotonic()
    if not 0 <= now - _team.looked[0] < MOMENT:
        _team.looked = (now, get_threads())
    return _team.looked[1]


@contextmanager
def working() -> Iterator[None]:
    """Within, ``shards`` uses all threads, and BLAS one thread for each product.

    The limit on BLAS is one for the whole process. When runs overlap in threads, the first to come
    sets it, and the last to go puts it back to what that one has found.
    """
    with _team.lock:
        if not _team.runs:
            _team.count = chosen_threads()[0]
            _team.found = [library.num_threads for library in _blas()]
            _limit([1] * len(_team.found))
        _team.runs += 1
    try:
        yield
    finally:
        with _team.lock:
            _team.runs = max(0, _team.runs - 1)  # a process that was forked within has none
            if not _team.runs:
                _limit(_team.found)


def _blas() -> list[Any]:
    return [one for one in controller().lib_controllers if one.user_api == "blas"]


def _limit(counts: Sequence[int]) -> None:
    """Give each BLAS so many threads, for one that has others: it takes longer than to ask."""
    for library, count in zip(_blas(), counts, strict=True):
        if library.num_threads == count:
            continue
        # threadpoolctl 3.8 lets one thread alone set limits, and ignores all others.
        free = getattr(library, "clear_controlling_thread", lambda force: None)
        free(force=True)
        library.set_num_threads(count)
        free(force=True)


@contextmanager
def alone() -> Iterator[None]:
    """Within, ``shards`` leaves the other threads at rest."""
    before = hasattr(_inside, "shard")
    _inside.shard = True
    try:
        yield
    finally:
        if not before:
            del _inside.shard


def shards_of(n: int, cost: float, most: int = MOST_SHARDS) -> int:
    """Into how many shards n images are cut, when they cost about so many nanoseconds.

    >>> shards_of(64, 100_000), shards_of(64, 1_000_000), shards_of(64, 10_000_000)
    (1, 2, 16)
    """
    count = 1
    while 2 * count <= most and cost >= (WORTH_SHARDS if count == 1 else count * SHARD):
        count *= 2  # so that two, four or eight threads have equal parts
    return max(1, min(count, n))


def shards(n: int, work: Callable[[int, int], T], cost: float, most: int = MOST_SHARDS) -> list[T]:
    """``work(first, last)`` for at most so many runs that cover range(n), results in order.

    ``cost`` is about how many nanoseconds all of it takes one core. The runs are spread over the
    threads, but outside ``working`` and within another shard, where this thread does them all.
    """
    count = shards_of(n, cost, most)
    limits = [n * i // count for i in range(count + 1)]
    helpers = min(get_threads(), count) - 1
    if not helpers or not _team.runs or hasattr(_inside, "shard"):
        return [work(limits[i], limits[i + 1]) for i in range(count)]

    lock, begun, helped, over = threading.Lock(), 0, 0, False
    done: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()

    def help_out() -> None:
        nonlocal begun, helped, over
        while True:
            with lock:
                if over or begun >= count:
                    return
                i, begun, helped = begun, begun + 1, helped + 1
            try:
                done.put((i, work(limits[i], limits[i + 1])))
            except BaseException as error:
                over = True
                done.put((i, error))

    for tasks in _team.workers(helpers):
        # In a copy of this thread's context, which holds NumPy's error settings.
        tasks.put(partial(copy_context().run, help_out))
    results: dict[int, T | BaseException] = {}
    try:
        with alone():
            while not over and begun < count:
                with lock:
                    i, begun = begun, begun + 1
                if i < count:
                    results[i] = work(limits[i], limits[i + 1])
    finally:
        with lock:
            over = True
        results |= dict(done.get() for _ in range(helped))  # nobody is left at work
    for result in results.values():
        if isinstance(result, BaseException):
            raise result
    return [results[i] for i in range(count)]  # type: ignore[misc]


def product(a: Array, b: Array) -> Array:
    """a @ b, the longer side of the result cut into shards where that is worth it.

    >>> product(np.ones((2, 3)), np.ones((3, 4))).tolist()
    [[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]]
    """
    cost = a.size * b.shape[-1] / MULTIPLY_ADDS
    if a.ndim != 2 or b.ndim != 2 or cost < WORTH_SHARDS:
        return np.asarray(a @ b)
    out = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    if out.shape[0] >= out.shape[1]:
        shards(len(a), lambda first, last: np.matmul(a[first:last], b, out=out[first:last]), cost)
    else:
        shards(
            out.shape[1],
            lambda first, last: np.matmul(a, b[:, first:last], out=out[:, first:last]),
            cost,
        )
    return out


@cache
def controller() -> Any:
    """threadpoolctl's handle on the BLAS of this process, looked for once.

    >>> controller() is controller()
    True
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
