"""Logs as they come: a bar in a terminal or a notebook, and a line for each epoch elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from minicnn._core import console
from minicnn._core.console import Logs, figure_text, padded, width_of
from minicnn.errors import ConfigError

Show = Callable[[Logs, int], None]
"""(logs so far, batches done since the last call)."""

OFTEN = 0.1
"""Seconds from one picture of a bar to the next."""

COLUMNS = 80
"""The width of a notebook's bar, and of a terminal that does not tell."""

LONGEST, SHORTEST = 30, 5
"""Columns within a bar; when there is space for fewer, it is left out."""


def check_verbose(verbose: str | int) -> None:
    """Raise ``ConfigError`` unless logs can be shown in that way."""
    if not isinstance(verbose, str | int | np.generic) or verbose not in ("auto", 0, 1, 2):
        raise ConfigError(f"expected verbose 'auto', 0, 1 or 2, got {verbose!r}.")


class Progress:
    """How a call of ``fit``, ``evaluate`` or ``predict`` shows how far it is.

    A bar (1, "auto"), a line at the end of each epoch (2), or nothing (0). Where a bar cannot be
    redrawn, in a file or a pipe, there is the line in its place; in a notebook there are both: one
    bar, which stays in its place through all epochs, and the lines.
    """

    def __init__(self, verbose: str | int) -> None:
        check_verbose(verbose)
        bar = verbose in ("auto", 1)
        self.notebook = bar and console.notebook() is not None
        self.terminal = bar and not self.notebook and _is_terminal(sys.stderr)
        self.lines = bool(verbose) and not self.terminal
        self.handle: Any = None
        """The notebook's bar."""

    @contextmanager
    def watch(self, title: str, steps: int | None, done: int = 0) -> Iterator[Show]:
        """Within, show the logs of so many batches, of which some may be done already.

        With ``steps`` None it is not known how many there are.
        """
        meter = _Meter(title, steps, done)
        with self._bar(meter) as draw:

            def show(logs: Logs, count: int) -> None:
                meter.update(logs, count)
                draw()

            yield show
            meter.over = True
            draw()
        if self.lines and meter.logs:
            console.say(meter.sentence())

    def _bar(self, meter: "_Meter") -> Any:
        if self.notebook:
            return self._bar_in_notebook(meter)
        return _bar_in_terminal(meter) if self.terminal else nullcontext(lambda: None)

    @contextmanager
    def _bar_in_notebook(self, meter: "_Meter") -> Iterator[Callable[[], None]]:
        """An output of the cell that is replaced: it needs no widgets, and a saved page has it."""
        from IPython.display import display

        drawn = 0.0

        def draw() -> None:
            nonlocal drawn
            if not meter.over and time.monotonic() - drawn < OFTEN:
                return
            drawn = time.monotonic()
            what = {"text/plain": meter.line(COLUMNS, logs=not meter.over)}
            if self.handle is None:
                self.handle = display(what, raw=True, display_id=True)
            else:
                self.handle.update(what, raw=True)

        draw()
        yield draw


@contextmanager
def _bar_in_terminal(meter: "_Meter") -> Iterator[Callable[[], None]]:
    from tqdm import tqdm

    stream = sys.stderr

    class Bar(tqdm):  # type: ignore[type-arg]
        """Its place among other bars, and when it is drawn; what it shows is the meter's."""

        monitor_interval = 0  # no thread

        def __str__(self) -> str:
            width = _columns(stream) - 1
            return padded(meter.line(width, _block(stream)), width)  # over another bar, too

    with Bar(file=_Deaf(stream), miniters=1, mininterval=OFTEN) as bar:

        def draw() -> None:
            if meter.over:
                bar.refresh()
            else:
                bar.update()

        yield draw


class _Deaf:
    """A stream for tqdm that may fail."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        console.write(self.stream, text)

    def flush(self) -> None:
        """Each write does so."""


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):  # there is none, or it is closed
        return False


def _columns(stream: Any) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    except (AttributeError, ValueError, OSError):
        return COLUMNS


def _block(stream: Any) -> str:
    """What a bar is made of."""
    return "\u2588" if console.legible("\u2588", stream) == "\u2588" else "#"


class _Meter:
    """How far an epoch is, how long it took, and its logs, as a line."""

    def __init__(self, title: str, steps: int | None, done: int) -> None:
        self.title, self.steps = title, steps
        self.n = self.begun = done
        self.started = self.stepped = time.monotonic()
        self.logs: Logs = {}
        self.over = False

    def update(self, logs: Logs, count: int) -> None:
        """Take in the logs so far, and so many batches."""
        self.logs = logs
        self.n += count
        if count:
            self.stepped = time.monotonic()

    def sentence(self) -> str:
        """All logs, and the time: what a file of the output gets."""
        parts = [f"{name} {figure_text(value)}" for name, value in self.logs.items()]
        if not self._all_done():
            parts.append(self._count())
        parts += [_duration(time.monotonic() - self.started), self._pace()]
        return f"{self.title}: {', '.join(filter(None, parts))}"

    def line(self, width: int, block: str = "\u2588", logs: bool = True) -> str:
        """What fits into so many columns: names are whole, and "..." stands for what is missing.

        The time and how far it is come first, then as many logs as can be; the bar has what is
        left. Logs are shortened before any is left out.
        """
        wanted = self.logs if logs else {}
        times = self._times()
        for head, digits in [(t, d) for t in times for d in (4, 3)]:
            text = _joined(self.title, *head, *_named(wanted, digits))
            if width_of(text) <= width:
                break
        else:
            head, digits = times[-1], 3
        chosen = _chosen(wanted, digits, width - width_of(_joined(self.title, *head)))
        spare = min(width - width_of(_joined(self.title, *head, *chosen)) - 3, LONGEST)
        bar = ""
        if spare >= SHORTEST and self.steps is not None and not (self.over and logs):
            bar = f"|{block * (spare * self.n // max(self.steps, 1)):{spare}}|"
        return _joined(self.title, bar, *head, *chosen)[: max(width, 0)]

    def _times(self) -> list[tuple[str, ...]]:
        """What is said of time and place, from all of it to what must be there."""
        total, pace = _duration(time.monotonic() - self.started), self._pace()
        count = self._count()
        if self.over:
            short = (total,) if self._all_done() else (count, total)
            return [(*short, pace), short]
        if not pace:
            return [(count,)]
        if self.steps is None or self._all_done():  # in the latter case the validation is at work
            return [(count, pace, total), (pace, total)]
        left = f"{_duration(self._per_step() * (self.steps - self.n))} left"
        return [(count, pace, left), (pace, left)]

    def _all_done(self) -> bool:
        return self.steps is not None and self.n >= self.steps

    def _count(self) -> str:
        return f"{self.n} steps" if self.steps is None else f"{self.n}/{self.steps}"

    def _per_step(self) -> float:
        return (self.stepped - self.started) / max(self.n - self.begun, 1)

    def _pace(self) -> str:
        if self.n <= self.begun:
            return ""
        seconds = self._per_step()
        for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
            value = seconds * scale
            if value >= 1 or unit == "us":
                return f"{value:.1f}{unit}/step" if value < 9.95 else f"{value:.0f}{unit}/step"
        return ""


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _chosen(logs: Logs, digits: int, space: int) -> list[str]:
    """Those logs that fit, in their order: first the losses, then metric by metric.

    >>> _chosen({"loss": 0.5, "accuracy": 0.5, "auc": 0.5, "val_loss": 0.25}, 3, 32)
    ['loss 0.500', 'val_loss 0.250', '...']
    """
    texts = dict(zip(logs, _named(logs, digits), strict=True))
    if sum(width_of(text) + 1 for text in texts.values()) <= space:
        return list(texts.values())
    names = list(dict.fromkeys(name.removeprefix("val_") for name in logs))
    by_weight = sorted(logs, key=lambda name: names.index(name.removeprefix("val_")))
    kept, space = set(), space - len(" ...")
    for name in by_weight:
        space -= width_of(texts[name]) + 1
        if space < 0:
            break
        kept.add(name)
    return [*(text for name, text in texts.items() if name in kept), "..."]


def _named(logs: Logs, digits: int) -> Sequence[str]:
    return [f"{name} {figure_text(value, digits)}" for name, value in logs.items()]


def _duration(seconds: float) -> str:
    """Seconds as a clock has them.

    >>> _duration(3.4), _duration(62), _duration(3723)
    ('3s', '1:02', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
