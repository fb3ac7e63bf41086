"""What the doctor for data found."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

ERROR, WARNING, ADVICE = "error", "warning", "advice"
"""How much a finding weighs: it cannot be learned from as it is; it spoils what is learned, or the
figures; it costs time or space, or is worth a look."""

NAMED = 5
"""Examples in a sentence."""


class Finding(NamedTuple):
    """What is wrong with data, in a sentence, and what to do about it."""

    name: str
    sentence: str
    remedy: str
    severity: str = WARNING
    """"error", "warning" or "advice"."""
    where: dict[str, list[int]] = {}  # noqa: RUF012  # never changed
    """The numbers of the images that have it, by part ("training", "test"), if it is of some."""

    def __str__(self) -> str:
        """In one line."""
        return f"{self.name}: {self.sentence} {self.remedy}"


def listed(names: Iterable[object], most: int = NAMED) -> str:
    """The first names, and how many more there are.

    >>> listed(range(7))
    '0, 1, 2, 3, 4 and 2 more'
    """
    texts = [str(name) for name in names]
    more = len(texts) - most
    if more == 1:
        more, most = 0, most + 1
    return ", ".join(texts[:most]) + f" and {more:,} more" * (more > 0)


def number_of(n: int, what: str, verb: str = "") -> str:
    """A number of things, with a verb that goes with it.

    >>> number_of(1, "image", "is"), number_of(2, "test image", "has"), number_of(3, "class")
    ('1 image is', '2 test images have', '3 classes')
    """
    plural = {"is": "are", "has": "have", "looks": "look", "was": "were"}
    many = n != 1
    things = what + ("es" if what.endswith("s") else "s") * many
    return f"{n:,} {things}" + f" {plural.get(verb, verb) if many else verb}" * bool(verb)


def numbers(
    mask: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", index: Sequence[int]
) -> list[int]:
    """The numbers of the images that a choice of booleans takes."""
    return [int(i) for i in np.asarray(index)[mask]]


def severity_first(found: Iterable[Finding]) -> list[Finding]:
    """Errors, then warnings, then advice; each in their order."""
    return sorted(found, key=lambda one: (ERROR, WARNING, ADVICE).index(one.severity))
