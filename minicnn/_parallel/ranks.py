"""Processes on one machine or on many that train one model together: MPI's ranks.

Each computes its part of every batch; gradients travel as one flat buffer, of which each rank adds
up one slice, in the order of the ranks, and gives it to all. So the sum has the same bits as that
of as many shards in one process, and as little travels as with any reduction. Two ranks swap the
whole buffer, which is as much and one exchange less. What else they tell each other of a batch
goes along: every exchange is a moment in which all wait for the slowest.

Nobody waits forever: see ``minicnn._parallel.heartbeat``. mpi4py is imported by ``world`` alone.
"""

import faulthandler
import os
import pickle
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn._parallel import threads
from minicnn._parallel.heartbeat import Heartbeat
from minicnn.errors import ConfigError

GRACE = 3.0
"""Seconds in which a mistake that all ranks make shows on all."""

ABORTED = 3.0
"""Seconds in which MPI can end the others; then this rank ends by itself."""

PAUSE = 5e-5
AWAKE = 2e-3
"""Seconds in which a rank looks again and again whether the others are there, before it pauses
between two looks: it is late after each pause, and then the others wait for it."""

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")
"""Variables in which those who start ranks say how many there are, on all hosts or on one."""

NUMBERS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
"""The same of a rank's number."""


class Ranks:
    """The process among those that were started with it. ``comm`` is a communicator of mpi4py.

    All ranks call the same methods in the same order.
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm.Dup()
        self.failures = comm.Dup()
        self.number: int = comm.Get_rank()
        self.count: int = comm.Get_size()
        self.heartbeat = Heartbeat(comm.Dup(), self._silent, lambda: self._end(1))
        self.inside = False
        self.quiet = False
        """Whether what this rank says is heard by nobody."""
        self.told: Array = np.zeros(0, np.int64)
        """What this rank tells the others along with the next gradients."""
        self.heard: Array | None = None
        """(ranks, ...): what all told with the last; None if they came without."""
        self._buffers: dict[tuple[int, str], tuple[Array, Array, Array]] = {}
        self.hosts: list[str] = comm.allgather(_host())
        """The machine of each rank."""

    @property
    def name(self) -> str:
        """The rank as messages name it."""
        return self.named(self.number)

    def named(self, number: int) -> str:
        """A rank as messages name it."""
        return f"rank {number} of {self.count} on {self.hosts[number]}"

    # What travels ----------------------------------------------------------------------

    def gathered(self, numbers: Array) -> Array:
        """(ranks, ...): an array of one shape from every rank."""
        numbers = np.ascontiguousarray(numbers)
        found = np.empty((self.count, *numbers.shape), numbers.dtype)
        self._wait(self.comm.Iallgather(_bytes(numbers), _bytes(found)))
        return found

    def collected(self, value: Any) -> list[Any]:
        """Any object from every rank."""
        own = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = self.gathered(np.array([own.size], np.int64)).ravel().tolist()
        found = self.gathered(padded(own, max(sizes)))
        return [pickle.loads(one[:n].tobytes()) for one, n in zip(found, sizes, strict=True)]

    def first(self, value: Any = None) -> Any:
        """The object that rank 0 has."""
        own = pickle.dumps(value) if not self.number else b""
        size = self.gathered(np.array([len(own)], np.int64))[0, 0]
        found = np.frombuffer(own, np.uint8).copy() if own else np.empty(size, np.uint8)
        self._wait(self.comm.Ibcast([found, int(size), _byte()], 0))
        return value if not self.number else pickle.loads(found.tobytes())

    def summed(
        self, arrays: Sequence[Array], along: Sequence[Array] = ()
    ) -> tuple[list[Array], list[Array]]:
        """The arrays, each added up over the ranks in their order, in memory that is used again;
        and (ranks, ...) of each of those that go ``along``.

        Those that are added have one dtype.
        """
        words = [np.empty((self.count, *array.shape), array.dtype) for array in along]
        telling = [([one] * self.count, of_all) for one, of_all in zip(along, words, strict=True)]
        if not arrays:
            self.swap(*telling)
            return [], words
        size, pieces = sum(array.size for array in arrays), self.count if self.count > 2 else 1
        key = size, arrays[0].dtype.str
        if key not in self._buffers:
            shape = self.count, -(-size // pieces)
            made = [np.zeros(shape, arrays[0].dtype) for _ in range(3)]
            self._buffers = {key: (made[0], made[1], made[2])}
        own, received, total = self._buffers[key]
        flat, places, at = own.reshape(-1), [], 0
        for array in arrays:
            flat[at : at + array.size] = array.ravel()
            places.append(slice(at, at + array.size))
            at += array.size
        if pieces == 1:
            self.swap(([own[0]] * self.count, received), *telling)
            total = received
        else:
            self.swap((list(own), received))
        part = received[0]
        for other in received[1:]:
            part += other
        if pieces > 1:
            self.swap(([part] * self.count, total), *telling)
        flat = total.reshape(-1)
        return [flat[p].reshape(a.shape) for p, a in zip(places, arrays, strict=True)], words

    def swap(self, *pairs: tuple[Sequence[Array], Array]) -> None:
        """Of each pair (out, into): send ``out[i]`` to rank i, and have in ``into[i]`` its own."""
        others = [(self.number + k) % self.count for k in range(1, self.count)]
        coming, going = [], []
        for tag, (out, into) in enumerate(pairs):
            coming += [self.comm.Irecv(_bytes(into[i]), i, tag) for i in reversed(others)]
            going += [self.comm.Isend(_bytes(out[i]), i, tag) for i in others]
            into[self.number] = out[self.number]
        self._wait(*coming, *going)

    def meet(self) -> None:
        """Wait until all are here; from then on nobody waits for one that is gone."""
        self._wait(self.comm.Ibarrier())
        self.heartbeat.watching = True

    def _wait(self, *requests: Any) -> None:
        done = requests[0].Test if len(requests) == 1 else partial(requests[0].Testall, requests)
        until = time.perf_counter() + AWAKE
        while not done():
            if time.perf_counter() > until:
                time.sleep(PAUSE)
            else:
                _yield()

    # When something fails --------------------------------------------------------------

    @contextmanager
    def together(self, show: Callable[[BaseException], int] | None = None) -> Iterator[None]:
        """Within, no rank waits for one that has failed or is gone.

        An exception of one rank is shown there, and ends all. One that all have alike is raised on
        all, and shown by rank 0. ``show`` shows one, and returns the exit status.
        """
        if self.inside:
            yield
            return
        self.inside = True
        self.heartbeat.start()
        try:
            yield
            self.meet()
        except BaseException as error:
            if not self._shared(error):
                self._end((show or show_error)(error))
            if self.number:
                _hidden.append(error)
            _known.append(error)
            raise
        finally:
            self.heartbeat.stop()
            self.inside = False

    def exit(self, error: SystemExit) -> None:
        """End all ranks with a script that ends early on this one alone."""
        if not self._shared(error):
            if isinstance(error.code, str):
                say(error.code, error=True)
            self._end(show_error(error))

    def _shared(self, error: BaseException) -> bool:
        """Whether all ranks have the same exception, a moment after this one."""
        text = f"{type(error).__name__}: {error}"
        own = np.array([zlib.crc32(text.encode(errors="replace"))], np.int64)
        others = [number for number in range(self.count) if number != self.number]
        theirs = [np.zeros(1, np.int64) for _ in others]
        coming = [self.failures.Irecv(a, r) for a, r in zip(theirs, others, strict=True)]
        for number in others:
            self.failures.Isend(own, number)
        until = time.monotonic() + GRACE
        waiting = list(coming)
        while waiting and time.monotonic() < until:
            waiting = [request for request in waiting if not request.Test()]
            time.sleep(0.001)
        for request in waiting:
            request.Cancel()
        return not waiting and all(one[0] == own[0] for one in theirs)

    def _silent(self, number: int, seconds: float) -> None:
        say(
            f"minicnn: {self.named(number)} has not been heard of for {seconds:.0f} s, as seen by "
            f"{self.name}. The run ends here; with checkpoint= it can be resumed, also with fewer "
            "ranks.",
            error=True,
        )
        self._end(1)

    def _end(self, status: int) -> None:
        """End all ranks, without what MPI would say of it."""
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with suppress(OSError):
            os.dup2(nowhere, 2)
        # To a host that cannot be reached the word may take minutes, in which no thread runs.
        faulthandler.dump_traceback_later(ABORTED, exit=True, file=nowhere)
        self.comm.Abort(status)
        os._exit(status)


_yield = getattr(os, "sched_yield", lambda: None)
"""Lets another process have the core, if one waits for it."""

_world: list[Ranks] = []
_hidden: list[BaseException] = []
"""Those that rank 0 shows."""

_known: list[BaseException] = []
"""Those that all ranks have."""


def launched() -> bool:
    """Whether this process was started with others, by mpiexec or the like."""
    return "PMIX_RANK" in os.environ or any(os.environ.get(name, "1") != "1" for name in SIZES)


def launched_first() -> bool:
    """Whether it is the first of these, or the only one."""
    return next((os.environ[name] for name in NUMBERS if name in os.environ), "0") == "0"


def hidden(error: BaseException) -> bool:
    """Whether another rank shows the exception."""
    return any(error is one for one in _hidden)


def world(who: str) -> Ranks | None:
    """The ranks that were started together; None if this process is alone.

    Raises ``ConfigError`` where MPI cannot be had.
    """
    if not _world:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            why = " ".join(str(error).split())[:120]
            raise ConfigError(
                f"{who}: expected mpi4py and an MPI library, got none ({why}). Install them: "
                "pip install 'minicnn[mpi]'."
            ) from None
        _world.append(Ranks(MPI.COMM_WORLD))
        if _world[0].count > 1:
            _share_cores(_world[0])
            _watch(_world[0])
    return _world[0] if _world[0].count > 1 else None


def rank_count() -> int:
    """How many ranks there are.

    >>> rank_count()
    1
    """
    return _world[0].count if _world else 1


def _share_cores(ranks: Ranks) -> None:
    """Let the ranks of a machine share its cores, unless somebody has seen to that."""
    here = ranks.hosts.count(ranks.hosts[ranks.number])
    count, who = threads.chosen_threads()
    if who == "one for every core" and here > 1 and count == os.cpu_count():
        threads.set_threads(max(1, count // here))


def _watch(ranks: Ranks) -> None:
    """Let an exception that ends the script of one rank end all."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        known = any(error is one for one in _known)
        alike = known or ranks._shared(error)
        if not (hidden(error) or (alike and not known and ranks.number)):
            before(kind, error, trace)
        if not alike:
            ranks._end(1)

    sys.excepthook = hook


def show_error(error: BaseException) -> int:
    """Print the exception of this rank; returns the exit status."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    say(f"minicnn: an exception on {_world[0].name} ends the run:", error=True)
    sys.__excepthook__(type(error), error, error.__traceback__)
    return 1


def padded(rows: Array, count: int) -> Array:
    """So many rows, the last of them 0.

    >>> padded(np.ones((1, 2)), 2).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    made = np.zeros((count, *rows.shape[1:]), rows.dtype)
    made[: len(rows)] = rows
    return made


def _host() -> str:
    import socket

    return socket.gethostname()


def _byte() -> Any:
    from mpi4py import MPI

    return MPI.BYTE


def _bytes(array: Array) -> list[Any]:
    return [array, _byte()]
