"""Ctrl-C and SIGTERM: a run ends after the batch at hand."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

STOPPED = 128
"""The exit status after a signal is this and its number, as shells have it."""


class Stop:
    """The signal that has asked a run to end; false without one."""

    NAMES: ClassVar = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

    def __init__(self) -> None:
        self.heard = 0
        self.number = 0
        self.alone = True
        """Whether what is heard counts at once, and not only when all ranks know of it."""
        self.told = False
        """Whether whoever called knows, or will be told by an exception."""

    def __bool__(self) -> bool:
        return self.number > 0

    @property
    def name(self) -> str:
        """What a user calls it."""
        return self.NAMES[signal.Signals(self.number)]

    def note(self, number: int, frame: Any) -> None:
        """The first signal is noted; a second one leaves at once."""
        if not self.heard:
            self.heard = number
            if self.alone:
                self.number = number
            return
        self.told = True
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(STOPPED + number)


@contextmanager
def signals_set_a_flag(sigterm: bool) -> Iterator[Stop]:
    """Within, the first Ctrl-C is only noted, or the first SIGTERM; a second one leaves at once.

    An update is then never cut in half. Outside the main thread, or where the
    program has a custom handler, nothing changes.
    """
    stop, before = Stop(), {}
    if threading.current_thread() is threading.main_thread():
        usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
        if sigterm:
            usual[signal.SIGTERM] = signal.SIG_DFL
        before = {n: how for n, how in usual.items() if signal.getsignal(n) is how}
    for number in before:
        signal.signal(number, stop.note)
    try:
        yield stop
    finally:
        for number, how in before.items():
            signal.signal(number, how)
        if stop.heard and not stop.told:
            signal.raise_signal(stop.heard)  # it came when nobody was looking any more
