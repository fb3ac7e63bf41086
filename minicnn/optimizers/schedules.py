"""Learning rates that change with the step, under Keras' names and with its numbers."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from minicnn._core.arguments import number
from minicnn._core.config import Configurable, exported, find
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError

PERIODS, MANY = 1000, 1e18
"""The most periods of cosines that are looped over, and the most that are counted."""

__getattr__ = asked("optimizers.schedules")


class Schedule(Configurable):
    """A learning rate that is a function of the step, counted from 0 over all epochs.

    A custom schedule defines ``__call__``. It can be saved if it stores the constructor's
    arguments as attributes of the same names, or defines ``get_config``.

    >>> class Halving(LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.1 * 0.5 ** (step // 100)
    >>> Halving()(250)
    0.025
    """

    keras_module = "keras.optimizers.schedules"

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        raise TypeError(f"{type(self).__name__} defines no __call__(step).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; raises ``ConfigError`` if they were not stored."""
        try:
            return super().get_config()
        except AttributeError as error:
            raise ConfigError(
                f"{type(self).__name__}: expected the constructor's arguments as attributes of "
                f"their names, got none for {error.name!r}. Store it, or define get_config()."
            ) from None


LearningRateSchedule = Schedule


class ExponentialDecay(Schedule):
    """A rate that falls by the same factor ``decay_rate`` every ``decay_steps``.

        rate = initial * decay_rate ^ (step / decay_steps)

    With ``staircase`` the exponent is rounded down.

    >>> rate = ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
    >>> [round(rate(step), 4) for step in (0, 5, 10, 20)]
    [0.1, 0.0707, 0.05, 0.025]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        _check(self, initial_learning_rate, decay_steps=decay_steps)
        number("ExponentialDecay", "decay_rate", decay_rate, least=0)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        p = step / self.decay_steps
        return float(
            self.initial_learning_rate * self.decay_rate ** (math.floor(p) if self.staircase else p)
        )


class InverseTimeDecay(Schedule):
    """A rate that falls like one over the time.

        rate = initial / (1 + decay_rate * step / decay_steps)

    With ``staircase`` step / decay_steps is rounded down.

    >>> rate = InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)
    >>> [rate(step) for step in (0, 10, 30)]
    [0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        _check(self, initial_learning_rate, decay_steps=decay_steps)
        number("InverseTimeDecay", "decay_rate", decay_rate, least=0)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        p = step / self.decay_steps
        return self.initial_learning_rate / (
            1 + self.decay_rate * (math.floor(p) if self.staircase else p)
        )


class PiecewiseConstantDecay(Schedule):
    """``values[0]`` up to and including step ``boundaries[0]``, then ``values[1]``, and so on.

    There is one value more than there are boundaries, which must rise; else ``ConfigError``.

    >>> rate = PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])
    >>> [rate(step) for step in (0, 100, 101, 200, 201)]
    [0.1, 0.1, 0.01, 0.01, 0.001]
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        for argument, given in (("boundaries", boundaries), ("values", values)):
            if not isinstance(given, list | tuple):
                raise ConfigError(
                    f"PiecewiseConstantDecay: expected {argument} as a list of numbers, "
                    f"got {given!r}."
                )
        self.boundaries = tuple(boundaries)
        self.values = tuple(values)
        for boundary in self.boundaries:
            number("PiecewiseConstantDecay", "each of boundaries", boundary)
        for value in self.values:
            number("PiecewiseConstantDecay", "each of values", value, least=0)
        if any(b <= a for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ConfigError(
                f"PiecewiseConstantDecay: expected rising boundaries, got {self.boundaries}."
            )
        if len(self.values) != len(self.boundaries) + 1:
            raise ConfigError(
                f"PiecewiseConstantDecay: expected {len(self.boundaries) + 1} values for "
                f"{len(self.boundaries)} boundaries, got {len(self.values)}."
            )

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        return self.values[bisect_left(self.boundaries, step)]


class PolynomialDecay(Schedule):
    """A rate that falls to ``end_learning_rate`` over ``decay_steps`` and stays there.

        rate = (initial - end) * (1 - step / decay_steps) ^ power + end

    With ``cycle`` it does not stay: decay_steps is multiplied by the smallest whole number
    that makes it reach the step.

    >>> rate = PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)
    >>> [rate(step) for step in (0, 5, 10, 15)]
    [0.1, 0.05, 0.0, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        _check(self, initial_learning_rate, decay_steps=decay_steps)
        number("PolynomialDecay", "end_learning_rate", end_learning_rate, least=0)
        number("PolynomialDecay", "power", power, least=0)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        p = step / self.decay_steps
        left = 1 - (p / max(math.ceil(p), 1) if self.cycle else min(p, 1.0))
        fall = self.initial_learning_rate - self.end_learning_rate
        return float(fall * left**self.power + self.end_learning_rate)


class CosineDecay(Schedule):
    """Half a cosine, from ``initial_learning_rate`` down to ``alpha`` times it.

        rate = initial * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)

    and constant after ``decay_steps``. With ``warmup_target`` the rate first climbs in a
    straight line from ``initial_learning_rate`` to that, over ``warmup_steps``, and
    falls from there. Loshchilov & Hutter (2017); numbers as in Keras.

    >>> rate = CosineDecay(0.1, decay_steps=100)
    >>> [round(rate(step), 3) for step in (0, 50, 100, 200)]
    [0.1, 0.05, 0.0, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        _check(self, initial_learning_rate, decay_steps=decay_steps)
        number("CosineDecay", "alpha", alpha, least=0)
        number("CosineDecay", "warmup_steps", warmup_steps, least=0)
        if warmup_target is not None:
            number("CosineDecay", "warmup_target", warmup_target, least=0)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        peak = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                climbed = (self.warmup_target - peak) * step / self.warmup_steps
                return peak + climbed
            peak, step = self.warmup_target, step - self.warmup_steps
        return peak * ((1 - self.alpha) * _cosine(min(step / self.decay_steps, 1.0)) + self.alpha)


class CosineDecayRestarts(Schedule):
    """Half cosines one after the other, each ``t_mul`` times longer and ``m_mul`` times higher.

        rate = initial * ((1 - alpha) * m_mul^i * (1 + cos(pi * p)) / 2 + alpha)

    where p in [0, 1) is how much of period i has passed; period 0 takes ``first_decay_steps``.
    Loshchilov & Hutter (2017); numbers as in Keras, but for the first step of a period where
    Keras' float32 still sees the end of the one before.

    >>> rate = CosineDecayRestarts(0.1, first_decay_steps=10)
    >>> [round(rate(step), 3) for step in (0, 5, 10, 20, 30)]
    [0.1, 0.05, 0.1, 0.05, 0.1]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        _check(self, initial_learning_rate, first_decay_steps=first_decay_steps)
        number("CosineDecayRestarts", "t_mul", t_mul, least=1)
        number("CosineDecayRestarts", "m_mul", m_mul, least=0)
        number("CosineDecayRestarts", "alpha", alpha, least=0)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        length = self.first_decay_steps
        if self.t_mul == 1:
            period, left = divmod(step, length)
        else:
            period, left = 0.0, float(step)
            past = math.log1p(min(step / length, MANY) * (self.t_mul - 1)) / math.log(self.t_mul)
            if past > PERIODS:  # skipped at once, however short a file says they are
                period = float(math.floor(past))
                length *= self.t_mul**period
                left -= (length - self.first_decay_steps) / (self.t_mul - 1)
                left = min(max(left, 0.0), length)
            while left >= length:
                period, left, length = period + 1, left - length, length * self.t_mul
        height = self.m_mul**period * _cosine(left / length)
        return float(self.initial_learning_rate * ((1 - self.alpha) * height + self.alpha))


def _cosine(p: float) -> float:
    """From 1 at p = 0 down to 0 at p = 1."""
    return (1 + math.cos(math.pi * p)) / 2


def _check(schedule: Schedule, initial_learning_rate: float, **steps: float) -> None:
    who = type(schedule).__name__
    number(who, "initial_learning_rate", initial_learning_rate, least=0)
    for name, value in steps.items():
        number(who, name, value, above=0)


_BY_NAME = exported(Schedule, globals(), "get")


def get(who: str, value: Any) -> Schedule:
    """The schedule that ``value`` is or describes; raises ``ConfigError`` when it is none."""
    return find(who, "learning_rate", value, Schedule, _BY_NAME)
