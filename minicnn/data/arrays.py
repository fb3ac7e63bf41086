"""Images with their labels, in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minicnn.errors import ConfigError, DataError
from minicnn.shapes import Array


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, their labels and what the labels mean.

    ``x`` is (m, H, W, C), uint8 as in a file or floating point; ``y`` is (m,) class
    numbers; ``class_names`` has the name of each class. Raises ``DataError`` when x
    and y differ in length or are empty.

    >>> data = Dataset(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 1, 0]), ("no", "yes"))
    >>> len(data), data.classes
    (4, 2)
    """

    x: Array
    y: Array
    class_names: tuple[str, ...] = ()
    source: str = "data"
    """Where it came from, for messages."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", np.asarray(self.x))
        object.__setattr__(self, "y", np.asarray(self.y))
        if self.x.ndim < 2 or self.y.ndim != 1:
            raise DataError(
                f"{self.source}: expected images of shape (m, H, W, C) and labels (m,), "
                f"got {self.x.shape} and {self.y.shape}."
            )
        if len(self.x) != len(self.y):
            raise DataError(
                f"{self.source}: expected as many labels as images, "
                f"got {len(self.x)} images and {len(self.y)} labels."
            )
        if not len(self.x):
            raise DataError(f"{self.source}: expected images, got none.")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> int:
        """How many classes there are: as many as names, or up to the largest label."""
        return len(self.class_names) or int(self.y.max()) + 1

    def __repr__(self) -> str:
        return f"Dataset({self.source!r}: {self.x.dtype} {self.x.shape}, {self.classes} classes)"


def check_batch_size(batch_size: int) -> None:
    """Raise ``ConfigError`` unless batches can have this size."""
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ConfigError(f"batch_size: expected a whole number of at least 1, got {batch_size!r}.")


def batches(
    n: int, batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[Array | slice]:
    """What picks each batch out of n images: slices in order, or shuffled numbers with ``rng``.

    The last batch may be smaller; none is left out.

    >>> [len(range(10)[batch]) for batch in batches(10, 4)]
    [4, 4, 2]
    """
    check_batch_size(batch_size)
    order = None if rng is None else rng.permutation(n)
    for start in range(0, n, batch_size):
        stop = min(start + batch_size, n)
        yield slice(start, stop) if order is None else order[start:stop]
