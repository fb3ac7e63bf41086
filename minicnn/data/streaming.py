"""Images that stay where they are, and are read while a run needs them.

A ``Source`` has its labels in memory and its images elsewhere, in blocks: runs of rows that are
best read at once, such as the chunks of a file. A ``SourceLoader`` reads some blocks into one half
of a bounded memory, shuffles their images, and draws batches from there while the other half fills.

In each pass the blocks are dealt out so that those in memory together come from everywhere: the
source is cut into as many stretches of neighbours as blocks fit, and each gives one of its blocks,
another each time, drawn at random. So a source that is sorted by class comes mixed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import chain, count, pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn._files import checkpoint
from minicnn.data.arrays import check_batch_size
from minicnn.data.fitting import Data, Take, weights_of
from minicnn.data.loaders import Batch, BatchLoader
from minicnn.data.needed import runs_of, wanted_of
from minicnn.data.passes import Part

IN_ORDER_BYTES = 16 << 20
"""How much is read ahead where nothing is shuffled."""


class Reading(Protocol):
    """A source at work, with memory in two halves."""

    def begin(self, half: int, runs: Array, needed: Array | None = None) -> None:
        """Begin to read runs (first row, last) into a half, one after another. Those that are not
        ``needed`` leave a gap."""

    def images(self, half: int) -> Array:
        """The images there, when they have come, as long as no others are read into it."""

    def close(self) -> None:
        """End what reads."""


class Source(ABC):
    """Images (m, H, W, C) that are read when they are needed, and what is known of them all."""

    name: str
    """For messages."""
    shape: Shape
    dtype: DType
    labels: Array
    """(m,) class numbers."""
    class_names: tuple[str, ...]
    bounds: Array
    """The rows at which blocks begin, and m: (blocks + 1,)."""
    half_bytes: int
    """How many bytes of images are shuffled together."""
    seed: int | None
    """The order of a pass comes from this and the pass; None: drawn from the model's generator."""

    @abstractmethod
    def open(self, rows: int) -> Reading:
        """Get ready to read so many rows at once."""

    def pieces(self, rows: Array) -> tuple[Array, int]:
        """(of each row the number of what is read whole with it, how many such are read on rather
        than left out between two)."""
        return np.searchsorted(self.bounds, rows, "right"), 0

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def classes(self) -> int:
        """The number of classes: the number of names, or the largest label + 1."""
        return len(self.class_names) or int(self.labels.max()) + 1

    @property
    def row_bytes(self) -> int:
        """The bytes of an image."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    @property
    def rows_in_order(self) -> int:
        """How many rows are read at once where nothing is shuffled."""
        return self.blocks_together(shuffled=False) * int(np.diff(self.bounds).max())

    def images(self, numbers: Array) -> Array:
        """The images of those numbers, in memory."""
        wanted, places = np.unique(numbers, return_inverse=True)
        made = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        reading = self.open(self.rows_in_order)
        try:
            for at in range(0, len(wanted), self.rows_in_order):
                some = wanted[at : at + self.rows_in_order]
                reading.begin(0, neighbours(some))
                made[at : at + len(some)] = reading.images(0)
        finally:
            reading.close()
        return made if np.array_equal(wanted, numbers) else made[places]

    def blocks_together(self, shuffled: bool) -> int:
        """How many blocks are in memory together, at least 1."""
        most = self.half_bytes if shuffled else min(IN_ORDER_BYTES, self.half_bytes)
        largest = int(np.diff(self.bounds).max()) * self.row_bytes
        return min(max(1, most // largest), len(self.bounds) - 1)


def dealt(blocks: int, at_once: int, rng: np.random.Generator | None) -> list[Array]:
    """Which blocks are in memory together, up to ``at_once``: in order, or with ``rng`` mixed.

    Each block is in one of the sets, and each set has blocks from all parts of the source.

    >>> [some.tolist() for some in dealt(7, 3, None)]
    [[0, 1, 2], [3, 4, 5], [6]]
    >>> [some.tolist() for some in dealt(7, 3, np.random.default_rng(0))]
    [[2, 5], [0, 4, 6], [1, 3]]
    """
    sets = -(-blocks // at_once)
    if rng is None:
        return [np.arange(k * at_once, min((k + 1) * at_once, blocks)) for k in range(sets)]
    stretches = rng.permuted(np.arange(at_once * sets).reshape(at_once, sets), axis=1)
    found = [some[some < blocks] for some in stretches.T]
    return [some for some in found if len(some)]


def neighbours(numbers: Array) -> Array:
    """Rising numbers as runs (first, last + 1).

    >>> neighbours(np.array([2, 3, 4, 8])).tolist()
    [[2, 5], [8, 9]]
    """
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    return np.stack([numbers[[0, *breaks]], numbers[[*(breaks - 1), -1]] + 1], axis=1)


class Window(NamedTuple):
    """What is in memory at the same time, and how it is drawn."""

    number: int
    """The pass."""
    runs: Array
    """(first row, last) of neighbouring blocks, in their order."""
    order: Array | None
    """In which its images are drawn; None: as they lie."""
    images: int
    skipped: int
    """How many of them were drawn before."""
    before: int
    """How many images of the pass come before them."""
    last: bool
    """Whether the pass ends with it."""

    @property
    def rows(self) -> Array:
        """The row of each place."""
        return np.concatenate([np.arange(first, last) for first, last in self.runs])

    def cut(self, size: int) -> Iterator[tuple[Array | slice, int, bool]]:
        """(places, the batch that they belong to, whether it ends with them)."""
        n, first = self.images, self.skipped
        ends = range(first + size - (self.before + first) % size, n, size)
        for a, b in pairwise([first, *ends, n]):
            places = slice(a, b) if self.order is None else self.order[a:b]
            end = self.before + b
            yield places, (end - 1) // size, not end % size or (self.last and b == n)


class Order(NamedTuple):
    """The order of the images in each pass."""

    bounds: Array
    at_once: int
    seed: int | None
    """None: in the source's order."""

    def windows(self, number: int, drawn: int = 0) -> Iterator[Window]:
        """Those of a pass, but for what lies among the ``drawn`` first images."""
        rng = None if self.seed is None else np.random.default_rng([self.seed, number])
        sets = dealt(len(self.bounds) - 1, self.at_once, rng)
        before = 0
        for k, blocks in enumerate(sets):
            n = int((self.bounds[blocks + 1] - self.bounds[blocks]).sum())
            order = None if rng is None else rng.permutation(n)
            if before + n > drawn:
                skipped = max(0, drawn - before)
                last = k == len(sets) - 1
                runs = self.bounds[neighbours(blocks)]
                yield Window(number, runs, order, n, skipped, before, last)
            before += n


def order_of(source: Source, seed: int | None) -> Order:
    """That of a source's passes: shuffled, or without a seed its own."""
    return Order(source.bounds, source.blocks_together(seed is not None), seed)


class Drawn(NamedTuple):
    """A batch: images that are in memory until the next one, and which of them it is."""

    x: Array
    rows: Array
    """Those of the images."""
    places: Array | slice
    number: int
    """The pass, and the batch in it."""
    step: int


def drawn(
    source: Source,
    size: int,
    order: Order,
    number: int = 0,
    taken: int = 0,
    endless: bool = False,
    part: Part | None = None,
) -> Generator[Drawn]:
    """Batches of so many images: of a pass after those ``taken``, and if ``endless`` of the next.

    While a window is drawn from, the next one is read, or what is needed of it for a ``part`` of
    each batch. What is in memory for all passes is read whole.
    """
    part = part if order.at_once < len(order.bounds) - 1 else None

    def wanted(window: Window) -> tuple[Array, ...]:
        if part is None:
            return (window.runs,)
        rows = window.rows
        own = wanted_of(part, window.before, window.images, size, len(source))
        if window.order is not None:
            own[window.order] = own.copy()
        return runs_of(rows, *source.pieces(rows), own)

    windows = chain(
        order.windows(number, taken * size),
        *([chain.from_iterable(map(order.windows, count(number + 1)))] if endless else []),
    )
    first = next(windows)
    window: Window | None = first
    reading = source.open(order.at_once * int(np.diff(order.bounds).max()))
    half, parts = 0, list[tuple[Array, Array]]()
    try:
        there = wanted(first)
        reading.begin(half, *there)
        while window is not None:
            x, rows = reading.images(half), window.rows
            after = next(windows, None)
            if after is not None:
                before, there = there, wanted(after)
                if not all(map(np.array_equal, there, before)):
                    half = 1 - half
                    reading.begin(half, *there)
            for places, step, ends in window.cut(size):
                if ends and not parts:
                    yield Drawn(x, rows, places, window.number, step)
                    continue
                parts.append((x[places].copy(), rows[places]))  # x is written over soon
                if ends:
                    images, numbers = map(np.concatenate, zip(*parts, strict=True))
                    yield Drawn(images, numbers, slice(0, len(numbers)), window.number, step)
                    parts = []
            window = after
    finally:
        reading.close()


class SourceLoader(BatchLoader):
    """Batches of a source; see ``Loader``."""

    def __init__(
        self, who: str, source: Source, take: Take, batch_size: int, sample_weight: Any = None
    ) -> None:
        check_batch_size(batch_size)
        self.who, self.source, self.take = who, source, take
        self.size = batch_size
        self.prepare: Callable[[Data], Data] | None = None
        self.steps: int | None = -(-len(source) // batch_size)
        self.weights: Array | None = None
        if sample_weight is not None:
            self.weights = weights_of(who, sample_weight, len(source))
        rows = np.arange(min(batch_size, len(source)))
        self.sample = self._data_of(source.images(rows), rows, 0)

    @property
    def batch_size(self) -> int:
        """See ``Loader``."""
        return self.size

    @property
    def facts(self) -> Mapping[str, Any]:
        """See ``Loader``."""
        source = self.source
        return {
            "images": len(source),
            "labels": checkpoint.checksum(source.labels),
            "blocks": checkpoint.checksum(source.bounds),
            "blocks shuffled together": source.blocks_together(shuffled=True),
            "seed": source.seed,
        }

    def prepared(self, prepare: Callable[[Data], Data]) -> Self:
        """See ``Loader``; the smallest and the largest label are looked at too."""
        twin = super().prepared(prepare)
        labels, rows = self.source.labels, np.zeros(2, int)
        x = np.zeros((2, *self.source.shape[1:]), self.source.dtype)
        weights = None if self.weights is None else self.weights[rows]
        ends = np.array([labels.min(), labels.max()])
        prepare(self.take(self.who, x, ends, weights))
        return twin

    def once(self) -> Iterator[Batch]:
        """See ``Loader``."""
        found = drawn(self.source, self.size, order_of(self.source, None))
        return (batch for _, batch in self.batches(found))

    def stream(self, rng: np.random.Generator | None, endless: bool) -> "SourceStream":
        """See ``Loader``."""
        return SourceStream(self, rng)

    def batches(
        self, drawn: Iterator[Drawn], part: Part | None = None
    ) -> Iterator[tuple[Drawn, Batch]]:
        """What was drawn, as training and evaluation take it."""
        images = data = None
        for one in drawn:
            if one.x is not images:
                images, data = one.x, self._data_of(one.x, one.rows, one.step)
            assert data is not None
            batch = Batch(data, one.places)
            own = None if part is None else part.rows(len(batch.numbers))
            yield one, batch._replace(own=own)

    def _data_of(self, x: Array, rows: Array, step: int) -> Data:
        weights = () if self.weights is None else (self.weights[rows],)
        return self.load((x, self.source.labels[rows], *weights), step).data


class SourceStream:
    """The batches that a run trains on; the order comes from a seed and the number of the pass."""

    def __init__(self, loader: SourceLoader, rng: np.random.Generator | None) -> None:
        self.loader = loader
        self.rng = rng
        self.seed = None if rng is None else loader.source.seed
        self.number = 0
        """The present pass."""
        self.taken = 0
        """Batches of it that were taken."""
        self.part: Part | None = None
        self._drawn: Generator[Drawn] | None = None
        self._batches: Iterator[tuple[Drawn, Batch]] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._batches is None:
            if self.rng is not None and self.seed is None:
                self.seed = int(self.rng.integers(1 << 62))
            source, size = self.loader.source, self.loader.batch_size
            order, place = order_of(source, self.seed), (self.number, self.taken)
            self._drawn = drawn(source, size, order, *place, endless=True, part=self.part)
            self._batches = self.loader.batches(self._drawn, self.part)
        one, batch = next(self._batches)
        self.number, self.taken = one.number, one.step + 1
        return batch

    def get_state(self) -> dict[str, Any]:
        """The seed, the pass, and the position in it."""
        return {"seed": self.seed, "pass": self.number, "taken": self.taken}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from there; what is skipped is not read."""
        number, taken = state["pass"], state["taken"]
        if not (number >= 0 and 0 <= taken <= self.loader.steps):
            raise ValueError
        self.close()
        self.seed, self.number, self.taken = state["seed"], number, taken

    def take_part(self, part: Part) -> None:
        """See ``BatchStream``."""
        self.part = part

    def close(self) -> None:
        """End what reads ahead."""
        if self._drawn is not None:
            self._drawn.close()
            self._drawn = self._batches = None
