"""A limit on the time of a run."""

import re
import time
from collections.abc import Mapping
from typing import Any

from minicnn._core.arguments import check_state, number
from minicnn.callbacks.base import Callback, Logs
from minicnn.errors import ConfigError

UNITS = {"h": 3600, "min": 60, "m": 60, "sec": 1, "s": 1}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|sec|s)\s*")


class TimeBudget(Callback):
    """End the run in time: what ``fit(time_budget=...)`` does.

    No epoch begins that would end too late if it took as long as the longest so far; the first
    epoch ends early when time is up, and so does a validation: the epoch is then recorded without
    its metrics. ``budget`` is in seconds, or text such as "90s", "5min" or "1h30min".

    >>> TimeBudget("1h30min").seconds
    5400.0
    """

    first_rank_only = True

    def __init__(self, budget: str | float) -> None:
        self.seconds = _seconds(budget)
        self.started = self.begun = self.longest = 0.0

    def __repr__(self) -> str:
        """With the budget in seconds."""
        return f"TimeBudget({self.seconds:g})"

    def on_train_begin(self, logs: Logs) -> None:
        """Start the clock."""
        self.started = self.begun = time.monotonic()
        self.longest = 0.0

    def get_state(self) -> Logs:
        """The seconds used by the run and by its epoch, and the longest epoch."""
        now = time.monotonic()
        return {"used": now - self.started, "epoch": now - self.begun, "longest": self.longest}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue the clock from there; the time since does not count."""
        check_state("TimeBudget", self.get_state(), state)
        now = time.monotonic()
        self.started, self.begun = now - float(state["used"]), now - float(state["epoch"])
        self.longest = float(state["longest"])

    @property
    def time_is_up(self) -> bool:
        """Whether the budget is spent: ``fit`` then leaves the validation out."""
        return time.monotonic() - self.started > self.seconds

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Start the clock of the epoch."""
        self.begun = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Stop when time is up."""
        if self.time_is_up:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Stop when the next epoch would end too late."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self.begun)
        if now - self.started + self.longest > self.seconds:
            self.model.stop_training = True


def _seconds(budget: str | float) -> float:
    if isinstance(budget, str):
        parts = DURATION.findall(budget)
        if not parts or DURATION.sub("", budget.strip()):
            raise ConfigError(
                "fit: expected time_budget in seconds or as '90s', '5min' or '1h30min', "
                f"got {budget!r}."
            )
        budget = sum(float(n) * UNITS[unit] for n, unit in parts)
    number("fit", "time_budget", budget, above=0)
    return float(budget)
