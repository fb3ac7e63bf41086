"""The moments of a run at which callbacks are called, and the calling.

    on_train_begin(logs)
        on_epoch_begin(epoch, logs)
            on_train_batch_begin(batch, logs)      or on_batch_begin
            on_train_batch_end(batch, logs)        or on_batch_end
            on_test_begin(logs)                    the validation, if there is one
                on_test_batch_begin(batch, logs)
                on_test_batch_end(batch, logs)
            on_test_end(logs)
        on_epoch_end(epoch, logs)
    on_train_end(logs)

At each of them all callbacks are called in the order of the list. Epochs and batches count from 0.
``logs`` are the loss and metrics so far; what a callback adds to those of ``on_epoch_end`` is seen
by the next callbacks and kept in the history. ``on_train_end`` comes however the run ends.

A resumed run (``fit(checkpoint=..., resume=True)``) begins with ``on_train_begin`` as well, and
with ``on_epoch_begin`` if it resumes in mid-epoch; ``params`` has "resumed". Then the model is
restored, and the state of each callback that has both methods (if that fails, the run has not
begun, and ``on_train_end`` does not come):

    get_state() -> dict          numbers, texts, lists, dictionaries, arrays of numbers
    set_state(state)             restores from such a dictionary
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minicnn._core.config import is_custom
from minicnn._core.suggestions import did_you_mean
from minicnn.callbacks.history import History
from minicnn.errors import ConfigError

EVENTS = {
    "on_train_begin": "on_train_begin",
    "on_epoch_begin": "on_epoch_begin",
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
    "on_test_begin": "on_test_begin",
    "on_test_batch_begin": "on_test_batch_begin",
    "on_test_batch_end": "on_test_batch_end",
    "on_test_end": "on_test_end",
    "on_epoch_end": "on_epoch_end",
    "on_train_end": "on_train_end",
}
"""Each moment, and the other name of the method that is called then."""

UNUSED = {f"on_predict_{when}": None for when in ("begin", "end", "batch_begin", "batch_end")}
"""Methods that Keras' callbacks have and that ``fit`` has no use for."""


def nothing(*arguments: Any, **named: Any) -> None:
    """The method for a moment that a callback ignores."""


class CallbackList:
    """The callbacks of a run. A callback is an object with the methods it needs.

    On other ranks than the ``first`` those are left out that say ``first_rank_only``, as they write
    files. Raises ``ConfigError`` for something that is no callback.
    """

    def __init__(
        self, callbacks: Any, model: Any, params: Mapping[str, Any], first: bool = True
    ) -> None:
        self.callbacks = [each for each in flat(callbacks) if first or not _of_first_rank(each)]
        self.methods = {
            event: [found for each in self.callbacks if (found := _method(each, event, other))]
            for event, other in EVENTS.items()
        }
        for callback in self.callbacks:
            _check(callback)
            for name, value in (("model", model), ("params", dict(params))):
                setter = getattr(callback, f"set_{name}", None)
                setter(value) if setter else setattr(callback, name, value)

    def __call__(self, event: str, *arguments: Any) -> None:
        """Call every callback that has a method for it."""
        for method in self.methods[event]:
            method(*arguments)

    def set_run(self, run: Any) -> None:
        """Give the run to the callbacks that look into it, as those of ``explain`` do."""
        for callback in self.callbacks:
            if hasattr(callback, "set_run"):
                callback.set_run(run)

    def get_state(self) -> dict[str, Any]:
        """The states of the callbacks that have ``get_state``, by the names of their classes."""
        return {name: callback.get_state() for name, callback in with_state(self.callbacks).items()}

    def set_state(self, states: Mapping[str, Any], custom: bool) -> None:
        """Restore the states of the custom callbacks, or of all others.

        A callback without a state starts fresh. These are two calls because a mistake in a custom
        callback does not mean that the checkpoint is damaged. Raises ``TypeError`` for states that
        are no dictionaries, and where one of minicnn's has an array in the place of a number.
        """
        if not isinstance(states, Mapping):
            raise TypeError
        for name, callback in with_state(self.callbacks).items():
            if name in states and custom == is_custom(type(callback)):
                if not custom and _arrays_for_numbers(callback.get_state(), states[name]):
                    raise TypeError
                callback.set_state(states[name])

    @property
    def of_batches(self) -> bool:
        """Whether any of them is called with each batch of training."""
        methods = self.methods
        return bool(methods["on_train_batch_begin"] or methods["on_train_batch_end"])

    @property
    def foreign(self) -> bool:
        """Whether any of them may do anything, such as change a layer."""
        return any(map(_is_foreign, self.callbacks))

    @property
    def history(self) -> History:
        """The history among the callbacks, or a new one."""
        given = (callback for callback in self.callbacks if isinstance(callback, History))
        return next(given, History())

    @property
    def time_is_up(self) -> bool:
        """Whether a callback says that there is no time for a validation."""
        return any(getattr(callback, "time_is_up", False) for callback in self.callbacks)

    @property
    def end_on_nan(self) -> bool:
        """Whether a callback says that a loss that is no number ends the run quietly."""
        return any(getattr(callback, "ends_on_nan", False) for callback in self.callbacks)


def _method(callback: Any, *names: str) -> Any:
    """The first of these methods that the callback defines."""
    methods = (getattr(callback, name, nothing) for name in names)
    return next((m for m in methods if getattr(m, "__func__", m) is not nothing), None)


def _of_first_rank(callback: Any) -> bool:
    return bool(getattr(callback, "first_rank_only", False))


def _is_foreign(callback: Any) -> bool:
    given = any(name.startswith("on_") for name in getattr(callback, "__dict__", ()))
    return given or getattr(callback, "foreign", is_custom(type(callback)))


def _arrays_for_numbers(now: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    numbers = (name for name, value in now.items() if isinstance(value, int | float))
    return any(isinstance(state.get(name), np.ndarray) for name in numbers)


def with_state(callbacks: Any) -> dict[str, Any]:
    """Callbacks with a state, by class name; a second of the class is EarlyStopping_1 etc."""
    found: dict[str, Any] = {}
    for callback in flat(callbacks):
        both = hasattr(callback, "get_state") and hasattr(callback, "set_state")
        if isinstance(callback, History) or not both:
            continue  # the history is kept by itself
        name = type(callback).__name__
        same = sum(type(other).__name__ == name for other in found.values())
        found[f"{name}_{same}" if same else name] = callback
    return found


def watched(callbacks: Any) -> dict[str, dict[str, Any]]:
    """The metric that each callback with a state follows: its state is of no use for another."""
    return {
        name: {key: getattr(callback, key) for key in ("monitor", "mode") if hasattr(callback, key)}
        for name, callback in with_state(callbacks).items()
    }


def flat(callbacks: Any) -> list[Any]:
    """The callbacks in one list, given alone, in a list or in nested lists."""
    if callbacks is None:
        return []
    if isinstance(callbacks, Sequence) and not isinstance(callbacks, str):
        return [callback for part in callbacks for callback in flat(part)]
    return [callbacks]


def _check(callback: Any) -> None:
    if isinstance(callback, type):
        raise ConfigError(
            f"fit: expected callbacks as objects, got the class {callback.__name__}. "
            f"Make one: {callback.__name__}(...)."
        )
    known = EVENTS | dict.fromkeys(EVENTS.values()) | UNUSED
    names = [name for name in dir(callback) if name.startswith("on_")]
    methods = [name for name in names if callable(getattr(callback, name))]
    for name in methods:
        if name not in known:
            raise ConfigError(
                f"fit: {type(callback).__name__} has a method {name!r}, which is never called."
                + did_you_mean(name, known)
            )
    if not methods:
        raise ConfigError(
            f"fit: expected callbacks with methods such as on_epoch_end, got {callback!r}."
        )
