"""What is said to the user, in a terminal or wherever it goes."""

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn.errors import MiniCNNError, printable

Logs = dict[str, Any]
"""Metrics by name: numbers, or arrays where a metric gives one for each class."""

_unheard: OSError | None = None


def say(*lines: str, error: bool = False) -> None:
    """Print lines on standard output, or on standard error; and go on if that fails.

    What is said is never worth a run: without a stream nothing is said, and of standard output
    that cannot be written to the first error is kept for ``unheard``. Each line stays one, as
    ``legible``.

    >>> say("loss 0.5", chr(27) + "[31m")
    loss 0.5
    \\x1b[31m
    """
    stream = sys.stderr if error else sys.stdout
    write(stream, "".join(f"{legible(line, stream)}\n" for line in lines))


def write(stream: Any, text: str) -> None:
    """Write to a stream that may be missing, closed, full, or anything that a program put there."""
    global _unheard
    if stream is None:  # under pythonw, as a service, or after 2>&-
        return
    try:
        stream.write(text)
        stream.flush()
    except Exception as error:
        if stream is sys.stdout and isinstance(error, OSError):
            _unheard = _unheard or error


def unheard() -> OSError | None:
    """Why something could not be printed on standard output since the last call, if it was so."""
    global _unheard
    error, _unheard = _unheard, None
    return error


def legible(text: str, stream: Any = None) -> str:
    """``text`` with what a stream cannot show, or would act on, spelled out; tabs are kept.

    Without ``stream`` it is standard output.

    >>> legible("gr" + chr(252) + "n" + chr(10)) in ("gr\u00fcn\\\\n", "gr\\\\xfcn\\\\n")
    True
    """
    stream = sys.stdout if stream is None else stream
    text = "\t".join(map(printable, text.split("\t")))
    try:
        return text.encode(stream.encoding, "backslashreplace").decode(stream.encoding)
    except Exception:  # it says nothing of an encoding, or nothing that is one
        return text


def width_of(text: str) -> int:
    """Columns on a terminal, where some characters take two.

    >>> width_of("cat"), width_of(chr(0x732B))
    (3, 2)
    """
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def padded(text: str, width: int) -> str:
    """``text`` with spaces up to so many columns."""
    return text + " " * (width - width_of(text))


def figure_text(value: Any, digits: int = 4) -> str:
    """A figure, or several of one name: one for each class, or for each threshold.

    >>> figure_text(0.98765), figure_text(2e-5), figure_text([0.5, 0.25])
    ('0.9877', '2.00e-05', '[0.50 0.25]')
    """
    try:
        if np.ndim(value):
            return f"[{' '.join(f'{one:.2f}' for one in np.ravel(value))}]"
        plain = not value or not np.isfinite(value) or 1e-3 <= abs(value) < 1e5
        return f"{value:.{digits}f}" if plain else f"{value:.{digits - 2}e}"
    except (TypeError, ValueError):  # a callback put something else there
        return str(value)


def text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns side by side; names are texts, whatever is in them.

    >>> text_table([["", "mean"], ["loss", "0.5"]])
    ['      mean', 'loss  0.5']
    """
    cells = [[legible(cell).replace("\t", " ") for cell in row] for row in rows]
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(padded, row, widths)).rstrip() for row in cells]


def html_table(rows: Sequence[Sequence[Any]], below: str = "") -> str:
    """A notebook's table: the first row is the header; names are texts, whatever is in them.

    It sets no colours, so that it can be read on light and on dark pages.

    >>> "<td>&lt;b&gt;</td>" in html_table([["layer", "name"], [1, "<b>"]])
    True
    """
    from html import escape

    lines = []
    for i, row in enumerate(rows):
        kind = "td" if i else "th"
        cells = [escape(printable(str(value))) for value in row]
        first, *others = cells
        lines.append(
            f'<tr><{kind} style="text-align:left">{first}</{kind}>'
            + "".join(f"<{kind}>{cell}</{kind}>" for cell in others)
            + "</tr>"
        )
    return f"<table>{''.join(lines)}</table>" + f"<p>{escape(below)}</p>" * bool(below)


def notebook() -> Any:
    """The IPython shell of a notebook's kernel, if this is one."""
    find: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    shell = find()
    return shell if hasattr(shell, "kernel") else None


def warn(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn, in one line, of what was done at the line of the program that asked for it."""
    frame, level = sys._getframe(), 1
    within = ("minicnn", "contextlib")
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in within:
        frame, level = frame.f_back, level + 1
    text = str(MiniCNNError(message))
    try:
        warnings.warn(text, category, stacklevel=level)
    except Warning:  # where warnings are to be errors
        raise
    except Exception:  # standard error cannot be written to
        return


_said: set[str] = set()


def warn_once(key: str, message: str) -> None:
    """Warn of what a script does over and over: of each key once in a process."""
    if key not in _said:
        _said.add(key)
        warn(message, UserWarning)
