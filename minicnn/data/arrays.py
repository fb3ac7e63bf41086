"""Images with their labels, in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

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


class Stream:
    """The batches of one pass over n images after another, without end.

    >>> stream = Stream(10, 4, np.random.default_rng(0))
    >>> [len(next(stream)) for _ in range(5)]
    [4, 4, 2, 4, 4]
    >>> again = Stream(10, 4, np.random.default_rng(1))
    >>> again.set_state(stream.get_state())
    >>> np.array_equal(next(stream), next(again))
    True
    """

    def __init__(self, n: int, batch_size: int, rng: np.random.Generator | None = None) -> None:
        self.n = n
        self.batch_size = batch_size
        self.rng = rng
        self.taken = 0
        """Batches of the present pass that were taken."""
        self.before: Any = None
        """The state of the generator before it shuffled the present pass."""
        self._rest: Iterator[Array | slice] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Array | slice:
        batch = next(self._rest, None)
        if batch is None:
            self._begin(self.rng)
            batch = next(self._rest)
        self.taken += 1
        return batch

    def _begin(self, rng: np.random.Generator | None) -> None:
        self.taken = 0
        self.before = None if rng is None else rng.bit_generator.state
        self._rest = batches(self.n, self.batch_size, rng)

    def get_state(self) -> dict[str, Any]:
        """Where the present pass is, and what gives its order again."""
        return {"taken": self.taken, "generator": self.before}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from there, without drawing from the generator.

        Raises ``ValueError``, ``TypeError`` or ``KeyError`` if there is no such place.
        """
        taken, rng = state["taken"], None
        if not 0 <= taken <= -(-self.n // self.batch_size):
            raise ValueError
        if not taken:
            return
        if self.rng is not None:
            generator = type(self.rng.bit_generator)()
            generator.state = state["generator"]
            rng = np.random.Generator(generator)
        self._begin(rng)
        for _ in range(taken):
            next(self)


def images_and_labels(who: str, x: Any, y: Any) -> tuple[Array, Array]:
    """The images and labels that ``fit`` was given, as a dataset or as two arrays.

    Raises ``DataError`` unless they are numbers, finite, as many of one as of the
    other, and not none.
    """
    if isinstance(x, Dataset):
        if y is not None:
            raise DataError(f"{who}: expected no y beside a dataset, which has its own labels.")
        x, y = x.x, x.y
    elif y is None:
        raise DataError(f"{who}: expected a dataset, or x and y; got no y.")
    x, y = images(who, x), as_array(who, y)
    if y.dtype.kind not in "biuf" or y.ndim == 0:
        raise DataError(f"{who}: expected labels as an array of numbers, got {y.dtype} {y.shape}.")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"{who}: expected finite numbers, got NaN or infinity among the labels.")
    if len(x) != len(y):
        raise DataError(
            f"{who}: expected as many labels as images, got {len(x)} images and {len(y)} labels."
        )
    return x, y


def images(who: str, x: Any) -> Array:
    """The images that the model was given, checked as ``images_and_labels`` does."""
    x = as_array(who, x.x if isinstance(x, Dataset) else x)
    if x.dtype.kind not in "biuf" or x.ndim == 0:
        raise DataError(f"{who}: expected images as an array of numbers, got {x.dtype} {x.shape}.")
    if not len(x):
        raise DataError(f"{who}: expected images, got none.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{who}: expected finite numbers, got NaN or infinity among the images.")
    return np.asarray(x)


def as_array(who: str, value: Any) -> Array:
    """``value`` as an array; raises ``DataError`` for lists whose rows differ in length."""
    try:
        return np.asarray(value)
    except ValueError:
        raise DataError(f"{who}: expected an array, got rows of different shapes.") from None
