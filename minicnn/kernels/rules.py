"""What an optimizer tells kernels of its step, so that they make it for all parameters at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from minicnn._core.shapes import Array


class Rule(NamedTuple):
    """What an optimizer's ``update`` does to each number, for kernels that have it as well."""

    name: str
    slots: tuple[str, ...]
    """The slots that it reads and writes, in its order."""
    numbers: tuple[float, ...]
    """What else it computes with in this step, such as the learning rate."""


class Moved(NamedTuple):
    """A parameter that an optimizer moves."""

    param: Array
    grad: Array
    slots: dict[str, Array]
    decay: float
    """The fraction of it that is taken away first."""
    scale: float
    """What the gradient is multiplied by."""


OptimizerStep = Callable[[Rule, Sequence[Moved], float], bool]
"""(rule, parameters, clipvalue or 0) -> whether it was done; if not, nothing has changed."""
