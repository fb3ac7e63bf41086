"""The terminal: figures as they come, warnings, Ctrl-C and SIGTERM."""

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from minicnn.errors import ConfigError, MiniCNNError

BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}{postfix}"
"""What the progress bar shows: shorter than tqdm's own, which would push out the figures."""

Figures = dict[str, Any]
"""Figures by name: numbers, or arrays where a metric gives one for each class."""
STOPPED = 128
"""The exit status after a signal is this and its number, as shells have it."""

Show = Callable[[Figures, int], None]
"""(figures so far, batches done since the last call)."""


class Stop:
    """Which signal has asked a training to end, if any: it is true then."""

    NAMES: ClassVar = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

    def __init__(self) -> None:
        self.number = 0
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
        if not self.number:
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
    program has a handler of its own, nothing changes.
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
        if stop and not stop.told:
            signal.raise_signal(stop.number)  # it came when nobody was looking any more


def warn(message: str) -> None:
    """Warn, in one line, of what a training does at the line of the program that asked for it."""
    frame, level = sys._getframe(), 1
    within = ("minicnn", "contextlib")
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in within:
        frame, level = frame.f_back, level + 1
    warnings.warn(str(MiniCNNError(message)), RuntimeWarning, stacklevel=level)


def check_verbose(verbose: str | int) -> None:
    """Raise ``ConfigError`` unless figures can be shown in that way."""
    if not isinstance(verbose, str | int) or verbose not in ("auto", 0, 1, 2):
        raise ConfigError(f"expected verbose 'auto', 0, 1 or 2, got {verbose!r}.")


@contextmanager
def progress(verbose: str | int, title: str, steps: int) -> Iterator[Show]:
    """Show figures as they come: a bar (1, "auto"), one line at the end (2), or nothing (0)."""
    check_verbose(verbose)
    latest = ""
    if verbose in ("auto", 1):
        from tqdm import tqdm

        with tqdm(total=steps, desc=title, bar_format=BAR) as bar:

            def show(figures: Figures, done: int) -> None:
                bar.set_postfix_str(_line(figures), refresh=not done)
                bar.update(done)

            yield show
        return

    def keep(figures: Figures, done: int) -> None:
        nonlocal latest
        latest = _line(figures) if verbose else ""

    yield keep
    if verbose and latest:
        print(f"{title}: {latest}")


def _line(figures: Figures) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in figures.items())


def _shown(value: Any) -> str:
    """A figure, or several of one name: one for each class, or for each threshold."""
    if np.ndim(value) == 0:
        return f"{value:.4f}"
    return f"[{' '.join(f'{one:.2f}' for one in np.ravel(value))}]"
