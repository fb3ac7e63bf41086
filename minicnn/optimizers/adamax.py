"""Adamax."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Adamax(Optimizer):
    """Adam with the largest gradient of late in the place of the root of the mean square.

        m += (1 - beta_1) (g - m);  u = max(beta_2 u, |g|)
        w -= lr / (1 - beta_1^t) * m / (u + epsilon)

    Kingma & Ba (2015), section 7.1.

    >>> params = {"w": np.array([1.0])}
    >>> Adamax(0.1).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.9]
    """

    slot_names = ("momentum", "norm")
    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.beta_1 = self._number("beta_1", beta_1, below=1)
        self.beta_2 = self._number("beta_2", beta_2, below=1)
        self.epsilon = self._number("epsilon", epsilon)

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        m, u = slots["momentum"], slots["norm"]
        change = grad - m
        change *= 1 - self.beta_1
        m += change
        u *= self.beta_2
        np.maximum(u, np.abs(grad, out=change), out=u)
        np.add(u, self.epsilon, out=change)
        np.divide(m, change, out=change)
        change *= self.rate / (1 - self.beta_1**self.iterations)
        param -= change

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        rate = self.rate / (1 - self.beta_1**self.iterations)
        return Rule("adamax", self.slot_names, (rate, 1 - self.beta_1, self.beta_2, self.epsilon))
