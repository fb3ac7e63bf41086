"""Callbacks that follow a metric from epoch to epoch."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn._core.arguments import check_state, check_verbose, number, whole_number
from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn._core.suggestions import did_you_mean
from minicnn._keras.spelling import as_logged
from minicnn.callbacks.base import Callback, Logs
from minicnn.errors import ConfigError

LARGER_IS_BETTER = ("accuracy", "acc", "auc", "precision", "recall", "f1", "f1_score", "f1score")
SMALLER_IS_BETTER = ("loss", "error", "crossentropy", "ce", "mse", "mae", "learning_rate")
"""Endings of the names of metrics, in small letters, that should grow or fall."""


class Watching(Callback):
    """A callback that follows one metric and knows which way is better.

    With ``mode="auto"`` the metric's name tells, or else the class of the model's metric of that
    name. Raises ``ConfigError`` before the first step where neither does, and for a metric of a
    validation that does not take place.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        who = type(self).__name__
        if mode not in ("auto", "min", "max"):
            raise ConfigError(f"{who}: expected mode 'auto', 'min' or 'max', got {mode!r}.")
        if not isinstance(monitor, str):
            raise ConfigError(f"{who}: expected monitor as the name of a metric, got {monitor!r}.")
        number(who, "min_delta", min_delta, least=0)
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta

    def on_train_begin(self, logs: Logs) -> None:
        """Raise ``ConfigError`` for a metric of a validation where there is none."""
        if self.monitor.startswith("val_") and not self.params.get("validation"):
            raise ConfigError(
                f"{type(self).__name__}: expected the metric {self.monitor!r} at the end of an "
                "epoch, got a run without validation. Give fit validation_data."
            )

    @property
    def larger_is_better(self) -> bool:
        """Which way is better."""
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        metrics = getattr(self.model, "metrics", ())
        classes = [type(m).__name__ for m in metrics if getattr(m, "name", None) == name]
        for known in (name.lower(), *map(str.lower, classes)):
            if known.endswith(LARGER_IS_BETTER):
                return True
            if known.endswith(SMALLER_IS_BETTER):
                return False
        raise ConfigError(
            f"{type(self).__name__}: expected mode 'min' or 'max' for {self.monitor!r}, whose name "
            "does not tell which way is better, got 'auto'."
        )

    @property
    def worst(self) -> float:
        """The value that any other beats."""
        return -math.inf if self.larger_is_better else math.inf

    def better(self, value: float, than: float) -> bool:
        """Whether a value beats another by more than ``min_delta``."""
        if self.larger_is_better:
            return value - self.min_delta > than
        return value + self.min_delta < than

    def monitored(self, logs: Logs) -> float | None:
        """The value of the metric; None after an epoch that ``validation_freq`` leaves out.

        Raises ``ConfigError`` where it is missing otherwise.
        """
        who = type(self).__name__
        logged = as_logged(self.monitor, logs)
        if logged is not None:
            value = logs[logged]
            if np.ndim(value):
                raise ConfigError(
                    f"{who}: expected {self.monitor!r} as one number, got {np.size(value)} of "
                    "them. Give the metric average='macro', or watch another metric."
                )
            return float(value)
        if self.monitor.startswith("val_") and self.not_evaluated(logs):
            return None
        raise ConfigError(
            f"{who}: expected the metric {self.monitor!r} at the end of an epoch, got "
            f"{', '.join(logs)}.{did_you_mean(self.monitor, logs)}"
        )

    def not_evaluated(self, logs: Logs) -> bool:
        """Whether the run has validations, but this epoch has none."""
        evaluated = any(name.startswith("val_") for name in logs)
        return bool(self.params.get("validation")) and not evaluated


class EarlyStopping(Watching):
    """End the run when a metric has not improved for ``patience`` epochs.

    An improvement must beat the best so far by more than ``min_delta`` (and ``baseline``, if there
    is one); the first ``start_from_epoch`` epochs do not count. ``restore_best_weights`` puts the
    best epoch's weights back at the end, however the run ends.

    >>> stop = EarlyStopping(patience=2, restore_best_weights=True)
    >>> stop.better(0.5, than=0.6)
    True
    """

    kept = ("wait", "best", "best_epoch", "stopped_epoch")

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
        check_verbose("EarlyStopping", verbose)
        self.verbose = verbose
        if baseline is not None:
            number("EarlyStopping", "baseline", baseline)
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = whole_number(
            "EarlyStopping", "start_from_epoch", start_from_epoch, least=0
        )
        self._forget()

    def on_train_begin(self, logs: Logs) -> None:
        """Forget an earlier run."""
        super().on_train_begin(logs)
        self._forget()
        self.best = self.worst

    def _forget(self) -> None:
        self.wait = 0
        self.best = math.nan
        self.best_epoch = 0
        self.stopped_epoch = 0
        self.best_weights: list[Array] | None = None

    def get_state(self) -> dict[str, Any]:
        """Its counters, and the best weights."""
        return super().get_state() | {"best_weights": self.best_weights}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave, for a model of the same shapes."""
        state = dict(state)
        weights = state.pop("best_weights", None)
        shapes = [array.shape for array in self.model.get_weights()]
        if weights is not None and [np.shape(array) for array in weights] != shapes:
            raise ConfigError("EarlyStopping: expected best_weights of the shapes of the model's.")
        check_state("EarlyStopping", super().get_state(), state)
        vars(self).update(state)
        self.best_weights = weights

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare, wait, and stop."""
        if epoch < self.start_from_epoch:
            return
        value = self.monitored(logs)
        if value is None:
            return
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
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                say(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
