"""What a source of examples is asked for, so that a run can be resumed in the middle of a pass, and
each of several processes reads what it needs."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from minicnn._core.shapes import Array


class Part(NamedTuple):
    """Which rows of each batch a process needs, where others compute the rest of it."""

    rows: Callable[[int], slice]
    """(samples of a batch) -> those of this process."""
    gather: Callable[[Array], Array]
    """An array -> (processes, ...): that of each. All call it alike."""


class Passes(Protocol):
    """A source that can go on from the middle of any of its passes."""

    seed: int | None
    batch_size: int | None
    begun: int
    """How many passes were begun."""

    def beginning_at(self, number: int, first: int, part: Part | None = None) -> Iterator[Any]:
        """The examples of pass ``number``, from number ``first`` on; all batches have all rows, of
        which only those of the ``part`` are read."""

    def restart(self, seed: int | None, begun: int) -> None:
        """Be as with that seed after so many passes."""

    def fingerprint(self) -> dict[str, Any]:
        """What a resumed run must find again."""
