"""Stochastic gradient descent."""

from minicnn._core.shapes import Array
from minicnn.errors import ConfigError
from minicnn.kernels import Rule
from minicnn.optimizers.base import Optimizer, Slots
from minicnn.optimizers.schedules import Schedule


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        w -= lr * g                                  without momentum
        v = momentum * v - lr * g;  w += v           with momentum
        v likewise;  w += momentum * v - lr * g      with Nesterov's

    Sutskever et al. (2013), in Keras' form.

    >>> import numpy as np
    >>> params = {"w": np.array([1.0])}
    >>> SGD(0.1).step(params, {"w": np.array([2.0])})
    >>> params["w"].tolist()
    [0.8]
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.momentum = self._number("momentum", momentum, below=1)
        if nesterov and not momentum:
            raise ConfigError("SGD: expected momentum above 0 with nesterov=True, got 0.")
        self.nesterov = nesterov
        self.slot_names = ("momentum",) if self.momentum else ()

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """See the class."""
        step = grad * -self.rate
        if self.momentum:
            velocity = slots["momentum"]
            velocity *= self.momentum
            velocity += step
            step = step + self.momentum * velocity if self.nesterov else velocity
        param += step

    def rule(self) -> Rule:
        """See ``Optimizer``."""
        if not self.momentum:
            return Rule("sgd", (), (self.rate,))
        name = "sgd_nesterov" if self.nesterov else "sgd_momentum"
        return Rule(name, self.slot_names, (self.rate, self.momentum))
