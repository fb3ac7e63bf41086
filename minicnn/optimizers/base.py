"""The optimizer: one rule that turns a gradient into a step, applied to every parameter."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from minicnn import threads
from minicnn.config import Configurable, number
from minicnn.errors import ConfigError, ShapeError
from minicnn.optimizers import schedules
from minicnn.optimizers.schedules import Schedule
from minicnn.shapes import Array

Slots = dict[str, Array]

PIECE = 32_768
"""Numbers of a parameter that are updated together."""


class Optimizer(Configurable):
    """Moves parameters against their gradients, in place.

    ``step(params, grads)`` counts one iteration and calls ``update`` for every
    gradient. What an optimizer remembers of a parameter, such as its momentum, lies
    in ``slots[name]`` and starts at 0. ``learning_rate`` is a number, which may be set at
    any time, or a schedule.
    """

    keras_module = "keras.optimizers"

    slot_names: tuple[str, ...] = ()
    """What this optimizer remembers of a parameter, in the order of Keras' files."""

    elementwise: ClassVar[bool] = False
    """Whether ``update`` treats each number by itself: large parameters then come in pieces that
    fit the cache, on all threads. It is not inherited by a class with an ``update`` of its own."""

    def __init__(self, learning_rate: float | Schedule) -> None:
        self.learning_rate: float | Schedule
        if isinstance(learning_rate, Schedule | Mapping):
            self.learning_rate = schedules.get(type(self).__name__, learning_rate)
        else:
            self.learning_rate = self._number("learning_rate", learning_rate)
        self.iterations = 0
        self.owner: object = None
        """The model that this optimizer trains: what it remembers is of that one's parameters."""
        self.slots: dict[str, Slots] = {}

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Update every parameter that has a gradient.

        Raises ``ConfigError`` for a gradient without a parameter, ``ShapeError`` for
        one of another shape; nothing is updated then.
        """
        who = type(self).__name__
        for name, grad in grads.items():
            if name not in params:
                raise ConfigError(f"{who}: expected gradients of known parameters, got {name!r}.")
            if grad.shape != params[name].shape:
                raise ShapeError(
                    f"{who}: expected a gradient of shape {params[name].shape} for {name!r}, "
                    f"got {grad.shape}."
                )
        self.iterations += 1
        pieces = [
            piece
            for name, grad in grads.items()
            for piece in self._pieces(params[name], grad, self.slots_of(name, params[name]))
        ]

        def work(first: int, last: int) -> None:
            for piece in pieces[first:last]:
                self.update(*piece)

        cost = 3 * sum(grad.size for grad in grads.values()) if self._by_pieces else 0
        threads.shards(len(pieces), work, cost)

    @property
    def _by_pieces(self) -> bool:
        owner = next(cls for cls in type(self).__mro__ if "update" in vars(cls))
        return bool(vars(owner).get("elementwise", False))

    def _pieces(self, param: Array, grad: Array, slots: Slots) -> list[tuple[Array, Array, Slots]]:
        """A parameter with all that belongs to it, in pieces of ``PIECE`` if that may be."""
        flat = param.reshape(-1)
        if param.size <= PIECE or not self._by_pieces or not np.shares_memory(flat, param):
            return [(param, grad, slots)]
        rows = {name: slot.reshape(-1) for name, slot in slots.items()}
        grad = grad.reshape(-1)
        return [
            (flat[piece], grad[piece], {name: slot[piece] for name, slot in rows.items()})
            for piece in (slice(i, i + PIECE) for i in range(0, param.size, PIECE))
        ]

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """Change ``param`` and its slots in place."""
        raise TypeError(f"{type(self).__name__} defines no update(param, grad, slots).")

    @property
    def rate(self) -> float:
        """The learning rate of the step under way."""
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate(self.iterations - 1)
        return self.learning_rate

    def get_state(self, params: Mapping[str, Array]) -> list[Array]:
        """What Keras' files keep: iterations, rate if it is a number, each parameter's slots."""
        slots = [self.slots_of(name, param) for name, param in params.items()]
        counters = [np.asarray(self.iterations, np.int64)]
        if not isinstance(self.learning_rate, Schedule):
            counters.append(np.asarray(self.learning_rate, np.float32))
        return counters + [slot[name] for slot in slots for name in self.slot_names]

    def set_state(self, params: Mapping[str, Array], state: Sequence[Array]) -> None:
        """Take over what ``get_state`` gave, for parameters of the same shapes."""
        if not state[0] >= 0:
            raise ConfigError(
                f"{type(self).__name__}: expected iterations of 0 or more, got {state[0]}."
            )
        self.iterations = int(state[0])
        values = iter(state[1 if isinstance(self.learning_rate, Schedule) else 2 :])
        for name, param in params.items():
            for slot in self.slots_of(name, param).values():
                slot[...] = next(values)

    def slots_of(self, name: str, param: Array) -> Slots:
        """What is remembered of a parameter, made at its first step."""
        if name not in self.slots:
            self.slots[name] = {slot: np.zeros_like(param) for slot in self.slot_names}
        return self.slots[name]

    def _number(self, argument: str, value: float, below: float | None = None) -> float:
        number(type(self).__name__, argument, value, least=0, below=below)
        return float(value)
