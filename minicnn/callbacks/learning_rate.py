"""Callbacks that set the learning rate."""

import inspect
import math
from collections.abc import Callable

import numpy as np

from minicnn._core.arguments import check_verbose, number, whole_number
from minicnn._core.console import say
from minicnn.callbacks.base import Callback, Logs
from minicnn.callbacks.watching import Watching
from minicnn.errors import ConfigError


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch to ``schedule(epoch, rate)``, or ``schedule(epoch)``.

    >>> halving = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    """

    foreign = True  # the function may do anything

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise ConfigError(f"LearningRateScheduler: expected a function, got {schedule!r}.")
        self.schedule = schedule
        try:
            inspect.signature(schedule).bind(0, 0.0)
            self.takes_rate = True
        except (TypeError, ValueError):
            self.takes_rate = False
        check_verbose("LearningRateScheduler", verbose)
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Set it."""
        old = learning_rate(self)
        rate = self.schedule(epoch, old) if self.takes_rate else self.schedule(epoch)
        number("LearningRateScheduler", "the rate of its schedule", rate, least=0)
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            say(f"Epoch {epoch + 1}: the learning rate is {float(rate):.6g}.")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Add the rate to the logs."""
        logs["learning_rate"] = learning_rate(self)


class ReduceLROnPlateau(Watching):
    """Lower the learning rate when a metric has not improved for ``patience`` epochs.

        rate = max(rate * factor, min_lr)

    The next ``cooldown`` epochs do not count.

    >>> ReduceLROnPlateau(factor=0.2, patience=5).factor
    0.2
    """

    kept = ("best", "wait", "cooling")

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
        check_verbose("ReduceLROnPlateau", verbose)
        number("ReduceLROnPlateau", "factor", factor, above=0, below=1)
        number("ReduceLROnPlateau", "min_lr", min_lr, least=0)
        self.factor = factor
        self.patience = whole_number("ReduceLROnPlateau", "patience", patience, least=0)
        self.verbose = verbose
        self.cooldown = whole_number("ReduceLROnPlateau", "cooldown", cooldown, least=0)
        self.min_lr = min_lr
        self.best = math.nan
        self.wait = self.cooling = 0

    def on_train_begin(self, logs: Logs) -> None:
        """Forget an earlier run; raise ``ConfigError`` where the rate cannot be set."""
        super().on_train_begin(logs)
        learning_rate(self)
        self.best = self.worst
        self.wait = 0
        self.cooling = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare, wait, and lower the rate; the logs get the rate of the epoch."""
        rate = learning_rate(self)
        logs["learning_rate"] = rate
        value = self.monitored(logs)
        if value is None:
            return
        if self.cooling > 0:
            self.cooling -= 1
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooling <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooling, self.wait = self.cooldown, 0
                if self.verbose:
                    rate = self.model.optimizer.learning_rate
                    say(f"Epoch {epoch + 1}: the learning rate is now {rate:.6g}.")


def learning_rate(callback: Callback) -> float:
    """The learning rate; raises ``ConfigError`` where a schedule decides on it."""
    optimizer = callback.model.optimizer
    if optimizer.schedule is not None:
        raise ConfigError(
            f"{type(callback).__name__}: expected an optimizer whose learning rate is a number, "
            f"got one with the schedule {optimizer.schedule!r}. Use the one or the other."
        )
    return float(optimizer.learning_rate)
