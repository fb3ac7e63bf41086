"""Curves that are drawn anew while a run goes on."""

import base64
import io
import os
import time
from typing import Any

from minicnn._core import console
from minicnn._core.arguments import number
from minicnn.callbacks.base import Callback, Logs
from minicnn.callbacks.history import History
from minicnn.errors import ConfigError
from minicnn.plots.curves import figure_of, runs_of
from minicnn.plots.drawing import save, write

SHARE = 0.05
"""How much of the time drawing may take, but for the first and the last picture."""


class LivePlot(Callback):
    """A callback that draws the curves of a run anew after its epochs.

    In a notebook it is one picture that changes in its place; elsewhere, or with ``path``, the
    picture is written there, whole or not at all. It is drawn at most every ``seconds``, and less
    often where drawing would take more than a twentieth of the time; the last epoch is always in
    it. What goes wrong in drawing is one warning, and never costs the run.

    >>> live = LivePlot("curves.png")
    >>> live
    LivePlot(path='curves.png')
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, seconds: float = 1.0) -> None:
        number("LivePlot", "seconds", seconds, least=0)
        if path is None and console.notebook() is None:
            raise ConfigError(
                "LivePlot: expected a path such as 'curves.png', as this is no notebook, got none."
            )
        self.path = path
        self.seconds = seconds
        self.history = History()
        self._picture: Any = None
        self._next = 0.0
        self._drawn = -1
        self._failed = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin a new picture."""
        self.history = History()
        self._picture, self._next, self._drawn, self._failed = None, 0.0, -1, False

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Add the epoch, and draw if it is time."""
        self.history.append(dict(logs), epoch)
        if time.monotonic() >= self._next:
            self._draw()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Draw what is not drawn yet."""
        if self._drawn < len(self.history.epoch):
            self._draw()

    def _draw(self) -> None:
        started = time.monotonic()
        if not self._failed and self.history.epoch:
            try:
                self._show()
            except Exception as error:
                self._failed = True
                why = " ".join(f"{type(error).__name__}: {error}".split())
                console.warn(f"LivePlot: the curves are not drawn any more: {why}")
        self._drawn = len(self.history.epoch)
        now = time.monotonic()
        self._next = now + max(self.seconds, (now - started) * (1 / SHARE - 1))

    def _show(self) -> None:
        figure = figure_of(runs_of(self.history))
        if self.path is not None:
            save(figure, self.path)
        if console.notebook() is None:
            return
        from IPython.display import display

        picture = io.BytesIO()
        write(lambda: figure.savefig(picture, format="png"))
        content = {
            "image/png": base64.b64encode(picture.getvalue()).decode(),
            "text/plain": repr(self.history),
        }
        if self._picture is None:
            self._picture = display(content, raw=True, display_id=True)
        else:
            self._picture.update(content, raw=True)
