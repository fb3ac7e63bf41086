"""Values of one or several inputs or outputs: one, a list, or a dictionary of names."""

from collections.abc import Mapping, Sequence
from typing import Any

from minicnn.errors import ConfigError


def packed(values: Sequence[Any], keys: Sequence[str] | None) -> Any:
    """One value, several in a list, or in a dictionary by their keys.

    >>> packed([1], None), packed([1, 2], None), packed([1], ["a"])
    (1, [1, 2], {'a': 1})
    """
    if keys is not None:
        return dict(zip(keys, values, strict=True))
    return values[0] if len(values) == 1 else list(values)


def unpacked(given: Any, keys: Sequence[str] | None) -> list[Any]:
    """What was given in one of these forms, in the order of the keys.

    Raises ``ConfigError`` for a dictionary of others.

    >>> unpacked({"b": 2, "a": 1}, ["a", "b"])
    [1, 2]
    """
    if isinstance(given, Mapping):
        if keys is None or set(given) != set(keys):
            raise ConfigError(
                f"expected one array for each of {', '.join(keys or ('one input',))}, got "
                f"{', '.join(map(str, given))}."
            )
        return [given[key] for key in keys]
    return list(given) if isinstance(given, list | tuple) else [given]
