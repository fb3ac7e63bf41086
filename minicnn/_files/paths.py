"""Where a file is, as a caller says it."""

import os
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
        if value != "":  # which would be the folder that one is in
            return Path(value)
    except TypeError:
        pass
    raise error(f"{who}: expected {argument} as a path, got {shown(value)}.")


def named_in(folder: str | os.PathLike[str], name: str) -> str:
    r"""The file that a table in a folder names.

    A table that was made on Windows has backslashes, which elsewhere may be part of a name: they
    count as slashes unless there is such a file.
    """
    path = os.path.join(folder, name)
    if os.sep == "/" and "\\" in name and not os.path.lexists(path):
        return os.path.join(folder, name.replace("\\", "/"))
    return path
