"""The base class of callbacks, and the two that need nothing else."""

import inspect
import reprlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar

from minicnn._core.arguments import check_state
from minicnn._core.config import Guarded, close
from minicnn._core.signatures import checked, without_arrays
from minicnn._core.suggestions import did_you_mean
from minicnn.callbacks.callback_list import EVENTS, nothing
from minicnn.errors import ConfigError

Logs = dict[str, Any]


class Callback(Guarded):
    """A base class for callbacks, which a callback need not have: it knows the model and the run.

    It has every method; those called at a moment do nothing. The callbacks here, but not custom
    ones, raise ``ConfigError`` for arguments that they do not take.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    first_rank_only: ClassVar[bool] = False
    """Whether rank 0 alone has it in a run of several ranks, as it writes files or looks at clocks.
    All others see the same logs on every rank."""

    kept: ClassVar[tuple[str, ...]] = ()
    """The attributes that a checkpoint keeps: numbers, texts, lists, arrays."""

    def __repr__(self) -> str:
        """The call that makes it, with those of its stored arguments that are not defaults."""
        shown = []
        for name, argument in inspect.signature(type(self)).parameters.items():
            value = vars(self).get(name, argument.default)
            if repr(value) != repr(argument.default):
                shown.append(f"{name}={reprlib.repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def set_model(self, model: Any) -> None:
        """Called by ``fit`` with the model that it trains."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Called by ``fit`` with the parameters of the run."""
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """Its state, for a checkpoint."""
        return {name: getattr(self, name) for name in self.kept}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave; raises ``ConfigError`` for anything else."""
        check_state(type(self).__name__, self.get_state(), state)
        vars(self).update(state)

    on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = nothing
    on_train_batch_begin = on_train_batch_end = on_batch_begin = on_batch_end = nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = nothing
    on_predict_begin = on_predict_end = on_predict_batch_begin = on_predict_batch_end = nothing


def check_calls(cls: type[Callback]) -> None:
    """Make the constructor of a class check its arguments and name the class in errors."""
    if "__init__" not in vars(cls):
        return
    begin = checked(cls.__init__)

    @wraps(begin)
    def whole(self: Callback, *args: Any, **kwargs: Any) -> None:
        args, kwargs = without_arrays(type(self).__name__, args, kwargs)
        begin(self, *args, **kwargs)
        if type(self) is cls:
            close(self)

    cls.__init__ = whole  # type: ignore[method-assign, assignment]


class TerminateOnNaN(Callback):
    """End the run quietly when the loss, or a weight, is no longer a number.

    Without it ``fit`` raises ``DivergenceError``, which names the layer where it began. Either way,
    if the loss shows it, the step is not taken.

    >>> TerminateOnNaN.ends_on_nan
    True
    """

    ends_on_nan: ClassVar[bool] = True

    def __init__(self) -> None:
        """It takes nothing."""


class LambdaCallback(Callback):
    """A callback from functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: ...)``.

    Its arguments are the methods of a callback. Raises ``ConfigError`` for any other.

    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)).on_epoch_end(3, {})
    3
    """

    def __init__(self, **functions: Callable[..., None] | None) -> None:
        known = EVENTS | dict.fromkeys(EVENTS.values())
        for name, function in functions.items():
            if name not in known:
                raise ConfigError(
                    f"LambdaCallback: expected functions called {', '.join(EVENTS)}, got "
                    f"{name!r}.{did_you_mean(name, known)}"
                )
            if not (function is None or callable(function)):
                raise ConfigError(
                    f"LambdaCallback: expected a function as {name}, got {function!r}."
                )
            if function is not None:
                setattr(self, name, function)
