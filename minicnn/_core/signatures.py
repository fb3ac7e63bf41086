"""Calls that are checked: arguments that a function or a class does not take, in one line."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from minicnn._core.arguments import boolean, check_array
from minicnn._core.console import warn_once
from minicnn._keras import old_arguments
from minicnn._keras.arguments import IN_FILES, INERT, OFF, RENAMED, TELLING, inert
from minicnn.errors import ConfigError, shown

AS_ONE = {
    "layers": " Give all layers in one list: [Input((64, 64, 3)), ...].",
    "shape": " Give the sizes in one tuple: (64, 64, 3).",
}
"""What to do about several values where one was expected."""

LACKING = {
    "inputs": " Call layers on Input(shape), and give both ends. A class derived from Model cannot "
    "define call instead: write a function that returns a Model, as in docs/graphs.md.",
}
"""What to do where the first argument is not there."""


MEANT = {
    "act": "activation",
    "channels": "filters",
    "constraint": "kernel_constraint",
    "initializer": "kernel_initializer",
    "kernel": "kernel_size",
    "learningrate": "learning_rate",
    "neurons": "units",
    "nodes": "units",
    "output_units": "units",
    "regularizer": "kernel_regularizer",
    "stride": "strides",
}
"""Names that come to mind, and the arguments that are meant where there are such."""


INSTEAD = {
    "gradient_accumulation_steps": " Give fit a batch_size as many times as large.",
    "use_ema": " There are no averages of weights here: leave it out.",
    "activity_regularizer": " Outputs are not penalized here: use kernel_regularizer.",
    "data_format": " minicnn is channels-last: leave it out, and x.transpose(0, 2, 3, 1).",
}
"""What to do instead of giving an argument that is not here, where no other name is meant."""


@cache
def arguments_of(cls: type) -> Mapping[str, inspect.Parameter]:
    """The constructor's arguments; those it hands on with ``**kwargs`` are its parents' ones."""
    found: dict[str, inspect.Parameter] = {}
    for parent in cls.__mro__:
        if "__init__" not in vars(parent) or parent is object:
            continue
        arguments = list(inspect.signature(vars(parent)["__init__"]).parameters.values())[1:]
        named = [p for p in arguments if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        if found:
            named = [p.replace(kind=p.KEYWORD_ONLY) for p in named if p.name not in found]
        found |= {p.name: p for p in named}
        if not any(p.kind is p.VAR_KEYWORD for p in arguments):
            break
    return found


def accepted(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructor of ``cls`` takes of a saved config.

    Raises ``ConfigError`` for an argument that it does not take and that would change
    the meaning. One of a later Keras that is None or False is thought not to.

    >>> accepted(Flatten, {"name": "flat", "groups": 1, "seed": 7})
    {'name': 'flat'}
    """
    known = arguments_of(cls)
    given = {
        key: value
        for key, value in config.items()
        if key in known
        or not (key in IN_FILES or value is None or (value is False and key not in TELLING))
    }
    return _known(cls.__name__, known, given)


def near_argument(key: str, known: Collection[str]) -> str:
    """A remedy naming the argument that is meant, or nothing where that is not plain.

    A whole word of it, the beginning, or nearly the same letters; ``kernel_constraint`` is not
    ``bias_constraint``, and an argument of Keras' that is not here is not another one that is.

    >>> near_argument("kernal_size", ["filters", "kernel_size"]), near_argument("init", ["units"])
    (" Did you mean 'kernel_size'?", '')
    >>> near_argument("val_data", ["y", "validation_data"]), near_argument("n_classes", ["classes"])
    (" Did you mean 'validation_data'?", " Did you mean 'classes'?")
    """
    now = RENAMED.get(key, MEANT.get(key, key))
    found = [now] if now in known else []
    if not found and key in {*OFF, *INERT}:
        return ""
    if not found and len(key) > 2:
        found = [name for name in known if key in name.split("_") or name.startswith(key)]
        found = found if len(found) == 1 else []
    found = found or [name for name in known if _shortened(key, name)][:1]
    from difflib import get_close_matches

    word = key.partition("_")[0]
    near = [name for name in known if get_close_matches(word, [name.partition("_")[0]], cutoff=0.6)]
    found = found or get_close_matches(key, near, n=1, cutoff=0.8)
    return f" Did you mean {found[0]!r}?" if found else ""


def _shortened(key: str, name: str) -> bool:
    """Whether each word begins as that of the name does, or all that differs is "number of"."""
    words, whole = key.split("_"), name.split("_")
    if words[0] in ("num", "n", "nb") and words[1:] == whole:
        return True
    return len(words) == len(whole) > 1 and all(map(str.startswith, whole, words))


def _known(
    who: str, known: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """What is known of the arguments given; raises ``ConfigError`` for others that would matter."""
    for key, value in given.items():
        if key not in known and not inert(key, value):
            takes = ", ".join(known) or "none"
            remedy = near_argument(key, known) or f" Its arguments are: {takes}."
            remedy = INSTEAD.get(key, remedy)
            came = shown(value)
            raise ConfigError(f"{who}: argument {key!r} = {came} is not supported.{remedy}")
    return {key: value for key, value in given.items() if key in known}


def modern_arguments(who: str, known: Collection[str], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """``kwargs`` with old spellings of Keras' under their names of today, of which is said once."""
    found, said = old_arguments.modern(who, known, kwargs)
    for old, words in said.items():
        warn_once(old, f"{who}: {words}.")
    return found


def taken_arguments(
    who: str, signature: inspect.Signature, args: Sequence[Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """``kwargs`` without what changes nothing; raises ``ConfigError`` for a call that cannot be."""
    parameters = signature.parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        kwargs = _known(who, parameters, kwargs)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        first = next(iter(parameters), "")
        remedies = AS_ONE if "too many" in str(error) else LACKING
        remedy = remedies.get(first, "")
        raise ConfigError(f"{who}: {error}; expected {who}{_brief(signature)}.{remedy}") from None
    return kwargs


def check_booleans(
    who: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Raise ``ConfigError`` for anything but True or False where the default is one of these."""
    for key, value in signature.bind(*args, **kwargs).arguments.items():
        if isinstance(signature.parameters[key].default, bool):
            boolean(who, key, value)


LARGEST_LIST = 16
"""Numbers in an array of several axes that may be an argument: ((top, bottom), (left, right))."""


def without_arrays(
    who: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with lists and numbers in the place of NumPy's, which compare in another way."""

    def plain(value: Any) -> Any:
        check_array(who, value)
        if isinstance(value, np.ndarray) and value.ndim > 1 and value.size > LARGEST_LIST:
            raise ConfigError(f"{who}: expected numbers, texts or lists, got {shown(value)}.")
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

    return tuple(map(plain, args)), {key: plain(value) for key, value in kwargs.items()}


def _brief(signature: inspect.Signature) -> str:
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(plain))


P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A function, or a method, that answers arguments it does not take as constructors here do.

    >>> @checked
    ... def fit(x, epochs=1): ...
    >>> fit(0, epoch=3)
    Traceback (most recent call last):
    minicnn.errors.ConfigError: fit: argument 'epoch' = 3 is not supported. Did you mean 'epochs'?
    """
    owner, _, who = function.__qualname__.rpartition(".")
    who = owner if who == "__init__" else who
    signature = inspect.signature(function)
    methods = list(signature.parameters)[:1] == ["self"]
    shown = signature.replace(parameters=list(signature.parameters.values())[methods:])
    booleans = any(isinstance(p.default, bool) for p in shown.parameters.values())

    plain = [p for p in shown.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    needed = methods + sum(p.default is p.empty for p in shown.parameters.values())
    most = -1 if booleans else methods + len(plain)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not kwargs and needed <= len(args) <= most:
            return function(*args)  # type: ignore[call-arg]
        given = modern_arguments(who, shown.parameters, kwargs)
        taken = taken_arguments(who, shown, args[methods:], given)
        if booleans:
            check_booleans(who, shown, args[methods:], taken)
        return function(*args, **taken)

    return call
