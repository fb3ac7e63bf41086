"""Arrays and learning rates as Keras' variables: ``w.numpy()``, ``w.assign(...)``, ``w.name``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.as_keras.tensors import Number, Tensor
from minicnn.errors import ShapeError
from minicnn.layers import Layer
from minicnn.layers.params import Weights
from minicnn.optimizers import Optimizer

__all__ = ["Rate", "Variable", "changes"]


class Variable(Tensor):
    """An array of a layer, which ``assign`` changes in place.

    >>> kernel = variable("dense/kernel:0", np.zeros(2))
    >>> kernel.assign([1, 2]).numpy().tolist(), kernel.name
    ([1.0, 2.0], 'dense/kernel:0')
    """

    name = ""
    trainable = True

    def numpy(self) -> Array:
        """A copy, which training leaves as it is."""
        return np.array(self)

    def value(self) -> Tensor:
        """The numbers, now."""
        return self.numpy().view(Tensor)

    read_value = eval = value

    def assign(self, value: Any) -> "Variable":
        """Put numbers in the place of these; raises ``ShapeError`` unless there are as many."""
        new = np.asarray(value)
        if new.shape != self.shape:
            raise ShapeError(f"{self.name}: expected shape {self.shape}, got {new.shape}.")
        self[...] = new
        return self

    def assign_add(self, value: Any) -> "Variable":
        """Add numbers to these."""
        return self.assign(np.asarray(self) + value)

    def assign_sub(self, value: Any) -> "Variable":
        """Subtract numbers from these."""
        return self.assign(np.asarray(self) - value)


class Rate(Number):
    """The learning rate of an optimizer, which ``assign`` changes.

    >>> optimizer = SGD(0.5)
    >>> Rate(0.5).of(optimizer).assign(0.25)
    >>> optimizer.learning_rate
    0.25
    """

    optimizer: Any = None

    def of(self, optimizer: Optimizer) -> "Rate":
        """The same, of that optimizer."""
        self.optimizer = optimizer
        return self

    def assign(self, value: Any) -> None:
        """Set the learning rate."""
        self.optimizer.learning_rate = float(value)

    def value(self) -> float:
        """The number."""
        return float(self)

    read_value = value

    def __reduce__(self) -> Any:
        """A copy is a number, and of no optimizer."""
        return float, (float(self),)


def variable(name: str, array: Array) -> Variable:
    """An array as the variable of that name; both have the same numbers."""
    made = array.view(Variable)
    made.name = name
    return made


def _of(which: Callable[[Any], Mapping[str, Array]]) -> property:
    """The variables of a layer or a model, in a list."""

    def variables(owner: Any) -> list[Variable]:
        within = f"{owner.name}/" if isinstance(owner, Layer) else ""
        learned = {id(array) for array in owner.learned().values()}
        found = []
        for name, array in which(owner).items():
            made = variable(f"{within}{name.replace('.', '/')}:0", array)
            made.trainable = id(array) in learned
            found.append(made)
        return found

    return property(variables)


def _others(owner: Any) -> dict[str, Array]:
    """The arrays that training does not change."""
    learned = owner.learned()
    return {name: array for name, array in owner.arrays().items() if name not in learned}


def _by_name(layer: Any, name: str) -> Variable:
    """``layer.kernel``: one of its arrays; raises ``AttributeError`` for any other name."""
    if not name.startswith("_") and not layer.sublayers:
        arrays = {**vars(layer).get("params", {}), **vars(layer).get("state", {})}
        if name in arrays:
            return variable(f"{layer.name}/{name}:0", arrays[name])
    raise AttributeError(f"{type(layer).__name__!r} object has no attribute {name!r}")


def _rate(optimizer: Any) -> Rate:
    get: Any = RATE.fget
    return Rate(get(optimizer)).of(optimizer)


RATE: Any = vars(Optimizer)["learning_rate"]


def changes() -> Iterator[tuple[type, str, Any]]:
    """What takes the place of what, in which class."""
    yield Weights, "weights", _of(lambda owner: owner.arrays())
    yield Weights, "trainable_weights", _of(lambda owner: owner.learned())
    yield Weights, "non_trainable_weights", _of(_others)
    yield Layer, "__getattr__", _by_name
    yield Optimizer, "learning_rate", property(_rate, RATE.fset)
