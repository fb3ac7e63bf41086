"""Pieces of HTML, in which what comes from users is text, whatever is in it."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from minicnn.errors import printable

NUMBER = re.compile(r"[-+]?[0-9][0-9,.]*(e[-+]?[0-9]+)?")


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def html(value: Any) -> Markup:
    """The value as HTML.

    >>> html("<b>"), html(Markup("<b>"))
    ('&lt;b&gt;', '<b>')
    """
    return value if isinstance(value, Markup) else Markup(escape(printable(str(value))))


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """An element; an attribute's name may end in "_", None leaves it out.

    >>> tag("p", "1 < 2", class_="a")
    '<p class="a">1 &lt; 2</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{''.join(map(html, children))}</{name}>")


def joined(parts: Iterable[Any], between: str = "\n") -> Markup:
    """Several pieces behind each other."""
    return Markup(between.join(html(part) for part in parts))


def section(name: str, title: str, *parts: Any) -> Markup:
    """A part of the page with a heading, to which ``#name`` leads."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag("section", joined([heading, *parts]), id=name, aria_labelledby=f"{name}-title")


def table(caption: str, rows: Sequence[Sequence[Any]], kind: str | None = None) -> Markup:
    """A table whose first row and first column are headers; a wide one can be scrolled.

    >>> "<th scope=\\"row\\">a</th><td>b</td>" in table("t", [["", "n"], ["a", "b"]])
    True
    """
    lines = []
    for i, (first, *others) in enumerate(rows):
        scope = "row" if i else "col"
        cells = [tag("th", first, scope=scope) if str(first) else tag("td")]
        for other in others:
            if i:
                number = NUMBER.fullmatch(str(other))
                given = tag("td", other, class_="number" if number else None)
                cells.append(other if str(other).startswith("<td") else given)
            else:
                cells.append(tag("th", other, scope="col"))
        lines.append(tag("tr", *cells))
    made = tag("table", tag("caption", caption), tag("thead", *lines[:1]), tag("tbody", *lines[1:]))
    return tag(
        "section",
        made,
        class_=joined(filter(None, ("scroll", kind)), " "),
        aria_label=caption,
        tabindex="0",
    )


def pairs(rows: Iterable[tuple[str, Any]]) -> Markup:
    """A list of names and what they stand for; those that stand for nothing are left out."""
    found = [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows if str(value)]
    return tag("dl", *found)


def note(*parts: Any) -> Markup:
    """A sentence of what is left out, or to be known."""
    return tag("p", *parts, class_="note")


def more(title: str, *parts: Any) -> Markup:
    """What is shown when it is asked for."""
    return tag("details", tag("summary", title), *parts)
