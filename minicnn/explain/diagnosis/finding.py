"""What the doctor found."""

from typing import NamedTuple

from minicnn._core.console import html_table


class Finding(NamedTuple):
    """An ailment of a run, its sign in numbers, and what to do about it."""

    name: str
    sentence: str
    remedy: str
    layer: str | None = None
    """The layer that has it, if it is one."""

    def __str__(self) -> str:
        """In one line."""
        return f"{self.name}: {self.sentence} {self.remedy}"


class Findings(list[Finding]):
    """Findings, causes before consequences; printed, a line each."""

    def __repr__(self) -> str:
        """A line for each, or that there is none."""
        return "\n".join(map(str, self)) or "Nothing found."

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """A table, for a notebook."""
        if not self:
            return html_table([["Nothing found."]])
        return html_table([["", "sign", "remedy"], *map(list, (one[:3] for one in self))])
