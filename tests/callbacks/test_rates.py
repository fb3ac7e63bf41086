"""ReduceLROnPlateau and LearningRateScheduler with hand-made metrics."""

import pytest

from callback_helpers import fit, given, network
from minicnn import SGD
from minicnn.callbacks import LearningRateScheduler, ReduceLROnPlateau
from minicnn.errors import ConfigError
from minicnn.optimizers.schedules import ExponentialDecay


@pytest.mark.parametrize(
    ("values", "options", "rates"),
    [
        ([5, 4, 4, 4, 4], {"patience": 1}, [1, 1, 1, 0.1, 0.01]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "cooldown": 2}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ([5, 5, 5, 5, 5, 5], {"patience": 2, "cooldown": 1}, [1, 1, 1, 0.1, 0.1, 0.01]),
        ([5, 5, 5, 5], {"patience": 1, "factor": 0.5, "min_lr": 0.4}, [1, 1, 0.5, 0.4]),
        ([5, 4.99995, 4.99992, 1], {"patience": 1}, [1, 1, 0.1, 0.01]),
        ([1, 2, 3, 3], {"patience": 1, "mode": "max"}, [1, 1, 1, 1]),
    ],
)
def test_reduce_lr_on_plateau(values, options, rates):
    """The rate of each epoch, worked out by hand, is in the history."""
    plateau = ReduceLROnPlateau("f", **{"mode": "min"} | options)
    history = fit(network(optimizer=SGD(1.0)), [given("f", values), plateau], len(values))
    assert history.history["learning_rate"] == pytest.approx(rates)


@pytest.mark.parametrize("factor", [1, 1.5, 0, -1, "a", float("nan")])
def test_a_factor_that_lowers_nothing_is_refused(factor):
    """The factor must lie between 0 and 1."""
    with pytest.raises(ConfigError, match="ReduceLROnPlateau: expected factor"):
        ReduceLROnPlateau(factor=factor)


def test_learning_rate_scheduler():
    """A function of the epoch, or of the epoch and the rate, sets it before the epoch."""
    for schedule, wanted in (
        (lambda epoch: 1 / (epoch + 1), [1, 1 / 2, 1 / 3]),
        (lambda epoch, rate: rate / 2, [0.05, 0.025, 0.0125]),
    ):
        history = fit(network(), LearningRateScheduler(schedule))
        assert history.history["learning_rate"] == pytest.approx(wanted)


def test_a_schedule_that_fails_says_so_itself():
    """A TypeError from within the function is not taken for one of its signature."""

    def schedule(epoch, rate):
        return "a" + epoch

    with pytest.raises(TypeError, match="can only concatenate"):
        fit(network(), LearningRateScheduler(schedule))
    with pytest.raises(ConfigError, match="the rate of its schedule as a number, 0 or more"):
        fit(network(), LearningRateScheduler(lambda epoch: -1))
    with pytest.raises(ConfigError, match=r"expected a function, got 0\.1"):
        LearningRateScheduler(0.1)


@pytest.mark.parametrize("callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(float)])
def test_a_schedule_and_a_callback_do_not_share_the_rate(callback):
    """An optimizer with a schedule is refused before the first step."""
    model = network(optimizer=SGD(ExponentialDecay(0.1, 10, 0.9)))
    with pytest.raises(ConfigError, match="Use the one or the other"):
        fit(model, callback)
    assert model.optimizer.iterations == 0
