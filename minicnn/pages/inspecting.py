"""The page of data: what is wrong with them, what must be beaten, and what they look like."""

import os
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.atomic import replacing
from minicnn._files.paths import path_of
from minicnn.data.doctor import Finding, Inspection
from minicnn.data.doctor.inspection import beaten_rows, class_counts, sheet
from minicnn.data.doctor.part import Part
from minicnn.errors import ConfigError, MiniCNNError, shown
from minicnn.pages.document import document
from minicnn.pages.drawn import fitted, image_of, picture
from minicnn.pages.markup import Markup, joined, more, note, pairs, section, table, tag
from minicnn.plots.classifying import shown_as

EXAMPLES = 6
"""Images shown of a finding."""

CLASSES = 40
"""Classes of which images are shown."""

IN_A_ROW, SIDE = 12, 56
"""Images of each class, and their pixels along each side."""


def inspection_page(found: Inspection, path: str | os.PathLike[str]) -> None:
    """Write what ``data.inspect`` found as one HTML file, with pictures, that loads nothing else.

    Raises ``ConfigError`` for anything but an ``Inspection``.

    >>> import tempfile
    >>> x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    >>> page = os.path.join(tempfile.mkdtemp(), "data.html")
    >>> inspection_page(data.inspect((x, np.arange(60) % 3)), page)
    """
    if not isinstance(found, Inspection):
        raise ConfigError(f"inspection_page: expected what data.inspect gives, got {shown(found)}.")
    path = path_of("inspection_page", "path", path)
    name = found.parts[0].source
    sections = [
        _findings(found),
        _beaten(found),
        _facts(found),
        *(_sheet(part) for part in found.parts),
        _doubted(found),
    ]
    head = tag("header", tag("h1", f"Data: {name}"), tag("p", _headline(found), class_="facts"))
    body = joined([head, tag("main", joined(sections))])
    content = document(f"Data: {name:.50}", body, ("page.css", "report.css"))
    with replacing(path) as unfinished:
        unfinished.write_bytes(content.encode())


def _headline(found: Inspection) -> str:
    if not found.findings:
        return "Nothing found."
    counts = [
        (sum(one.severity == kind for one in found.findings), kind)
        for kind in ("error", "warning", "advice")
    ]
    plural = {"error": "errors", "warning": "warnings", "advice": "pieces of advice"}
    single = {"error": "error", "warning": "warning", "advice": "piece of advice"}
    return ", ".join(f"{n} {(single if n == 1 else plural)[kind]}" for n, kind in counts if n)


def _findings(found: Inspection) -> Markup:
    parts = {part.what: part for part in found.parts}
    items = []
    for one in found.findings:
        text = [
            tag("strong", f"{one.name[:1].upper()}{one.name[1:]} ({one.severity})."),
            f" {one.sentence} ",
            tag("em", one.remedy),
        ]
        items.append(tag("li", *text, *_examples(one, parts)))
    shown_ = tag("ul", *items, class_="findings") if items else tag("p", "Nothing was found.")
    return section("findings", "Findings", shown_)


def _examples(finding: Finding, parts: dict[str, Part]) -> list[Markup]:
    """The first images that have it; of pairs one beside the other."""
    cards = []
    columns = [(parts[what], numbers) for what, numbers in finding.where.items() if what in parts]
    for row in range(EXAMPLES):
        for part, numbers in columns:
            if row < len(numbers):
                cards += _card(part, numbers[row], [])
    return [tag("ul", *cards, class_="pictures")] if cards else []


def _card(part: Part, number: int, lines: list[str]) -> list[Markup]:
    """An image with what is said of it; nothing if it cannot be shown."""
    name = part.files[number] if part.files else f"{part.noun} {number}"
    try:
        image = picture(part.picture(number), name)
    except (MiniCNNError, OSError, IndexError):
        return []
    label = "" if part.y is None else part.name(int(part.y[number]))
    texts = [*lines] if lines else [label] * bool(label)
    caption = joined((tag("span", text) for text in [*texts, name]), " ")
    return [tag("li", tag("figure", tag("div", image), tag("figcaption", caption)))]


def _beaten(found: Inspection) -> Markup:
    if found.baselines is None:
        why = "Left out: there are no classes to tell apart."
        return section("baselines", "What a network must beat", note(why))
    how, rows = beaten_rows(found.baselines)
    lines = [["", "accuracy"], *([name, f"{right:.1%}"] for name, right in rows)]
    return section("baselines", "What a network must beat", table(how, lines))


def _facts(found: Inspection) -> Markup:
    lists: list[Any] = []
    for part in found.parts:
        lists.append(tag("h3", f"{part.what.capitalize()}: {part.source}"))
        lists.append(tag("ul", *(tag("li", fact) for fact in part.facts)))
        if counts := class_counts(part):
            total = sum(n for _, n in counts)
            rows = [[name, f"{n:,}", f"{n / total:.1%}"] for name, n in counts]
            made = table(
                f"{part.noun.capitalize()}s by class", [["class", "images", "share"], *rows]
            )
            lists.append(more("Images of each class", made) if len(rows) > 20 else made)
    return section("data", "What is there", *lists)


def _sheet(part: Part) -> Markup:
    rows = sheet(part, IN_A_ROW)
    shown_: list[tuple[str, Any]] = []
    for name, numbers in rows[:CLASSES]:
        images = []
        for number in numbers:
            try:
                images.append(_square(part.picture(number)))
            except (MiniCNNError, OSError):
                continue
        if images:
            row = image_of(np.concatenate(images, axis=1), f"{part.noun}s of {name or 'all'}")
            shown_.append((name or "all", row))
    parts: list[Any] = [pairs(shown_)] if shown_ else [note("There are no pictures to show.")]
    if len(rows) > CLASSES:
        parts.append(note(f"{len(rows) - CLASSES:,} more classes are left out."))
    title = f"A look at the {part.noun}s"
    return section(f"sheet-{part.what}", title, tag("div", *parts, class_="sheet"))


def _square(image: Array) -> Array:
    """An image in a square of SIDE pixels, in the middle, in colour."""
    small = fitted(shown_as("inspection_page", image), SIDE)
    small = np.repeat(small[..., None], 3, axis=2) if small.ndim == 2 else small
    height, width = small.shape[:2]
    made = np.full((SIDE, SIDE + 2, 3), 0.5)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    made[top : top + height, left : left + width] = small
    return made


def _doubted(found: Inspection) -> Markup:
    title = "The labels doubted most"
    parts = {part.what: part for part in found.parts}
    if not found.doubted:
        return section("doubted", title, note("Left out: there are too few images of each class."))
    doubts = any(one.name == "labels doubted" for one in found.findings)
    cards: list[Markup] = []
    for one in found.doubted:
        lines = [f"{one.given}, perhaps {one.likely}"]
        cards += _card(parts[one.part], one.image, lines)
    said = (
        "A model of outlines, which had not seen these images, would have given other labels."
        if doubts
        else "Nothing speaks for wrong labels. If there are some, they should be among these."
    )
    made = tag("ul", *cards, class_="pictures")
    return section("doubted", title, tag("p", said), made if doubts else more("Show them", made))
