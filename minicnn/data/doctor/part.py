"""The training images or the test images, as the doctor looks at them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.data.doctor.finding import Finding, listed
from minicnn.data.doctor.measuring import Measures

MOST = 10_000
"""Images that are looked at; of more a sample is drawn."""


@dataclass
class Part:
    """What was read of one file, folder or pair of arrays."""

    what: str
    """"training" or "test", as in ``Finding.where``."""
    noun: str
    """"training image", "test image", or "image" where there is one part."""
    source: str
    shape: Shape | None
    """(H, W, C); None where sizes differ."""
    dtype: np.dtype[np.generic]
    index: Array
    """The numbers of the images that are looked at."""
    total: int
    measures: Measures
    picture: Callable[[int], Array]
    """The image of a number, (H, W, C)."""
    y: Array | None = None
    """The class number of every image; None without labels that are classes."""
    names: tuple[str, ...] = ()
    files: list[str] | None = None
    """The names of the images' files, of a folder."""
    facts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """Those of reading it."""
    raw_labels: Array | None = None
    """Labels as they were given."""

    @property
    def classes(self) -> Array | None:
        """The class number of each image that is looked at."""
        return None if self.y is None else self.y[self.index]

    @property
    def top(self) -> float:
        """The brightest value that its images can have, as far as one can tell."""
        if self.dtype.kind in "iu":
            high = float(self.measures.high.max())
            return 255.0 if high <= 255 else 65535.0
        high = float(np.abs(self.measures.high).max())
        return 1.0 if high <= 1 else max(255.0, high)

    def name(self, label: "int | np.integer[Any]") -> str:
        """The name of a class."""
        return self.names[label] if 0 <= label < len(self.names) else str(label)

    def called(self, numbers: Iterable[int]) -> str:
        """Images by their numbers, or their files' names."""
        found = [self.files[i] if self.files else i for i in numbers]
        return listed(found)

    def place(self, mask: Array) -> list[int]:
        """The numbers of the images that a choice of booleans takes."""
        return [int(i) for i in self.index[mask]]


def sample(total: int, seed: int) -> Array:
    """The numbers of the images that are looked at: all, or ``MOST`` drawn by the seed."""
    if total <= MOST:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, MOST, replace=False))
