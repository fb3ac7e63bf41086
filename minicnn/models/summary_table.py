"""The lines of a table of layers, which fit into so many columns of a terminal.

Where all fits, a layer is a line. Where it does not, the class of a layer with a long name, and
the rest of what it is connected to, stand on further lines; and where not even that fits, what
all layers are connected to stands below them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from minicnn._core.console import legible, padded, width_of

GAP = 2
"""Columns between two cells."""

LEAST = 12
"""Columns that a name has at least, however long a line may be."""


class Column(NamedTuple):
    """A column of numbers, or of texts if it is not ``right``."""

    title: str
    short: str
    """In several lines."""
    right: bool = True


@dataclass(frozen=True)
class Row:
    """A layer: its name, its class, its numbers as texts, and the layers that it takes."""

    name: str
    kind: str
    cells: Sequence[str]
    short: Sequence[str]
    """The same in fewer columns."""
    inputs: Sequence[str] = ()
    depth: int = 0

    @property
    def indent(self) -> str:
        """Spaces before what is within another layer."""
        return "  " * self.depth

    def legible(self) -> "Row":
        """The same, as it can be printed."""
        inputs = [legible(name) for name in self.inputs]
        return replace(self, name=legible(self.name), inputs=inputs)

    def shortened(self) -> "Row":
        """The same with its short cells."""
        return replace(self, cells=self.short)


def lines_of(
    rows: Sequence[Row], columns: Sequence[Column], connected: bool, limit: int, fill: bool
) -> list[str]:
    """The table, with its header and rules.

    With ``fill`` the lines are ``limit`` long even if they could be shorter.
    """
    rows = [row.legible() for row in rows]
    right = [column.right for column in columns]
    names = max([width_of(f"{row.indent}{row.name} ({row.kind})") for row in rows], default=0)
    ends = max([width_of(", ".join(row.inputs)) for row in rows], default=0)
    ends = max(ends, len("connected to"))
    titles = [[column.title] for column in columns]
    long = _widths(rows, titles)
    room = limit - sum(long) - GAP * (len(long) + connected)
    if names + ends * connected <= room:
        if fill:
            names = room - ends * connected
        return _columns(rows, titles, [names, *long, *[ends] * connected], right)
    titles = [column.short.split("\n") for column in columns]
    rows = [row.shortened() for row in rows]
    short = _widths(rows, titles)
    room = limit - sum(short) - GAP * (len(short) + connected)
    if connected:
        single = max([width_of(f"{name},") for row in rows for name in row.inputs], default=0)
        single = max(single, len("connected to"))
        if _narrow(rows) + single <= room:
            names = min(names, room - single)
            ends = room - names if fill else min(ends, room - names)
            return _columns(rows, titles, [names, *short, ends], right)
        room += GAP  # the column is not there
    room = max(room, LEAST)
    return _columns(rows, titles, [room if fill else min(names, room), *short], right)


def _widths(rows: Sequence[Row], titles: Sequence[Sequence[str]]) -> list[int]:
    """Those of the columns, as their titles and cells are."""
    return [
        max(width_of(text) for text in (*lines, *(row.cells[i] for row in rows)))
        for i, lines in enumerate(titles)
    ]


def _narrow(rows: Sequence[Row]) -> int:
    """Columns for the longest name, or class, alone."""
    return max(
        [
            width_of(text)
            for row in rows
            for text in (f"{row.indent}{row.name}", f"{row.indent}  ({row.kind})")
        ],
        default=LEAST,
    )


def _columns(
    rows: Sequence[Row],
    titles: Sequence[Sequence[str]],
    widths: Sequence[int],
    right: Sequence[bool],
) -> list[str]:
    """The lines, in columns of these widths: names, numbers and, if there is one more, inputs."""
    beside = len(widths) > len(titles) + 1
    first = ["layer"]
    if not beside and any(row.inputs for row in rows):
        first.append("  <- connected to")
    heads = [first, *titles, *[["connected to"]] * beside]
    right = [False, *right, False]
    lines = list(_laid_out(heads, widths, right))
    body: list[str] = []
    for row in rows:
        given = _wrapped([f"{name}," for name in row.inputs], widths[-1] if beside else sum(widths))
        cells = [_name(row, widths[0]), *[[cell] for cell in row.cells]]
        body += _laid_out([*cells, *[given] * beside], widths, right)
        if given and not beside:
            body += [f"{row.indent}  <- {line}" for line in given]
    rule = "-" * max([sum(widths) + GAP * (len(widths) - 1), *map(width_of, body)])
    return [*lines, rule, *body, rule]


def _laid_out(
    cells: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]
) -> Iterator[str]:
    """Cells of one line or more beside each other; the numbers to the right."""
    for i in range(max(map(len, cells))):
        parts = []
        for j, (lines, width) in enumerate(zip(cells, widths, strict=True)):
            text = lines[i] if i < len(lines) else ""
            before = " " * (width - width_of(text)) if right[j] else ""
            parts.append(padded(before + text, width))
        yield (" " * GAP).join(parts).rstrip()


def _name(row: Row, width: int) -> list[str]:
    """A layer's name and class, on one line or on more."""
    whole = f"{row.indent}{row.name} ({row.kind})"
    if width_of(whole) <= width:
        return [whole]
    parts = [*_broken(row.name, width - len(row.indent)), *_broken(f"  ({row.kind})", width)]
    return [f"{row.indent}{part}" for part in parts]


def _broken(text: str, width: int) -> list[str]:
    """A text in parts of so many columns at most, cut behind a "_" if there is one."""
    width = max(width, LEAST)
    parts = [""]
    for character in text:
        if width_of(parts[-1] + character) > width:
            words, mark, rest = parts[-1].rpartition("_")
            if words:
                parts[-1] = words + mark
                parts.append(rest)
            else:
                parts.append("")
        parts[-1] += character
    return parts


def _wrapped(words: Sequence[str], width: int) -> list[str]:
    """Words with commas behind them, but for the last, on as many lines as they need."""
    lines: list[str] = []
    for word in words:
        if lines and width_of(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [*lines[:-1], *(line.removesuffix(",") for line in lines[-1:])]
