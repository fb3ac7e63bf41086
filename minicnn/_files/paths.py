"""Where a file is, as a caller says it."""

from pathlib import Path
from typing import Any

from minicnn.errors import ConfigError, MiniCNNError, shown


def path_of(who: str, argument: str, value: Any, error: type[MiniCNNError] = ConfigError) -> Path:
    """``value`` as a ``Path``; raises ``error`` unless it is a text or a path.

    >>> path_of("load_model", "filepath", None)
    Traceback (most recent call last):
    minicnn.errors.ConfigError: load_model: expected filepath as a path, got None.
    """
    try:
        return Path(value)
    except TypeError:
        raise error(f"{who}: expected {argument} as a path, got {shown(value)}.") from None
