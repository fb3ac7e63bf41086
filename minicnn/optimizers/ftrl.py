"""Ftrl: follow the regularized leader."""

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Ftrl(Optimizer):
    """The weights that would have been best so far, under a penalty that leaves many at 0.

        n' = n + g^2;  p = -learning_rate_power
        z += g + 2 l2_shrinkage w - (n'^p - n^p) / lr * w
        w = (min(max(z, -l1), l1) - z) / (n'^p / lr + 2 l2 + beta / lr);  n = n'

    where n starts at ``initial_accumulator_value``, l1, l2 and l2_shrinkage are the arguments
    ``..._regularization_strength``. A rate of 0 leaves everything as it is. McMahan et al. (2013).

    >>> params = {"w": np.array([1.0])}
    >>> Ftrl(0.1, initial_accumulator_value=0.0).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.9]
    """

    slot_names = ("accumulator", "linear")
    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        number("Ftrl", "learning_rate_power", learning_rate_power, most=0)
        self.learning_rate_power = float(learning_rate_power)
        self.initial_accumulator_value = self._number(
            "initial_accumulator_value", initial_accumulator_value
        )
        self.l1_regularization_strength = self._number(
            "l1_regularization_strength", l1_regularization_strength
        )
        self.l2_regularization_strength = self._number(
            "l2_regularization_strength", l2_regularization_strength
        )
        self.l2_shrinkage_regularization_strength = self._number(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength
        )
        self.beta = self._number("beta", beta)
        self.slot_starts = {"accumulator": self.initial_accumulator_value}

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        if not self.rate:
            return
        squares, linear = slots["accumulator"], slots["linear"]
        power, l1 = -self.learning_rate_power, self.l1_regularization_strength
        before = squares**power
        squares += np.square(grad)
        after = squares**power
        linear += grad + 2 * self.l2_shrinkage_regularization_strength * param
        linear -= (after - before) / self.rate * param
        after /= self.rate
        after += 2 * self.l2_regularization_strength + self.beta / self.rate
        np.divide(np.clip(linear, -l1, l1) - linear, after, out=param)
