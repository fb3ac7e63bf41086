"""Learning rates that change with the step."""

import math
from typing import Any

from minicnn.config import Configurable, find, number

__all__ = ["CosineDecay", "Schedule", "get"]


class Schedule(Configurable):
    """A learning rate that is a function of the step, counted from 0 over all epochs."""

    keras_module = "keras.optimizers.schedules"

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        raise TypeError(f"{type(self).__name__} defines no __call__(step).")


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
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        number("CosineDecay", "initial_learning_rate", initial_learning_rate, least=0)
        number("CosineDecay", "decay_steps", decay_steps, least=1)
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
        cosine = (1 + math.cos(math.pi * min(step / self.decay_steps, 1.0))) / 2
        return peak * ((1 - self.alpha) * cosine + self.alpha)


_BY_NAME = {"CosineDecay": CosineDecay}


def get(who: str, value: Any) -> Schedule:
    """The schedule that ``value`` is or describes; raises ``ConfigError`` when it is none."""
    return find(who, "learning_rate", value, Schedule, _BY_NAME)
