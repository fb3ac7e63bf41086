"""The logs of a run, epoch by epoch."""

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from minicnn._core.console import Logs, figure_text, html_table, legible
from minicnn._files.atomic import replacing
from minicnn._files.paths import path_of
from minicnn._keras.spelling import ByLog

SHOWN = 8
"""Logs in a line, and epochs at either end of a table."""


@dataclass
class History:
    """The logs of each epoch: ``history`` maps "loss", "val_loss", ... to a list of values.

    ``fit`` fills and returns the one among its callbacks, if there is one.

    >>> history = History()
    >>> history.append({"loss": 0.5, "accuracy": 0.9})
    >>> history.history
    {'loss': [0.5], 'accuracy': [0.9]}
    """

    foreign: ClassVar[bool] = False

    history: dict[str, list[float]] = field(default_factory=ByLog)
    epoch: list[int] = field(default_factory=list)
    interrupted: bool = False
    """Whether Ctrl-C (or SIGTERM, with a checkpoint) ended the run.

    An epoch cut short, or its validation, is not in it.
    """
    epochs_of: dict[str, list[int]] = field(default_factory=dict)
    """The epochs that have each value, where these are not all: with ``validation_freq``."""
    params: dict[str, Any] = field(default_factory=dict, compare=False)
    """What callbacks were told of the run: "epochs", "steps", "verbose", ..."""
    exit_status: int = 0
    """A status for ``sys.exit``: 0, 130 after Ctrl-C, 143 after SIGTERM."""

    def __repr__(self) -> str:
        """The number of epochs, and the logs of the last."""
        if not self.history:
            return "History(no epochs)"
        parts = [
            f"{legible(name)} {figure_text(values[-1])}" for name, values in self.history.items()
        ]
        more = ", ..." * (len(parts) > SHOWN) + ", interrupted" * self.interrupted
        epochs = f"{len(self.epoch)} epoch{'s' * (len(self.epoch) != 1)}"
        return f"History({epochs}: {', '.join(parts[:SHOWN])}{more})"

    def _repr_html_(self) -> str:
        """A row an epoch, for a notebook: the first ones and the last ones where there are many."""
        rows = [["epoch", *self.history]]
        for epoch, *values in self.rows():
            rows.append(
                [epoch, *(value if value == "" else figure_text(value) for value in values)]
            )
        if len(rows) > 2 * SHOWN + 1:
            rows[SHOWN + 1 : -SHOWN] = [["..."] * len(rows[0])]
        return html_table(rows)

    def rows(self) -> Iterator[list[Any]]:
        """For each epoch its number, from 1, and its values, "" for one that it lacks."""
        columns = [
            dict(zip(self.epochs(name), values, strict=True))
            for name, values in self.history.items()
        ]
        for epoch in self.epoch:
            yield [epoch + 1, *(column.get(epoch, "") for column in columns)]

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """Forget an earlier run."""
        self.history, self.epoch, self.epochs_of = {}, [], {}
        self.interrupted, self.exit_status = False, 0

    def append(self, logs: Logs, epoch: int | None = None) -> None:
        """Add one epoch, numbered from 0: the next, or the one given."""
        self.epoch.append(len(self.epoch) if epoch is None else epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(_plain(value))
            self.epochs_of.setdefault(name, []).append(self.epoch[-1])

    def epochs(self, name: str) -> list[int]:
        """The epochs, numbered from 0, of the values called ``name``."""
        return self.epochs_of.get(name) or list(range(len(self.history[name])))

    def get_state(self) -> dict[str, Any]:
        """The state for a checkpoint: the epochs, and the values of each name with their epochs."""
        return {
            "epoch": np.array(self.epoch, np.int64),
            "figures": [
                [name, np.array(self.epochs(name), np.int64), _together(values)]
                for name, values in self.history.items()
            ],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave; raises ``ValueError`` if it does not go together."""
        history, epochs_of = {}, {}
        for name, epochs, values in state["figures"]:
            if np.shape(epochs) != (len(values),) or epochs.dtype.kind not in "iu":
                raise ValueError
            numbers = isinstance(values, np.ndarray) and values.ndim == 1
            history[str(name)] = values.tolist() if numbers else list(values)
            epochs_of[str(name)] = epochs.tolist()
        epoch = state["epoch"]
        if epoch.ndim != 1 or epoch.dtype.kind not in "iu":
            raise ValueError
        self.epoch = epoch.tolist()
        self.history, self.epochs_of = history, epochs_of

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with a row an epoch: its number from 1, then its logs.

        A value of several numbers, one for each class, is their list, in one cell.
        """
        with (
            replacing(path_of("to_csv", "path", path)) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["epoch", *self.history])
            writer.writerows([cell(value) for value in row] for row in self.rows())


def _plain(value: Any) -> Any:
    """A value as a checkpoint restores it: numbers are Python's, but for those of an array."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return value.item()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _together(values: list[Any]) -> Any:
    """One array of numbers, or of arrays of one shape and dtype; a list of anything else."""
    if all(isinstance(value, float) for value in values):
        return np.array(values, np.float64)
    kinds = {
        (value.shape, value.dtype) if isinstance(value, np.ndarray) else None for value in values
    }
    return np.stack(values) if len(kinds) == 1 and kinds != {None} else values


def cell(value: Any) -> Any:
    """A value as a table holds it: as it is, or a list where it is several numbers.

    >>> cell(0.5), cell(np.array([0.1, 0.25]))
    (0.5, '[0.1, 0.25]')
    """
    return str(np.asarray(value).tolist()) if np.ndim(value) else value
