"""The samples that a classifier has most wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.console import html_table, text_table
from minicnn._core.shapes import Array
from minicnn.evaluation.predicting import check_labels, pairs, probabilities


class Mistake(NamedTuple):
    """A sample that was taken for another class."""

    sample: int
    """Its place among the samples, from 0."""
    truth: int
    said: int
    sure: float
    """The probability of what was said."""
    given: float
    """That of the truth."""


@dataclass(frozen=True)
class Mistakes(Sequence[Mistake]):
    """Mistakes, the surest first; printed, they are a table."""

    found: tuple[Mistake, ...]
    class_names: tuple[str, ...]
    images: Array
    """Those of the mistakes, in their order."""
    wrong: int
    """How many there are in all."""
    total: int

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: Any) -> Any:
        return self.found[index]

    def name(self, number: int) -> str:
        """The name of a class."""
        return self.class_names[number] if self.class_names else str(number)

    def _rows(self) -> Iterator[list[str]]:
        yield ["image", "said", "sure", "truth", "given to it"]
        for one in self.found:
            said, truth = self.name(one.said), self.name(one.truth)
            yield [str(one.sample), said, f"{one.sure:.1%}", truth, f"{one.given:.1%}"]

    def __str__(self) -> str:
        """A line for each."""
        lines = text_table(list(self._rows()))
        return "\n".join([f"{self.wrong:,} of {self.total:,} are wrong.", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return html_table(list(self._rows()), f"{self.wrong:,} of {self.total:,} are wrong.")


def worst_mistakes(model: Any, x: Any, y: Any = None, most: int = 16) -> Mistakes:
    """The samples that were taken for another class, those first of which the model was surest.

    ``model`` is a model, or what it predicted, (N, classes) probabilities; ``x`` and ``y`` are as
    in ``evaluate``, or a data set alone. Often such a label is wrong itself. Raises ``DataError``
    for labels that do not fit.

    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
    >>> print(worst_mistakes(scores, np.zeros((3, 8, 8, 1)), np.array([1, 1, 1])))
    2 of 3 are wrong.
    image  said  sure   truth  given to it
    0      0     90.0%  1      10.0%
    2      0     80.0%  1      20.0%
    """
    whole_number("worst_mistakes", "most", most, 1)
    names = getattr(x, "class_names", None) or getattr(model, "class_names", None) or ()
    x, y = pairs("worst_mistakes", x, y)
    scores = probabilities(model, x)
    check_labels("worst_mistakes", y, scores)
    said = scores.argmax(axis=1)
    rows = np.arange(len(y))
    sure, given = scores[rows, said], scores[rows, y]
    wrong = np.flatnonzero(said != y)
    order = wrong[np.argsort(-(sure - given)[wrong], kind="stable")][:most]
    found = tuple(
        Mistake(int(i), int(y[i]), int(said[i]), float(sure[i]), float(given[i])) for i in order
    )
    return Mistakes(found, tuple(map(str, names)), np.asarray(x)[order], len(wrong), len(y))
