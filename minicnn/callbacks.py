"""Callbacks: what happens beside a training, under Keras' names and with its meaning.

``fit(callbacks=[...])`` calls them in the order of the list, at the moments that
``minicnn.hooks`` lists. One of your own is any class with the methods it wants:

    class Announce:
        def on_epoch_end(self, epoch, logs):
            print(epoch, logs["loss"], self.model.optimizer.learning_rate)

``self.model`` is the model and ``self.params`` has "epochs" and "steps"; deriving from ``Callback``
is possible and not needed. ``self.model.stop_training = True`` ends the training after the batch at
hand. What a callback changes of a layer's arguments counts from the next epoch on.
"""

import csv
import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from minicnn.config import did_you_mean, number, whole_number
from minicnn.errors import ConfigError, ModelFileError
from minicnn.files.atomic import make_folder, replacing
from minicnn.history import History
from minicnn.hooks import EVENTS
from minicnn.optimizers.schedules import Schedule
from minicnn.shapes import Array

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
    "TimeBudget",
]

Logs = dict[str, Any]

LARGER_IS_BETTER = ("accuracy", "acc", "auc", "precision", "recall", "f1", "f1_score")
"""Endings of the names of figures that should grow; all others should fall."""


class Callback:
    """The parent that a callback may have: it knows the model and how it is trained."""

    model: Any = None
    params: Mapping[str, Any] = {}


class _Watching(Callback):
    """A callback that follows one figure and knows which way is better."""

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        who = type(self).__name__
        if mode not in ("auto", "min", "max"):
            raise ConfigError(f"{who}: expected mode 'auto', 'min' or 'max', got {mode!r}.")
        number(who, "min_delta", min_delta, least=0)
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta
        grows = monitor.removeprefix("val_").endswith(LARGER_IS_BETTER)
        self.larger_is_better = mode == "max" or (mode == "auto" and grows)
        self.worst = -math.inf if self.larger_is_better else math.inf

    def better(self, value: float, than: float) -> bool:
        """Whether a figure beats another by more than ``min_delta``."""
        if self.larger_is_better:
            return value - self.min_delta > than
        return value + self.min_delta < than

    def figure(self, logs: Logs) -> float:
        """The figure watched; raises ``ConfigError`` when the epoch did not bring it."""
        if self.monitor in logs:
            return float(np.asarray(logs[self.monitor]))
        missing = " Give fit validation_data." if self.monitor.startswith("val_") else ""
        raise ConfigError(
            f"{type(self).__name__}: expected the figure {self.monitor!r} at the end of an epoch, "
            f"got {', '.join(logs)}.{did_you_mean(self.monitor, logs) or missing}"
        )


class EarlyStopping(_Watching):
    """End the training when a figure has not improved for ``patience`` epochs.

    An improvement must beat the best so far by more than ``min_delta`` (and ``baseline``, if there
    is one); the first ``start_from_epoch`` epochs do not count. ``restore_best_weights`` puts the
    best epoch's weights back at the end, however the training ends.

    >>> stop = EarlyStopping(patience=2, restore_best_weights=True)
    >>> stop.better(0.5, than=0.6)
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = whole_number("EarlyStopping", "patience", patience, least=0)
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = whole_number(
            "EarlyStopping", "start_from_epoch", start_from_epoch, least=0
        )

    def on_train_begin(self, logs: Logs) -> None:
        """Forget an earlier training."""
        self.wait = 0
        self.best = self.worst
        self.best_epoch = 0
        self.stopped_epoch = 0
        self.best_weights: list[Array] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare, wait, and stop."""
        if epoch < self.start_from_epoch:
            return
        value = self.figure(logs)
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        """Put the best weights back."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Watching):
    """Save the model after each epoch, or only when a figure is the best so far.

    ``filepath`` may hold the epoch, counted from 1, and the epoch's figures:
    "m-{epoch:02d}-{val_loss:.2f}.keras". With ``save_weights_only`` it must end in .weights.h5,
    else in .keras. With a whole number as ``save_freq`` the model is saved after so many batches.

    >>> checkpoint = ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True)
    >>> checkpoint.larger_is_better
    True
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0)
        self.filepath = os.fspath(filepath)
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            raise ConfigError(
                f"ModelCheckpoint: expected a filepath that ends in {ending} with "
                f"save_weights_only={save_weights_only}, got {self.filepath!r}."
            )
        if save_freq != "epoch":
            whole_number("ModelCheckpoint", "save_freq", save_freq)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = self.worst if initial_value_threshold is None else initial_value_threshold
        self.batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Note the epoch, for the name of a file written in it."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Save, if it is after batches that is asked for."""
        self.batches += 1
        if self.save_freq != "epoch" and self.batches % int(self.save_freq) == 0:
            self._save_if_wanted(self.epoch, logs, batch)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save, if it is after epochs that is asked for."""
        if self.save_freq == "epoch":
            self._save_if_wanted(epoch, logs)

    def _save_if_wanted(self, epoch: int, logs: Logs, batch: int | None = None) -> None:
        if self.save_best_only:
            value = self.figure(logs)
            if not self.better(value, self.best):
                return
            self.best = value
        names = logs | {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            path = Path(self.filepath.format(**names))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ConfigError(
                f"ModelCheckpoint: expected in filepath the names {', '.join(names)} alone, "
                f"got {self.filepath!r} ({error})."
            ) from None
        make_folder(path.parent)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {path}")


class ReduceLROnPlateau(_Watching):
    """Lower the learning rate when a figure has not improved for ``patience`` epochs.

        rate = max(rate * factor, min_lr)

    After that nothing is counted for ``cooldown`` epochs.

    >>> ReduceLROnPlateau(factor=0.2, patience=5).factor
    0.2
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        number("ReduceLROnPlateau", "factor", factor, above=0, below=1)
        number("ReduceLROnPlateau", "min_lr", min_lr, least=0)
        self.factor = factor
        self.patience = whole_number("ReduceLROnPlateau", "patience", patience, least=0)
        self.verbose = verbose
        self.cooldown = whole_number("ReduceLROnPlateau", "cooldown", cooldown, least=0)
        self.min_lr = min_lr

    def on_train_begin(self, logs: Logs) -> None:
        """Forget an earlier training; there must be a rate that can be set."""
        _rate(self)
        self.best = self.worst
        self.wait = 0
        self.cooling = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare, wait, and lower the rate, which is added to the logs as it was."""
        rate = _rate(self)
        logs["learning_rate"] = rate
        value = self.figure(logs)
        if self.cooling > 0:
            self.cooling -= 1
            self.wait = 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooling <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooling, self.wait = self.cooldown, 0
                if self.verbose:
                    rate = self.model.optimizer.learning_rate
                    print(f"Epoch {epoch + 1}: the learning rate is now {rate:.6g}.")


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch to ``schedule(epoch, rate)``, or ``schedule(epoch)``.

    >>> halving = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    """

    foreign = True  # what the function does nobody here knows

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise ConfigError(f"LearningRateScheduler: expected a function, got {schedule!r}.")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Set it."""
        old = _rate(self)
        try:
            rate = self.schedule(epoch, old)
        except TypeError:
            rate = self.schedule(epoch)
        number("LearningRateScheduler", "the rate of its schedule", rate, least=0)
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {float(rate):.6g}.")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Add the rate to the logs."""
        logs["learning_rate"] = _rate(self)


class CSVLogger(Callback):
    """Write each epoch's figures to a file, a row an epoch, as the training goes on.

    The columns are those of the first epoch; a figure that a later one does not bring is NA.
    ``append=True`` goes on after the rows that are there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLogger(f"{folder}/log.csv")
    ...     log.on_train_begin({})
    ...     log.on_epoch_end(0, {"loss": 0.5})
    ...     log.on_train_end({})
    ...     log.filename.read_text().splitlines()
    ['epoch,loss', '0,0.5']
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = Path(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ConfigError(f"CSVLogger: expected separator as one character, got {separator!r}.")
        self.separator = separator
        self.append = append
        self.file: IO[str] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        """Open the file."""
        self.columns: list[str] = []
        self.with_header = not (
            self.append and self.filename.exists() and self.filename.stat().st_size
        )
        mode = "a" if self.append else "w"
        self.file = self.filename.open(mode, newline="", encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a row, at once."""
        assert self.file is not None
        writer = csv.writer(self.file, delimiter=self.separator, lineterminator="\n")
        if not self.columns:
            self.columns = sorted(logs)
            if self.with_header:
                writer.writerow(["epoch", *self.columns])
        writer.writerow([epoch, *(logs.get(name, "NA") for name in self.columns)])
        self.file.flush()

    def on_train_end(self, logs: Logs) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()


class TerminateOnNaN(Callback):
    """End the training quietly when the loss, or a weight, is no longer a number.

    Without it ``fit`` raises ``DivergenceError``, which names the layer where it began. Either way
    the step that led there is not taken, where it is the loss that shows it.

    >>> TerminateOnNaN.ends_on_nan
    True
    """

    ends_on_nan: ClassVar[bool] = True

    def on_train_end(self, logs: Logs) -> None:
        """Nothing is left to do."""


class LambdaCallback(Callback):
    """A callback made of functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: ...)``.

    Its arguments are the methods of a callback. Raises ``ConfigError`` for any other.

    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)).on_epoch_end(3, {})
    3
    """

    foreign = True  # what a function does nobody here knows

    def __init__(self, **functions: Callable[..., None] | None) -> None:
        known = EVENTS | dict.fromkeys(EVENTS.values())
        for name, function in functions.items():
            if name not in known:
                raise ConfigError(
                    f"LambdaCallback: expected functions called {', '.join(EVENTS)}, got "
                    f"{name!r}.{did_you_mean(name, known)}"
                )
            if function is not None:
                setattr(self, name, function)


class BackupAndRestore(Callback):
    """Keep a backup of the training, and go on from it when the same script is run again.

    After each epoch (or so many batches, with ``save_freq``) weights, optimizer and generator are
    written to ``backup_dir``; at the beginning of a training that is there, it goes on with the
    next epoch. The backup is deleted when the training has come to its end, unless
    ``delete_checkpoint`` is False.

    >>> BackupAndRestore("backup").backup_dir
    PosixPath('backup')
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        delete_checkpoint: bool = True,
    ) -> None:
        if save_freq != "epoch":
            whole_number("BackupAndRestore", "save_freq", save_freq)
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint

    def on_train_begin(self, logs: Logs) -> None:
        """Go on from the backup, if there is one."""
        self.batches = 0
        self.epoch = self.model.initial_epoch
        newest = max(self._backups(), default=None)
        if newest is None:
            return
        number_, path = newest
        self.model.load_weights(path)
        facts = path.with_name(f"{number_}.json")
        try:
            known = json.loads(facts.read_text(encoding="utf-8"))
            self.model.rng.bit_generator.state = known["generator"]
            self.model.initial_epoch = int(known["epoch"])
        except (OSError, ValueError, TypeError, KeyError):
            raise ModelFileError(f"{facts}: expected what belongs to a backup.") from None

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Back up, if it is after batches that is asked for."""
        self.batches += 1
        if self.save_freq != "epoch" and self.batches % int(self.save_freq) == 0:
            self._back_up(self.epoch)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Back up, if it is after epochs that is asked for."""
        if self.save_freq == "epoch":
            self._back_up(epoch + 1)

    def on_train_end(self, logs: Logs) -> None:
        """Delete the backup of a training that has come to its end."""
        ended = self.model.stop_training or self.epoch + 1 >= self.params["epochs"]
        if self.delete_checkpoint and ended:
            self._delete(self._backups())

    def _back_up(self, next_epoch: int) -> None:
        """Write the facts, then the weights, whose name makes the backup a whole one."""
        make_folder(self.backup_dir)
        old = list(self._backups())
        new = max((number_ for number_, _ in old), default=0) + 1
        facts = {"epoch": next_epoch, "generator": self.model.rng.bit_generator.state}
        with replacing(self.backup_dir / f"{new}.json") as unfinished:
            unfinished.write_text(json.dumps(facts), encoding="utf-8")
        self.model.save_weights(self.backup_dir / f"{new}.weights.h5")
        self._delete(old)

    def _backups(self) -> list[tuple[int, Path]]:
        names = self.backup_dir.glob("*.weights.h5")
        return [(int(p.name.split(".")[0]), p) for p in names if p.name.split(".")[0].isdigit()]

    def _delete(self, backups: list[tuple[int, Path]]) -> None:
        for number_, path in backups:
            path.unlink(missing_ok=True)
            path.with_name(f"{number_}.json").unlink(missing_ok=True)


class TimeBudget(Callback):
    """End the training in time: what ``fit(time_budget=...)`` does.

    No epoch is begun that, being as long as the longest so far, would not end in time; the first
    one ends early when time is up. ``budget`` is in seconds, or text such as "90s", "5min" or
    "1h30min".

    >>> TimeBudget("1h30min").seconds
    5400.0
    """

    def __init__(self, budget: str | float) -> None:
        self.seconds = _seconds(budget)

    def on_train_begin(self, logs: Logs) -> None:
        """Start the clock."""
        self.started = time.monotonic()
        self.longest = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Start that of the epoch."""
        self.begun = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Stop when time is up."""
        if time.monotonic() - self.started > self.seconds:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Stop when the next epoch would end too late."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self.begun)
        if now - self.started + self.longest > self.seconds:
            self.model.stop_training = True


UNITS = {"h": 3600, "min": 60, "m": 60, "sec": 1, "s": 1}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|sec|s)\s*")


def _seconds(budget: str | float) -> float:
    if isinstance(budget, str):
        parts = DURATION.findall(budget)
        if not parts or DURATION.sub("", budget):
            raise ConfigError(
                "fit: expected time_budget in seconds or as '90s', '5min' or '1h30min', "
                f"got {budget!r}."
            )
        budget = sum(float(n) * UNITS[unit] for n, unit in parts)
    number("fit", "time_budget", budget, above=0)
    return float(budget)


def _rate(callback: Callback) -> float:
    """The learning rate; raises ``ConfigError`` where a schedule decides on it."""
    rate = callback.model.optimizer.learning_rate
    if isinstance(rate, Schedule):
        raise ConfigError(
            f"{type(callback).__name__}: expected an optimizer whose learning rate is a number, "
            f"got one with the schedule {rate!r}. Use the one or the other."
        )
    return float(rate)
