"""Adam, and Adam with decoupled weight decay."""

import math

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        w -= lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    With ``amsgrad`` the largest v so far takes the place of v in the second line.
    Kingma & Ba (2015), in the form of its section 2: epsilon is added to the root
    before its bias is corrected, as in Keras and unlike PyTorch. AMSGrad: Reddi et al. (2018).

    >>> params = {"w": np.array([1.0])}
    >>> Adam(0.1).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.9]
    """

    slot_names: tuple[str, ...] = ("momentum", "velocity")
    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.beta_1 = self._number("beta_1", beta_1, below=1)
        self.beta_2 = self._number("beta_2", beta_2, below=1)
        self.epsilon = self._number("epsilon", epsilon)
        self.amsgrad = amsgrad
        if amsgrad:
            self.separate_slots = ("velocity_hat",)
            self.slot_names += self.separate_slots

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
        if self.amsgrad:
            v = np.maximum(slots["velocity_hat"], v, out=slots["velocity_hat"])
        np.sqrt(v, out=change)
        change += self.epsilon
        np.divide(m, change, out=change)
        change *= self._corrected_rate
        param -= change

    @property
    def _corrected_rate(self) -> float:
        t = self.iterations
        return self.rate * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        name = "adam_amsgrad" if self.amsgrad else "adam"
        new = 1 - self.beta_1, 1 - self.beta_2
        return Rule(name, self.slot_names, (self._corrected_rate, *new, self.epsilon))


class AdamW(Adam):
    """Adam with a weight decay, which leaves the running means alone.

        w -= w * weight_decay * lr, then Adam's step

    Loshchilov & Hutter (2019). Every parameter decays, biases too, unless
    ``exclude_from_weight_decay`` names it.

    >>> params = {"w": np.array([1.0])}
    >>> AdamW(0.1, weight_decay=0.5).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.85]
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        self._number("weight_decay", weight_decay)
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad,
            weight_decay, clipnorm, clipvalue, global_clipnorm,
        )  # fmt: skip
