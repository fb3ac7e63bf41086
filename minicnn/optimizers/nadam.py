"""Adam with Nesterov's momentum."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Nadam(Optimizer):
    """Adam that looks ahead: it counts the gradient as the next step's momentum will.

        u_t = beta_1 (1 - 0.96^t / 2);  U_t = u_1 * ... * u_t
        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        n = u_(t+1) m / (1 - U_(t+1)) + (1 - u_t) g / (1 - U_t)
        w -= lr * n / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Dozat (2016), with Keras' schedule u of the momentum.

    >>> params = {"w": np.array([1.0])}
    >>> Nadam(0.1).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.893721]
    """

    slot_names = ("momentum", "velocity")
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
        self.u_product = 1.0
        """U_t, the product of the momenta of all steps."""

    def begin_step(self) -> None:
        """Count this step's momentum."""
        self.u_product *= self._u(self.iterations)

    def _u(self, t: int) -> float:
        return self.beta_1 * (1 - 0.96**t / 2)

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        m, v = slots["momentum"], slots["velocity"]
        change = grad - m
        change *= 1 - self.beta_1
        m += change
        np.square(grad, out=change)
        change -= v
        change *= 1 - self.beta_2
        v += change
        root = np.sqrt(v)
        rate_m, rate_g, correct = self._factors()
        root *= correct
        root += self.epsilon
        np.multiply(m, rate_m, out=change)
        change += grad * rate_g
        change /= root
        param -= change

    def _factors(self) -> tuple[float, float, float]:
        """Those of the momentum, the gradient, and the root of this step."""
        t = self.iterations
        u, next_u = self._u(t), self._u(t + 1)
        return (
            self.rate * next_u / (1 - self.u_product * next_u),
            self.rate * (1 - u) / (1 - self.u_product),
            1 / math.sqrt(1 - self.beta_2**t),
        )

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        rate_m, rate_g, correct = self._factors()
        new = 1 - self.beta_1, 1 - self.beta_2
        return Rule("nadam", self.slot_names, (rate_m, rate_g, *new, correct, self.epsilon))

    def get_state(self, params: Mapping[str, Array]) -> list[Array]:
        """The state of any optimizer, and last the product of the momenta, where Keras has it."""
        return [*super().get_state(params), np.asarray(self.u_product)]

    def set_state(self, params: Mapping[str, Array], state: Sequence[Array]) -> None:
        """Restore what ``get_state`` returned."""
        super().set_state(params, state[:-1])
        self.u_product = float(state[-1])
