"""The base class of optimizers: a rule that turns a gradient into a step, for every parameter."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from minicnn._core.arguments import check_array, number, whole_number
from minicnn._core.config import Configurable
from minicnn._core.console import warn_once
from minicnn._core.shapes import Array
from minicnn._parallel import threads
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.kernels import Moved, Rule
from minicnn.optimizers import schedules
from minicnn.optimizers.schedules import Schedule

Slots = dict[str, Array]

PIECE = 32_768
"""Numbers of a parameter that are updated together."""

SQUARED = 1 << 16
"""How many numbers the norm takes at a time, in double precision."""


class Optimizer(Configurable):
    """Moves parameters against their gradients, in place.

    ``step(params, grads)`` counts one iteration and does for every gradient, as Keras does:

        clip      g *= clipnorm / max(|g|, clipnorm)                    with clipnorm
                  g *= global_clipnorm / max(|all g|, global_clipnorm)  with global_clipnorm
                  g = min(max(g, -clipvalue), clipvalue)                with clipvalue
        decay     w -= w * weight_decay * lr                            with weight_decay
        update    the rule of the class

    where |g| is the root of the sum of squares, and ``grads`` itself is never changed. At most one
    of the three clips may be given: ``ConfigError``. The state of a parameter, such as its
    momentum, is in ``slots[name]`` and starts at ``slot_starts``, or 0. ``learning_rate`` may be a
    schedule; as an attribute it is the rate of the next step, and may be set to another number or
    schedule at any time. ``decay``, of older scripts, divides the rate by 1 + decay * iterations;
    in files it is an ``InverseTimeDecay``.

    >>> params = {"w": np.array([3.0, 4.0])}
    >>> SGD(1.0, clipnorm=1.0).step(params, {"w": np.array([3.0, 4.0])})
    >>> params["w"].round(6).tolist()
    [2.4, 3.2]
    """

    keras_module = "keras.optimizers"
    settable: ClassVar = {"decay": "decay"}

    slot_names: tuple[str, ...] = ()
    """The arrays of state of a parameter, in the order of Keras' files."""

    separate_slots: tuple[str, ...] = ()
    """Those of ``slot_names`` that Keras' files hold each by itself, for all parameters, behind
    the others, which stand together, parameter after parameter."""

    slot_starts: Mapping[str, float] = MappingProxyType({})
    """The numbers that slots start with, where these are not 0."""

    elementwise: ClassVar[bool] = False
    """Whether ``update`` treats each number by itself: large parameters then come in pieces that
    fit the cache, on all threads. A subclass that overrides ``update`` does not inherit it."""

    def __init__(
        self,
        learning_rate: float | Schedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        who = type(self).__name__
        self.iterations = 0
        self._decay = 0.0
        self.learning_rate = learning_rate
        if weight_decay is not None:
            number(who, "weight_decay", weight_decay, least=0)
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {name: value for name, value in clips.items() if value is not None}
        for name, value in given.items():
            number(who, name, value, above=0)
        if len(given) > 1:
            raise ConfigError(
                f"{who}: expected one of clipnorm, clipvalue and global_clipnorm, "
                f"got {' and '.join(given)}."
            )
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.rate = 0.0
        """The learning rate of the step under way."""
        self.owner: object = None
        """The model that this optimizer trains, to whose parameters its state belongs."""
        self.slots: dict[str, Slots] = {}
        self._undecayed: tuple[str, ...] = ()

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next step, a number; with ``decay`` the one before that."""
        return self._constant_rate if self.decay else self._rate_of(self.iterations)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.schedule: Schedule | None
        """The schedule of the rate, if it is not a number."""
        if isinstance(value, Schedule | Mapping):
            self.schedule = schedules.get(type(self).__name__, value)
            self._decay = 0.0
        else:
            self._constant_rate = self._rate_from("learning_rate", value)
            self.schedule = None

    @property
    def lr(self) -> Any:
        """``learning_rate``, as older scripts call it; it may be set too."""
        self._say_lr()
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self._say_lr()
        self.learning_rate = value

    def _say_lr(self) -> None:
        warn_once("lr", f"{type(self).__name__}: lr is learning_rate today.")

    @property
    def decay(self) -> float:
        """What the rate is divided by grows by this much a step: 1 + decay * iterations."""
        return self._decay

    @decay.setter
    def decay(self, value: float) -> None:
        who = type(self).__name__
        decay = self._number("decay", value)
        if decay and self.schedule is not None:
            raise ConfigError(
                f"{who}: expected a schedule or decay, got decay={value!r} with both."
            )
        if decay:
            remedy = "learning_rate=schedules.InverseTimeDecay(learning_rate, 1, decay)"
            warn_once("decay", f"{who}: decay is {remedy} today.")
        self._decay = decay

    @property
    def has_constant_rate(self) -> bool:
        """Whether the rate is a number that only callbacks and the user change."""
        return self.schedule is None and not self.decay

    def argument(self, name: str) -> Any:
        """The value given for an argument: for the rate the schedule, if there is one."""
        if name == "learning_rate":
            if self.decay:
                return schedules.InverseTimeDecay(self._constant_rate, 1, self.decay)
            return self._constant_rate if self.schedule is None else self.schedule
        return super().argument(name)

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """See ``Guarded``; raises ``ConfigError`` where the state would not fit any more."""
        new = super().changed(argument, value)
        if self.slots and "slot_names" in new:
            raise ConfigError(
                f"{type(self).__name__}: {argument} cannot become {value!r} once the optimizer has "
                f"{', '.join(self.slot_names) or 'nothing'} to remember. Make a new one."
            )
        return new

    def exclude_from_weight_decay(self, *, var_names: Iterable[str]) -> None:
        """Leave parameters whose name contains one of ``var_names`` out of the weight decay.

        A name is that in ``model.params``, such as "conv2d_1.kernel". A later call replaces the
        names, and a saved model does not keep them, as in Keras.

        >>> optimizer = SGD(0.1, weight_decay=0.5)
        >>> optimizer.exclude_from_weight_decay(var_names=["bias"])
        >>> params = {"dense.kernel": np.ones(1), "dense.bias": np.ones(1)}
        >>> optimizer.step(params, {name: np.zeros(1) for name in params})
        >>> params["dense.kernel"].tolist(), params["dense.bias"].tolist()
        ([0.95], [1.0])
        """
        if isinstance(var_names, str):
            raise ConfigError(
                f"{type(self).__name__}: expected var_names as a list of names, got {var_names!r}."
            )
        self._undecayed = tuple(var_names)

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Update every parameter that has a gradient; then its constraint, if it has one.

        A model's ``params`` know the constraints of its layers; any other mapping has none.
        Raises ``ConfigError`` for a gradient without a parameter, ``ShapeError`` for
        one of another shape; nothing is updated then.
        """
        self._check(params, grads)
        self.rate = self._rate_of(self.iterations)
        self.iterations += 1
        self.begin_step()
        scales = self._scales(grads)
        moved = [
            Moved(
                params[name], grad, self.slots_of(name, params[name]),
                self._weight_decay(name), scales[name],
            )
            for name, grad in grads.items()
        ]  # fmt: skip
        rule, kernels = self._rule(), getattr(params, "kernels", None)
        by_kernels = rule and kernels and kernels.optimizer_step
        if not by_kernels or not by_kernels(rule, moved, self.clipvalue or 0.0):
            self._update_all(moved)
        for name, constraint in getattr(params, "constraints", {}).items():
            if name in grads:
                params[name][...] = constraint(params[name])

    def _check(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        who = type(self).__name__
        for name, grad in grads.items():
            check_array(who, grad)
            if name not in params:
                raise ConfigError(f"{who}: expected gradients of known parameters, got {name!r}.")
            if grad.shape != params[name].shape:
                raise ShapeError(
                    f"{who}: expected a gradient of shape {params[name].shape} for {name!r}, "
                    f"got {grad.shape}."
                )

    def _update_all(self, moved: Sequence[Moved]) -> None:
        """Clip, decay and ``update``, one parameter after another."""
        pieces = [piece for one in moved for piece in self._pieces(one)]

        def work(first: int, last: int) -> None:
            for param, grad, slots, decay, scale in pieces[first:last]:
                if decay:
                    param -= param * decay
                self.update(param, self._clipped(grad, scale), slots)

        cost = 3 * sum(one.grad.size for one in moved) if self._by_pieces else 0
        threads.shards(len(pieces), work, cost)

    def begin_step(self) -> None:
        """Called once in a step, before its updates."""

    def _rate_of(self, step: int) -> float:
        """The learning rate of a step, which may be anything that a user's schedule gives."""
        if self.schedule is None:
            return self._constant_rate / (1 + self.decay * step)
        return self._rate_from(f"{type(self.schedule).__name__}({step})", self.schedule(step))

    def _rate_from(self, what: str, value: Any) -> float:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = np.asarray(value)[()]  # also of a subclass, as scripts have
        return self._number(what, value)

    def _weight_decay(self, name: str) -> float:
        """The fraction of a parameter that a step takes away."""
        if self.weight_decay is None or any(part in name for part in self._undecayed):
            return 0.0
        return self.weight_decay * self.rate

    def _scales(self, grads: Mapping[str, Array]) -> dict[str, float]:
        """The factor of each gradient that clips its norm."""
        if self.clipnorm is not None:
            limit = self.clipnorm
            return {name: limit / max(_norm(grad), limit) for name, grad in grads.items()}
        scale = 1.0
        if self.global_clipnorm is not None:
            norm = math.hypot(*(_norm(grad) for grad in grads.values()))
            scale = self.global_clipnorm / max(norm, self.global_clipnorm)
        return dict.fromkeys(grads, scale)

    def _clipped(self, grad: Array, scale: float) -> Array:
        if self.clipvalue is not None:
            return np.clip(grad, -self.clipvalue, self.clipvalue)
        return grad if scale == 1 else grad * scale

    @property
    def _by_pieces(self) -> bool:
        return bool(vars(self._owner).get("elementwise", False))

    def _rule(self) -> Rule | None:
        return self.rule() if "rule" in vars(self._owner) else None

    @property
    def _owner(self) -> type:
        """The class whose ``update`` it is."""
        return next(cls for cls in type(self).__mro__ if "update" in vars(cls))

    def _pieces(self, moved: Moved) -> list[Moved]:
        """A parameter with its gradient and slots, in pieces of ``PIECE`` where that is allowed."""
        param, grad, slots, *factors = moved
        flat = param.reshape(-1)
        if param.size <= PIECE or not self._by_pieces or not np.shares_memory(flat, param):
            return [moved]
        rows = {name: slot.reshape(-1) for name, slot in slots.items()}
        grad = grad.reshape(-1)
        return [
            Moved(
                flat[piece], grad[piece], {name: slot[piece] for name, slot in rows.items()},
                *factors,
            )
            for piece in (slice(i, i + PIECE) for i in range(0, param.size, PIECE))
        ]  # fmt: skip

    def update(self, param: Array, grad: Array, slots: Slots) -> None:
        """Change ``param`` and its slots in place."""
        raise TypeError(f"{type(self).__name__} defines no update(param, grad, slots).")

    def rule(self) -> Rule | None:
        """``update`` as some kernels know it: they move all parameters in one call.

        It counts only where the class that defines ``update`` defines it.
        """
        return None

    def build(self, params: Mapping[str, Array]) -> None:
        """Make the slots of parameters, ``model.params``, which their first step else does."""
        if not isinstance(params, Mapping):
            raise ConfigError(
                f"{type(self).__name__}: expected parameters by their names, got {shown(params)}. "
                "Give it model.params."
            )
        for name, param in params.items():
            self.slots_of(name, param)

    @property
    def variables(self) -> list[Array]:
        """The state that there is so far, in the order of ``get_state``."""
        return self.get_state({name: np.empty(0) for name in self.slots})

    def get_state(self, params: Mapping[str, Array]) -> list[Array]:
        """The state in Keras' files: iterations, rate if it is a number, each parameter's slots."""
        counters = [np.asarray(self.iterations, np.int64)]
        if self.has_constant_rate:
            counters.append(np.asarray(self.learning_rate, np.float32))
        return counters + self._slots_in_order(params)

    def set_state(self, params: Mapping[str, Array], state: Sequence[Array]) -> None:
        """Restore what ``get_state`` returned, for parameters of the same shapes."""
        who = type(self).__name__
        iterations = whole_number(who, "iterations", np.asarray(state[0])[()], least=0)
        number(who, "iterations", iterations, most=np.iinfo(np.int64).max)
        self.iterations = iterations
        values = state[2 if self.has_constant_rate else 1 :]
        for slot, value in zip(self._slots_in_order(params), values, strict=True):
            slot[...] = value

    def _slots_in_order(self, params: Mapping[str, Array]) -> list[Array]:
        together = tuple(name for name in self.slot_names if name not in self.separate_slots)
        return [
            self.slots_of(name, param)[slot]
            for group in (together, *((slot,) for slot in self.separate_slots))
            for name, param in params.items()
            for slot in group
        ]

    def slots_of(self, name: str, param: Array) -> Slots:
        """The slots of a parameter, made at its first step."""
        if name not in self.slots:
            self.slots[name] = {
                slot: np.full_like(param, self.slot_starts.get(slot, 0.0))
                for slot in self.slot_names
            }
        return self.slots[name]

    def _number(self, argument: str, value: float, below: float | None = None) -> float:
        number(type(self).__name__, argument, value, least=0, below=below)
        return float(value)


def _norm(grad: Array) -> float:
    """The root of the sum of squares, in double precision a piece at a time."""
    flat, total = grad.reshape(-1), 0.0
    for i in range(0, flat.size, SQUARED):
        piece = flat[i : i + SQUARED].astype(np.float64)
        total += float(piece @ piece)
    return math.sqrt(total)
