"""What a source of examples is asked for, so that a run can be resumed in the middle of a pass."""

from collections.abc import Iterator
from typing import Any, Protocol


class Passes(Protocol):
    """A source that can go on from the middle of any of its passes."""

    seed: int | None
    batch_size: int | None
    begun: int
    """How many passes were begun."""

    def beginning_at(self, number: int, first: int) -> Iterator[Any]:
        """The examples of pass ``number``, from number ``first`` on."""

    def restart(self, seed: int | None, begun: int) -> None:
        """Be as with that seed after so many passes."""

    def fingerprint(self) -> dict[str, Any]:
        """What a resumed run must find again."""
