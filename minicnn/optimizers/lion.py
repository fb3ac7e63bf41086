"""Lion, which steps by signs."""

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Lion(Optimizer):
    """Steps of the same length for every number, in the direction of a momentum's sign.

        w -= lr * sign(beta_1 m + (1 - beta_1) g)
        m = beta_2 m + (1 - beta_2) g

    Chen et al. (2023), who advise a learning rate 3 to 10 times smaller than Adam's.

    >>> params = {"w": np.array([1.0, 1.0])}
    >>> Lion(0.1).step(params, {"w": np.array([2.0, -0.01])})
    >>> params["w"].tolist()
    [0.9, 1.1]
    """

    slot_names = ("momentum",)
    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        number("Lion", "beta_1", beta_1, above=0, most=1)
        self.beta_1 = float(beta_1)
        self.beta_2 = self._number("beta_2", beta_2, below=1)

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        m = slots["momentum"]
        change = m * self.beta_1
        change += grad * (1 - self.beta_1)
        np.sign(change, out=change)
        change *= self.rate
        param -= change
        m *= self.beta_2
        m += np.multiply(grad, 1 - self.beta_2, out=change)

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        betas = self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2
        return Rule("lion", self.slot_names, (self.rate, *betas))
