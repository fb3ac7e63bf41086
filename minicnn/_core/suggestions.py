"""The nearest name to one that is not known."""

import re
from collections.abc import Iterable
from typing import Any

LONGEST_NAME = 100
"""Characters of a name that is compared with others, which takes the square of their number."""


def did_you_mean(name: Any, names: Iterable[str]) -> str:
    """A remedy naming the nearest of ``names``, or nothing when none is near.

    >>> did_you_mean("rleu", {"relu": 0, "tanh": 1}), did_you_mean("TANH", ["relu", "tanh"])
    (" Did you mean 'relu'?", " Did you mean 'tanh'?")
    """
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1)
    if not near:
        plain = {_plainly(known): known for known in reversed(list(names))}
        near = [plain[found] for found in get_close_matches(_plainly(name), plain, n=1)]
    return f" Did you mean {near[0]!r}?" if near else ""


def _plainly(name: str) -> str:
    """A name as it sounds: in small letters alone."""
    return re.sub("[^a-z0-9]", "", name.lower())
