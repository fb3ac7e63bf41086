"""Callbacks that end a run: TerminateOnNaN and TimeBudget."""

import pytest

from callback_helpers import X, Y, break_weights, fit, network
from minicnn.callbacks import EarlyStopping, LambdaCallback, TerminateOnNaN, TimeBudget
from minicnn.callbacks import time_budget as clock
from minicnn.errors import ConfigError, DivergenceError


def test_terminate_on_nan(capsys):
    """A loss that is an error without it ends the run quietly, with the epochs before recorded."""
    for callbacks in ([], [TerminateOnNaN()]):
        model = network()

        def break_it(epoch, logs, model=model):
            if epoch == 2:
                break_weights(model)

        callbacks = [*callbacks, LambdaCallback(on_epoch_begin=break_it)]
        if len(callbacks) == 1:
            with pytest.raises(DivergenceError):
                fit(model, callbacks, 5)
        else:
            assert fit(model, callbacks, 5).epoch == [0, 1]


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [(90, 90), (1.5, 1.5), ("90s", 90), ("5min", 300), ("1h30min", 5400), (" 1h 30 m ", 5400)],
)
def test_budgets_are_read(budget, seconds):
    """Seconds, or text with units."""
    assert TimeBudget(budget).seconds == seconds


@pytest.mark.parametrize("budget", ["", "90", "5 parsecs", "min", -1, 0, "0s", True, None, [1]])
def test_budgets_that_are_none(budget):
    """Anything else is one clear line."""
    with pytest.raises(ConfigError, match="fit: expected time_budget"):
        TimeBudget(budget)


@pytest.mark.parametrize(
    ("budget", "batches"),
    [(2.5, [3]), (3, [3]), (5, [3]), (6.5, [3, 3]), (1.5, [2]), (100, [3, 3, 3])],
)
def test_time_budget(budget, batches, monkeypatch):
    """With a clock that a batch moves on by a second, so many batches are done in each epoch."""
    now = 0.0

    def tick(batch, logs):
        nonlocal now
        now += 1
        done[-1] += 1

    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    done = []
    ticking = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: done.append(0), on_train_batch_end=tick
    )
    history = fit(network(), ticking, time_budget=budget)
    assert done == batches
    assert history.epoch == list(range(len(batches)))


@pytest.mark.parametrize(
    ("budget", "batches", "evaluated"),
    [(2.5, 3, 0), (4.5, 3, 2), (9, 3, 3)],
)
def test_time_budget_holds_for_validation(budget, batches, evaluated, monkeypatch):
    """A validation is left out, or cut, when time is up; its metrics are then not recorded."""
    now, done = 0.0, {"train": 0, "test": 0}

    def tick(kind):
        def move(batch, logs):
            nonlocal now
            now += 1
            done[kind] += 1

        return move

    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    ticking = LambdaCallback(on_train_batch_end=tick("train"), on_test_batch_end=tick("test"))
    options = {"validation_data": (X, Y), "validation_batch_size": 8, "time_budget": budget}
    history = fit(network(), [ticking, EarlyStopping()], **options)
    assert done == {"train": batches, "test": evaluated}
    assert history.epoch == [0]
    assert ("val_loss" in history.history) == (evaluated == 3)
