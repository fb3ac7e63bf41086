"""Learning rate schedules against values worked out by hand."""

import math

import numpy as np
import pytest

from minicnn import SGD, Dense, Input, Sequential
from minicnn.errors import ConfigError
from minicnn.optimizers import schedules
from minicnn.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from minicnn.testing.cases import SCHEDULES


def test_cosine_decay():
    """The rate follows half a cosine to alpha times its start, after a straight climb."""
    rate = CosineDecay(0.4, decay_steps=8, alpha=0.25)
    assert [rate(s) for s in (0, 4, 8, 100)] == pytest.approx([0.4, 0.25, 0.1, 0.1])
    rate = CosineDecay(0.0, decay_steps=10, warmup_target=1.0, warmup_steps=4)
    assert [rate(s) for s in (0, 2, 4, 9, 14, 50)] == pytest.approx([0, 0.5, 1, 0.5, 0, 0])


def test_exponential_decay():
    """The rate halves every four steps, smoothly or in stairs."""
    smooth = ExponentialDecay(0.8, 4, 0.5)
    assert [smooth(s) for s in (0, 2, 4, 10)] == pytest.approx(
        [0.8, 0.8 / math.sqrt(2), 0.4, 0.2 / math.sqrt(2)]
    )
    stairs = ExponentialDecay(0.8, 4, 0.5, staircase=True)
    assert [stairs(s) for s in (0, 3, 4, 7, 8)] == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2])


def test_inverse_time_decay():
    """The rate is divided by one plus the time, counted in fractions or in whole numbers."""
    smooth = InverseTimeDecay(0.6, 4, 0.5)
    assert [smooth(s) for s in (0, 2, 4, 16)] == pytest.approx([0.6, 0.48, 0.4, 0.2])
    stairs = InverseTimeDecay(0.6, 4, 0.5, staircase=True)
    assert [stairs(s) for s in (0, 3, 4, 7, 8)] == pytest.approx([0.6, 0.6, 0.4, 0.4, 0.3])


def test_piecewise_constant_decay():
    """A boundary is the last step of its value."""
    rate = PiecewiseConstantDecay([2, 5], [1.0, 0.5, 0.1])
    assert [rate(s) for s in range(7)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.1]


def test_polynomial_decay():
    """The rate falls to its end and stays, or with ``cycle`` starts to fall again from above."""
    rate = PolynomialDecay(1.0, 10, end_learning_rate=0.2, power=2.0)
    assert [rate(s) for s in (0, 5, 10, 11)] == pytest.approx([1, 0.4, 0.2, 0.2])
    cycle = PolynomialDecay(1.0, 10, end_learning_rate=0.2, cycle=True)
    assert [cycle(s) for s in (0, 5, 10, 15, 20, 25)] == pytest.approx(
        [1, 0.6, 0.2, 0.4, 0.2, 0.2 + 0.8 / 6]
    )


def test_cosine_decay_restarts():
    """Periods of 4, 12, 36 steps start at 0.8, 0.4, 0.2, and fall to alpha times the start."""
    rate = CosineDecayRestarts(0.8, 4, t_mul=3.0, m_mul=0.5)
    assert [rate(s) for s in (0, 2, 4, 10, 16, 34, 52)] == pytest.approx(
        [0.8, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    )
    even = CosineDecayRestarts(0.8, 4, t_mul=1.0, alpha=0.5)
    assert [even(s) for s in (0, 2, 4, 6, 402)] == pytest.approx([0.8, 0.6, 0.8, 0.6, 0.6])


def test_every_restart_is_at_its_step():
    """A period starts at the very step where the one before is over, however many were before."""
    start, length = 0, 7
    rate = CosineDecayRestarts(0.1, 7, t_mul=3.0)
    for _ in range(12):
        assert rate(start) == pytest.approx(0.1)
        assert rate(start + length - 1) < 0.02
        start, length = start + length, 3 * length


def test_a_schedule_starts_at_step_zero():
    """The first step is taken at the schedule's value for step 0, as in Keras."""
    optimizer = SGD(CosineDecay(1.0, decay_steps=2))
    params = {"w": np.zeros(1)}
    for _ in range(3):
        optimizer.step(params, {"w": np.ones(1)})
    assert params["w"][0] == pytest.approx(-1.5)


ARRAYS = PiecewiseConstantDecay(np.array([3, 6]), [0.3, 0.2, np.float32(0.5)])


@pytest.mark.parametrize("schedule", [*SCHEDULES, ARRAYS], ids=repr)
def test_config_round_trip(schedule):
    """An optimizer's config describes its schedule, and makes one of the same values."""
    config = SGD(schedule, momentum=0.9).get_config()
    again = SGD.from_config(config).schedule
    assert type(again) is type(schedule)
    assert [again(step) for step in range(20)] == [schedule(step) for step in range(20)]
    assert again.get_config() == schedule.get_config()


class Remembering(LearningRateSchedule):
    """A schedule that stores other attributes than its arguments."""

    def __init__(self, start):
        self.values, self.asked = [start, start / 2], []

    def __call__(self, step):
        self.asked.append(step)
        return np.float64(self.values[step % 2])


def test_a_custom_schedule_trains():
    """A user's schedule is asked once for each step, and the parameters keep their dtype."""
    schedule = Remembering(0.5)
    model = Sequential([Input((3,)), Dense(2)], seed=0)
    model.compile(SGD(schedule, momentum=0.9), "mse")
    x = np.ones((6, 3))
    model.fit(x, np.ones((6, 2)), batch_size=2, epochs=2, verbose=0)
    assert schedule.asked == list(range(6))
    assert all(value.dtype == np.float32 for value in model.params.values())
    assert repr(model.optimizer) == "SGD(learning_rate=Remembering(...), momentum=0.9)"


def test_what_cannot_be_saved_says_so(tmp_path):
    """A schedule without its arguments has no config, and the message says what to do."""
    model = Sequential([Input((3,)), Dense(2)], seed=0)
    model.compile(SGD(Remembering(0.5)), "mse")
    with pytest.raises(ConfigError, match=r"Remembering: .*'start'\. Store it, or define get_conf"):
        model.save(tmp_path / "m.keras")


@pytest.mark.parametrize("rate", [None, "fast", float("nan"), -0.1, np.ones(2)])
def test_a_rate_that_is_none_is_refused(rate):
    """What a user's schedule returns is looked at before anything is updated."""

    class Wrong(LearningRateSchedule):
        def __call__(self, step):
            return rate

    optimizer, params = SGD(Wrong()), {"w": np.ones(2)}
    with pytest.raises(ConfigError, match=r"SGD: expected Wrong\(0\) as a number, 0 or more, got"):
        optimizer.step(params, {"w": np.ones(2)})
    assert (optimizer.iterations, params["w"].tolist()) == (0, [1, 1])


def test_a_rate_may_be_an_array_of_no_axes():
    """What np.where gives for one number is a rate."""

    class Where(LearningRateSchedule):
        def __call__(self, step):
            return np.where(step < 1, 0.5, 0.1)

    optimizer, params = SGD(Where()), {"w": np.ones(1)}
    for _ in range(2):
        optimizer.step(params, {"w": np.ones(1)})
    assert params["w"][0] == pytest.approx(0.4)


def test_mistakes_are_explained():
    """Arguments that make no schedule say so."""
    for call in (
        lambda: CosineDecay(0.1, 0),
        lambda: CosineDecayRestarts(0.1, 0),
        lambda: CosineDecayRestarts(0.1, 10, t_mul=0.5),
        lambda: ExponentialDecay(0.1, -1, 0.5),
        lambda: ExponentialDecay(0.1, 10, -0.5),
        lambda: InverseTimeDecay("a", 10, 0.5),
        lambda: PolynomialDecay(0.1, 10, power=-1),
        lambda: PiecewiseConstantDecay([1, 2], [0.1, 0.2]),
        lambda: PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]),
        lambda: PiecewiseConstantDecay([1], [0.1, "a"]),
    ):
        with pytest.raises(ConfigError, match=r"^[A-Z]\w+: expected .* got"):
            call()
    with pytest.raises(ConfigError, match="Did you mean 'CosineDecay'"):
        schedules.get("SGD", {"class_name": "CosineDcay", "config": {}})


@pytest.mark.parametrize("step", [10**5, 3 * 10**6, 10**8])
def test_many_restarts_are_counted_at_once(step):
    """The rate is that of going through the periods one by one, of which there are over 600."""
    period, left, length = 0, float(step), 1.0
    while left >= length:
        period, left, length = period + 1, left - length, length * 1.01
    assert period > 600
    rate = CosineDecayRestarts(0.1, first_decay_steps=1, t_mul=1.01, m_mul=0.999)(step)
    wanted = 0.1 * 0.999**period * (1 + math.cos(math.pi * left / length)) / 2
    assert math.isclose(rate, wanted, rel_tol=1e-6)
