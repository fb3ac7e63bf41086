"""RMSprop."""

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of the gradient's square.

        v = rho v + (1 - rho) g^2;  s = lr * g / sqrt(v + epsilon);  w -= s
        m = momentum * m + s;  w -= m                                with momentum
        a = rho a + (1 - rho) g, and v - a^2 in the place of v       with centered

    Hinton's lecture 6e (2012); centered as Graves (2013). Epsilon is inside the root, as in
    Keras and unlike PyTorch.

    >>> params = {"w": np.array([1.0])}
    >>> RMSprop(0.1, rho=0.75).step(params, {"w": np.array([2.0])})
    >>> params["w"].round(6).tolist()
    [0.8]
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.rho = self._number("rho", rho, below=1)
        self.momentum = self._number("momentum", momentum, below=1)
        self.epsilon = self._number("epsilon", epsilon)
        self.centered = centered
        self.slot_names = (
            "velocity",
            *(("momentum",) if self.momentum else ()),
            *(("average_gradient",) if centered else ()),
        )
        self.separate_slots = self.slot_names

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        velocity = slots["velocity"]
        change = np.square(grad)
        change *= 1 - self.rho
        velocity *= self.rho
        velocity += change
        if self.centered:
            average = slots["average_gradient"]
            average *= self.rho
            average += np.multiply(grad, 1 - self.rho, out=change)
            np.square(average, out=change)
            np.subtract(velocity, change, out=change)
            change += self.epsilon
        else:
            np.add(velocity, self.epsilon, out=change)
        np.sqrt(change, out=change)
        np.divide(grad, change, out=change)
        change *= self.rate
        if self.momentum:
            momentum = slots["momentum"]
            momentum *= self.momentum
            momentum += change
            change = momentum
        param -= change

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        name = "rmsprop" + "_centered" * self.centered + "_momentum" * bool(self.momentum)
        numbers = self.rate, self.rho, 1 - self.rho, self.epsilon, self.momentum
        return Rule(name, self.slot_names, numbers)
