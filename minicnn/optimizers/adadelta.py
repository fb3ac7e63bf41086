"""Adadelta."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Adadelta(Optimizer):
    """Steps as long as earlier ones were, so that no rate has to be found.

        a = rho a + (1 - rho) g^2
        s = sqrt(d + epsilon) / sqrt(a + epsilon) * g
        d = rho d + (1 - rho) s^2;  w -= lr * s

    Zeiler (2012), whose rate is 1; Keras' default is 0.001.

    >>> params = {"w": np.array([1.0])}
    >>> Adadelta(1.0, rho=0.75, epsilon=0.01).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.800993]
    """

    slot_names = ("accumulated_grad", "accumulated_delta_var")
    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.rho = self._number("rho", rho, below=1)
        self.epsilon = self._number("epsilon", epsilon)

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        squares, steps = slots["accumulated_grad"], slots["accumulated_delta_var"]
        squares *= self.rho
        squares += (1 - self.rho) * np.square(grad)
        change = np.sqrt((steps + self.epsilon) / (squares + self.epsilon))
        change *= grad
        steps *= self.rho
        steps += (1 - self.rho) * np.square(change)
        change *= self.rate
        param -= change

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        return Rule("adadelta", self.slot_names, (self.rate, self.rho, 1 - self.rho, self.epsilon))
