"""Processes that are forked to do a part of the work, and never outlive the one that forked them.

Such a worker is asked by a byte in one pipe and answers by a byte in another; what it reads and
makes lies in memory that both see. Nothing depends on its answer: it may be killed, or stopped, or
the program may wait for it itself; whoever asked then does the work.

The system ends it together with the process that forked it, be it busy or stopped, and whoever
else holds the pipes by then, such as a process that a callback has forked. That one neither ends
the worker nor waits for it.
"""

import ctypes
import gc
import math
import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, starmap
from typing import Any

from minicnn._core.console import warn
from minicnn._parallel import threads

TICK = 0.25
"""Seconds between two looks at a process that does not answer."""

STOPPED = 4
"""Looks, one after another, at which it must be stopped: Ctrl-Z and ``fg`` are not at fault."""

PATIENCE = 10.0
SLOWER = 20
"""A worker is given up after so many seconds, and so many times what its part should take."""

DONE, FAILED = b".", b"x"
"""A worker's answers."""

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG, an option of Linux' ``prctl``."""


class ForkedProcess:
    """A forked process as the one that forked it sees it. ``purpose`` is for a warning.

    Whoever makes one calls ``end``, also when ``start`` fails.
    """

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.pids: list[int] = []
        """The number of the process, or none if there is no process."""
        self.pipes: list[int] = []
        """Where it is asked, from where; where it answers, and until it is forked from where."""

    def start(self, work: Callable[[], None]) -> None:
        """Fork it; it does the work whenever asked. Raises ``OSError`` if it cannot be had."""
        # All in one call, as for the fork: no signal comes before what was opened is noted.
        self.pipes.extend(chain.from_iterable(starmap(os.pipe, [(), ()])))
        parent, before = os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, [])
        try:
            # No signal comes before the child has laid down the program's handlers.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            with warnings.catch_warnings():
                # Python 3.12 warns of forks beside other threads; see may_fork.
                warnings.simplefilter("ignore", DeprecationWarning)
                self.pids.extend(starmap(os.fork, [()]))
            if not self.pids[-1]:
                self._serve(work, parent, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # The end of the worker is to be the end of this pipe. Of the other one this process keeps
        # both ends: to write into one that nobody reads could end the program (SIGPIPE).
        os.close(self.pipes.pop())

    def _serve(self, work: Callable[[], None], parent: int, mask: Any) -> None:
        """What the process does, until it is ended or fails."""
        try:
            refused = ctypes.CDLL(None).prctl(DIE_WITH_PARENT, ctypes.c_ulong(signal.SIGKILL))
            if refused or os.getppid() != parent:
                return
            # To collect garbage would touch, and so copy, all that is shared with the program.
            gc.freeze()
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
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            asked, _, _, answer = self.pipes
            with threads.alone():
                while os.read(asked, 1):
                    try:
                        work()
                        said = DONE
                    except Exception:  # whoever asked will meet it too, or has more memory
                        said = FAILED
                    os.write(answer, said)
        finally:
            os._exit(1)

    def ask(self) -> None:
        """Let it do its work, if it is there."""
        if self.pids:
            os.write(self.pipes[1], b".")

    def answers(self, seconds: float) -> bool:
        """Wait until it has done its work, which should take about so many seconds; whether it has.

        One that does not answer is ended. Warns, once, of a worker that was there and is no more.
        """
        if not self.pids:
            return False
        answered = self.pipes[2]
        ready = is_ready(self.pids[0], answered, seconds=PATIENCE + SLOWER * seconds)
        if ready and (said := os.read(answered, 1)):
            return said == DONE
        self.end()
        how = "has ended" if ready else "does not answer"
        warn(
            f"A process that helped to {self.purpose} {how}; "
            "its shard is computed here, more slowly, with the same result."
        )
        return False

    def end(self) -> None:
        """End the process, if it is this one's child and the program has not seen to that."""
        while self.pipes:
            os.close(self.pipes.pop())
        while self.pids:
            with suppress(OSError):
                # Only of a child that nobody has waited for is the number surely that child's.
                if not os.waitpid(self.pids[-1], os.WNOHANG)[0]:
                    os.kill(self.pids[-1], signal.SIGKILL)
                    os.waitpid(self.pids[-1], 0)
            self.pids.pop()

    __del__ = end  # an exception, such as Ctrl-C, may come between any two lines


def is_ready(pid: int, descriptor: int, writing: bool = False, seconds: float = math.inf) -> bool:
    """Wait until the child's pipe can be read, or written to, or has ended.

    Returns False if that takes more than so many seconds, or if it is stopped, as by SIGSTOP.
    """
    if not hasattr(select, "poll"):
        return True  # Windows, where nothing is stopped either
    waiting, waited, stopped = select.poll(), 0.0, 0
    waiting.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    while not waiting.poll(1000 * TICK):
        # Counted, not measured: the time in which this process itself was stopped is no delay.
        waited += TICK
        stopped = stopped + 1 if _is_stopped(pid) else 0
        if waited >= seconds or stopped == STOPPED:
            return False
    return True


def _is_stopped(pid: int) -> bool:
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # the program has waited for it
        return False


def may_fork() -> bool:
    """Whether this process can be forked without harm.

    A lock that another thread holds at that moment stays locked in the child forever. So there
    must be no threads but those known to be at rest: BLAS', minicnn's, and that of tqdm. Nor may
    the program see to the end of its children itself, as it would then see to ours. Where no thread
    can be started no process can be either, and to try would cost OpenBLAS its threads.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
        return False
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    known = all(t.name == threads.WORKER or type(t).__name__ == "TMonitor" for t in others)
    at_rest = 1 + len(others) + threads.blas_workers()
    try:
        at_rest_alone = known and len(os.listdir("/proc/self/task")) <= at_rest
    except OSError:
        return False
    return at_rest_alone and threads.may_start()
