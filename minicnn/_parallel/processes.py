"""Waiting for a child process that may be stopped, or gone."""

import math
import os
import select

TICK = 0.25
"""Seconds between two looks at a process that does not answer."""

STOPPED = 4
"""Looks, one after another, at which it must be stopped: Ctrl-Z and ``fg`` are not at fault."""


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
