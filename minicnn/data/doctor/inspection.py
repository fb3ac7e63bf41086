"""The whole of what the doctor says of data: facts, what must be beaten, findings."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minicnn._core.console import html_table, padded, width_of
from minicnn._core.shapes import Array
from minicnn.data.doctor.doubts import Doubt
from minicnn.data.doctor.finding import ADVICE, Finding
from minicnn.data.doctor.leaks import Baselines
from minicnn.data.doctor.part import Part

WIDTH = 79

HELD = "\0"
"""A space at which no line ends."""

SHOWN_CLASSES = 10
"""Classes of which the counts are printed; a page has all."""

DOUBTS_PRINTED = 5


@dataclass(frozen=True)
class Inspection:
    """What was found; printed, 80 columns wide, and a table in a notebook."""

    findings: list[Finding]
    """What is wrong, in the order in which to put it right; empty when all is well."""
    doubted: list[Doubt]
    """The 50 labels that a model doubts most, whether or not there is reason to."""
    baselines: Baselines | None
    """What a network must beat."""
    parts: tuple[Part, ...]
    """The training data and, if given, the test data."""

    @property
    def sound(self) -> bool:
        """Whether nothing of weight was found: no error and no warning."""
        return all(one.severity == ADVICE for one in self.findings)

    def facts(self) -> list[tuple[str, list[str]]]:
        """(heading, lines) of each part, and of what a network must beat."""
        found = []
        for part in self.parts:
            lines = [part.source, *part.facts]
            if counts := class_counts(part):
                lines.append(_counted(counts))
            found.append((part.what.capitalize(), lines))
        if self.baselines is not None:
            found.append(("To beat", beaten(self.baselines)))
        return found

    def __str__(self) -> str:
        """Facts, and then each finding with its remedy."""
        lines: list[str] = []
        for heading, texts in self.facts():
            for i, text in enumerate(texts):
                lines += _wrapped(text, heading if not i else "", 12)
        lines.append("")
        for one in self.findings:
            lines.append(f"{one.name} ({one.severity})")
            lines += _wrapped(one.sentence, "", 2) + _wrapped(one.remedy, "", 2)
        if not self.findings:
            lines.append("Nothing found.")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Tables, for a notebook."""
        facts = [["", ""], *([name, "; ".join(lines)] for name, lines in self.facts())]
        if not self.findings:
            return html_table(facts, "Nothing found.")
        rows = [[one.name, one.severity, one.sentence, one.remedy] for one in self.findings]
        return html_table(facts) + html_table([["", "", "finding", "remedy"], *rows])


def class_counts(part: Part) -> list[tuple[str, int]]:
    """(class, images) of every class that is named or has images."""
    if part.y is None:
        return []
    counts = np.bincount(part.y, minlength=len(part.names))
    there = [k for k in range(len(counts)) if counts[k] or k < len(part.names)]
    return [(part.name(k), int(counts[k])) for k in there]


def _counted(counts: Sequence[tuple[str, int]]) -> str:
    total = sum(n for _, n in counts)
    shown = counts if len(counts) <= SHOWN_CLASSES else counts[: SHOWN_CLASSES - 2]
    text = ", ".join(f"{name}:{HELD}{n:,}{HELD}({n / total:.0%})" for name, n in shown)
    more = len(counts) - len(shown)
    if not more:
        return text
    rest = [n for _, n in counts[len(shown) :]]
    return f"{text} and {more:,} more classes of {min(rest):,} to {max(rest):,} images"


def beaten_rows(found: Baselines) -> tuple[str, list[tuple[str, float]]]:
    """(of what, (what answers, its accuracy)): what a network must beat."""
    left_out = ", each left out in turn" * (not found.on.startswith("test"))
    how = f"Accuracy without a network, of {found.samples:,} {found.on}s{left_out}"
    return how, [
        (f"always answering {found.commonest!r}", found.always),
        ("the label of the most similar image", found.neighbour),
        ("a linear model of 16 x 16 pixels", found.linear),
    ]


def beaten(found: Baselines) -> list[str]:
    """What a network must beat, as lines."""
    how, rows = beaten_rows(found)
    width = max(width_of(name) for name, _ in rows)
    lines = [f"{padded(name, width)}  {right:6.1%}" for name, right in rows]
    return [f"{how}:", *lines]


def sheet(part: Part, columns: int) -> list[tuple[str, list[int]]]:
    """(class, the numbers of some of its images): what a contact sheet shows of each class.

    They are spread over the order of the images, so that a change within it is seen.
    """
    classes = part.classes
    if classes is None:
        return [("", _spread(part.index, columns))]
    return [
        (part.name(int(k)), _spread(part.index[classes == k], columns)) for k in np.unique(classes)
    ]


def _spread(numbers: Array, count: int) -> list[int]:
    if len(numbers) <= count:
        count = len(numbers)
    some = np.linspace(0, len(numbers) - 1, count).astype(int)
    return [int(i) for i in numbers[some]]


def _wrapped(text: str, heading: str, indent: int) -> list[str]:
    first = f"{padded(heading, indent - 1)} " if heading else " " * indent
    if "  " in text.strip():  # columns
        return [first + text]
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    return [line.replace(HELD, " ") for line in lines] or [first.rstrip()]
