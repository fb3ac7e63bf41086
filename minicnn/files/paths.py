"""Where a file is, as a caller says it."""

from pathlib import Path
from typing import Any

from minicnn.errors import ConfigError


def path_of(who: str, argument: str, value: Any) -> Path:
    """``value`` as a ``Path``; raises ``ConfigError`` unless it is a text or a path.

    >>> path_of("load_model", "filepath", None)
    Traceback (most recent call last):
    minicnn.errors.ConfigError: load_model: expected filepath as the path of a file, got None.
    """
    try:
        return Path(value)
    except TypeError:
        raise ConfigError(
            f"{who}: expected {argument} as the path of a file, got {value!r:.60}."
        ) from None
