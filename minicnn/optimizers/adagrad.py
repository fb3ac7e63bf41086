"""Adagrad."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Adagrad(Optimizer):
    """Steps that shrink for a number with the sum of its squared gradients.

        a += g^2;  w -= lr * g / sqrt(a + epsilon)

    where a starts at ``initial_accumulator_value``. Duchi et al. (2011), with epsilon
    inside the root, as in Keras.

    >>> params = {"w": np.array([1.0])}
    >>> Adagrad(0.1, initial_accumulator_value=0.0).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.9]
    """

    slot_names = ("accumulator",)
    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.initial_accumulator_value = self._number(
            "initial_accumulator_value", initial_accumulator_value
        )
        self.epsilon = self._number("epsilon", epsilon)
        self.slot_starts = {"accumulator": self.initial_accumulator_value}

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        accumulator = slots["accumulator"]
        change = np.square(grad)
        accumulator += change
        np.add(accumulator, self.epsilon, out=change)
        np.sqrt(change, out=change)
        np.divide(grad, change, out=change)
        change *= self.rate
        param -= change

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        return Rule("adagrad", self.slot_names, (self.rate, self.epsilon))
