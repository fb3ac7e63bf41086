"""Weights, rates and counters that scripts take for TensorFlow's variables."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

import numpy as np

from minicnn._core.shapes import Array
from minicnn._keras.spelling import snake_case
from minicnn._training.metrics import RunningMetrics
from minicnn.as_keras.tensors import Number, Tensor, tensor
from minicnn.layers.params import Parametrized, Weights
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer

__all__ = ["Variable", "changes", "variable"]


class Variable(Tensor):
    """An array with the methods that set a variable; what is computed of it is a tensor.

    >>> v = variable(np.zeros(2), "v")
    >>> v.assign_add([1, 2]).numpy().tolist(), type(v + 1).__name__
    ([1.0, 2.0], 'Tensor')
    """

    name = path = "Variable"
    trainable = True

    def assign(self, value: Any, **_: Any) -> Self:
        """Put other numbers in their place."""
        self[...] = value
        return self

    def assign_add(self, delta: Any, **_: Any) -> Self:
        """Add to them."""
        return self.assign(np.add(self, delta))

    def assign_sub(self, delta: Any, **_: Any) -> Self:
        """Subtract from them."""
        return self.assign(np.subtract(self, delta))

    def read_value(self) -> Any:
        """The numbers."""
        return tensor(np.array(self))

    get_value = read_value


def variable(array: Any, name: str | None = None, trainable: bool = True) -> Variable:
    """The array, of which what is assigned to the variable changes the numbers."""
    made = np.asarray(array).view(Variable)
    made.name = made.path = name or "Variable"
    made.trainable = trainable
    return made


class Rate(Number):
    """The learning rate of an optimizer, which can be set by it too: ``rate.assign(0.1)``."""

    optimizer: Optimizer

    def assign(self, value: Any, **_: Any) -> "Rate":
        """Set the optimizer's rate."""
        self.optimizer.learning_rate = float(value)
        return self

    set_value = assign

    def read_value(self) -> float:
        """The plain number."""
        return float(self)

    get_value = value = read_value

    def __reduce__(self) -> Any:
        return float, (float(self),)


OLD_NAMES = {"W": "kernel", "b": "bias", "running_mean": "moving_mean",
             "running_std": "moving_variance"}  # fmt: skip
"""What weights were called in Keras 1."""


class Count(int):
    """A whole number with the method of a tensor."""

    def numpy(self) -> int:
        """The plain number."""
        return int(self)


def _iterations(self: Optimizer) -> Count:
    return Count(vars(self)["iterations"])


def _set_iterations(self: Optimizer, count: int) -> None:
    vars(self)["iterations"] = int(count)


def changes() -> Iterator[tuple[type, str, Any]]:
    """What takes the place of what, in which class."""
    for name, arrays in (("weights", "arrays"), ("trainable_weights", "learned")):
        yield Weights, name, property(_listed(arrays))
    yield Weights, "non_trainable_weights", property(_not_trained)
    found = vars(Parametrized)["__getattr__"]

    def of_layer(self: Any, name: str) -> Any:
        array = found(self, OLD_NAMES.get(name, name))
        return variable(array, _path(self, name)) if isinstance(array, np.ndarray) else array

    yield Parametrized, "__getattr__", of_layer
    rate = vars(Optimizer)["learning_rate"]

    def learning_rate(self: Optimizer) -> Rate:
        number = Rate(rate.fget(self))
        number.optimizer = self
        return number

    yield Optimizer, "learning_rate", property(learning_rate, rate.fset)
    yield Optimizer, "iterations", property(_iterations, _set_iterations)
    yield RunningMetrics, "logs", _numbers(RunningMetrics.logs)
    yield Metric, "__init__", _begin_metric
    yield Metric, "add_weight", _add_weight
    yield Metric, "add_variable", _add_weight
    yield Metric, "reset_state", _reset


def _path(owner: Any, name: str) -> str:
    whole = name if "." in name else f"{owner.name}.{name}"
    return whole.replace(".", "/")


def _variables(owner: Any, arrays: Mapping[str, Array], trainable: bool) -> list[Variable]:
    return [variable(array, _path(owner, name), trainable) for name, array in arrays.items()]


def _listed(arrays: str) -> Any:
    return lambda self: _variables(self, getattr(self, arrays)(), True)


def _not_trained(self: Any) -> list[Variable]:
    learned = {id(array) for array in self.learned().values()}
    others = {name: one for name, one in self.arrays().items() if id(one) not in learned}
    return _variables(self, others, False)


def _numbers(logs: Any) -> Any:
    def plain(self: RunningMetrics) -> Any:
        """The means so far; of counters, the numbers."""
        found = logs(self)
        return {k: float(v) if np.shape(v) == () else np.asarray(v) for k, v in found.items()}

    return plain


def _begin_metric(self: Metric, name: str | None = None, dtype: Any = None, **_: Any) -> None:
    """As Keras' metrics begin: those written with ``add_weight`` have nothing to reset yet."""
    vars(self)["name"] = snake_case(type(self).__name__) if name is None else name
    with suppress(AttributeError):
        self.reset_state()


def _add_weight(
    self: Metric, name: Any = None, shape: Any = (), initializer: Any = "zeros", **_: Any
) -> Variable:
    """A counter that starts at 0, or at 1 with ``initializer="ones"``."""
    if isinstance(name, tuple):  # Keras 3 has the shape first
        name, shape = None, name
    one = getattr(initializer, "__name__", type(initializer).__name__)
    fill = str(initializer if isinstance(initializer, str) else one).lower() == "ones"
    return variable(np.full(shape, float(fill), np.float32), name)


def _reset(self: Metric) -> None:
    """All counters at 0."""
    for counter in vars(self).values():
        if isinstance(counter, Variable):
            counter.assign(0)
