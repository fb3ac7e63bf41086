"""Checks of what a caller gives: numbers, truth values, names, arrays; each error is one line."""

import math
import operator
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from minicnn._core.suggestions import did_you_mean
from minicnn.errors import ConfigError, DataError, shown


def number(
    who: str,
    argument: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise ``ConfigError`` unless ``value`` is a finite number within the bounds given.

    ``least`` and ``most`` are within them, ``above`` and ``below`` are not.

    >>> number("Dropout", "rate", 0.5, least=0, below=1)
    """
    bounds = [
        (f"{least} or more", least, operator.ge),
        (f"above {above}", above, operator.gt),
        (f"{most} or less", most, operator.le),
        (f"below {below}", below, operator.lt),
    ]
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if (
        real
        and _finite(value)
        and all(within(value, bound) for _, bound, within in bounds if bound is not None)
    ):
        return
    texts = " and ".join(text for text, bound, _ in bounds if bound is not None)
    raise ConfigError(
        f"{who}: expected {argument} as a number{', ' * bool(texts)}{texts}, got {shown(value)}."
    )


def _finite(value: Any) -> bool:
    """Whether a number is one that a float can be; 10**400 is none."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def masked_arrays() -> "tuple[type[np.ma.MaskedArray[Any, Any]], ...]":
    """The class of arrays with a mask; none before numpy.ma is loaded, which takes a while.

    >>> isinstance(np.ones(3), masked_arrays())
    False
    """
    return (np.ma.MaskedArray,) if "numpy.ma" in sys.modules else ()


def check_array(who: str, value: Any) -> None:
    """Raise ``DataError`` for what NumPy would drop in silence: a mask, an imaginary part.

    >>> check_array("fit", np.ones(3))
    """
    if type(value) is np.ndarray and value.dtype.kind != "c":
        return
    parts = value if isinstance(value, list | tuple) else (value,)
    kinds = masked_arrays()
    if any(isinstance(part, kinds) and np.ma.is_masked(part) for part in parts):
        raise DataError(
            f"{who}: expected numbers, got a masked array of which some are not there. "
            "Say what they are: .filled(...)."
        )
    complex_numbers = False
    with suppress(ValueError):  # rows of different lengths, of which something else is said
        complex_numbers = np.iscomplexobj(value)
    if complex_numbers:
        raise DataError(f"{who}: expected real numbers, got {shown(value)}. Take .real or abs.")


def check_verbose(who: str, value: Any) -> None:
    """Raise ``ConfigError`` unless a callback's ``verbose`` is 0, 1 or 2, or True or False."""
    if not isinstance(value, int) or value not in (0, 1, 2):
        raise ConfigError(f"{who}: expected verbose as 0, 1 or 2, got {value!r}.")


def boolean(who: str, argument: str, value: Any) -> None:
    """Raise ``ConfigError`` unless ``value`` is True or False: of a file, "no" would count as True.

    >>> boolean("Dense", "use_bias", False)
    """
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"{who}: expected {argument} as True or False, got {shown(value)}.")


def choice(who: str, argument: str, value: Any, choices: Sequence[str | None]) -> None:
    """Raise ``ConfigError`` unless ``value`` is one of ``choices``.

    >>> choice("RandomFlip", "fill_mode", "wrap", ("nearest", "wrap"))
    """
    if (value is None or isinstance(value, str)) and value in choices:
        return
    names = [name for name in choices if name is not None]
    known = ", ".join(map(repr, choices))
    raise ConfigError(
        f"{who}: expected {argument} as one of {known}, got {shown(value)}."
        + did_you_mean(value, names)
    )


def whole_number(
    who: str, argument: str, value: Any, least: int = 1, most: int | None = None
) -> int:
    """``value`` if it is a whole number from ``least`` to ``most``; else raises ``ConfigError``.

    >>> whole_number("fit", "epochs", 3)
    3
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most:,}"
        raise ConfigError(
            f"{who}: expected {argument} as a whole number {bounds}, got {shown(value)}."
        )
    return int(value)


LONGEST_NAME = 1000
"""Characters."""


def check_name(who: str, name: Any, in_paths: bool = True) -> None:
    """Raise ``ConfigError`` unless ``name`` can be printed and, ``in_paths``, be part of a path.

    >>> check_name("Dense", "scores")
    """
    printable = isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable()
    if not printable or (in_paths and (name in (".", "..") or "/" in name)):
        without = " without '/'" if in_paths else ""
        raise ConfigError(
            f"{who}: expected name as a text of printable characters{without}, got {name!r}."
        )


def check_state(who: str, now: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Raise ``ConfigError`` unless a saved state has the names and kinds of values of another.

    >>> check_state("Accuracy", {"right": 0, "seen": 0}, {"right": 3, "seen": 4})
    """
    if not isinstance(state, Mapping) or now.keys() != state.keys():
        raise ConfigError(f"{who}: expected a saved state of {', '.join(now)}.")
    for name, value in state.items():
        if _kind(value) != _kind(now[name]):
            raise ConfigError(f"{who}: expected {name} like {now[name]!r} in a saved state.")


def _kind(value: Any) -> Any:
    """Numbers and arrays of them are of one kind, as an array of one number may be either."""
    number = isinstance(value, int | float | np.generic) and not isinstance(value, bool)
    return np.ndarray if number else type(value)
