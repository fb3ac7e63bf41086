"""Where the batches of a run come from.

Arrays in memory are cut into batches (``ArrayLoader``). An object that gives batches is asked for
them: one with ``__len__`` and ``__getitem__``, such as a ``PyDataset``, by their numbers
(``SequenceLoader``); a generator, or what can be iterated over, for the next (``IteratorLoader``).
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.arrays import Stream, batches, check_batch_size
from minicnn.data.fitting import Data, Take
from minicnn.data.passes import Part, Passes
from minicnn.data.pipeline import INFINITE_CARDINALITY, Dataset
from minicnn.data.py_dataset import PyDataset, Sequence
from minicnn.errors import ConfigError, DataError, shown

__all__ = ["PyDataset", "Sequence"]


class Batch(NamedTuple):
    """Some samples of the data."""

    data: Data
    samples: Array | slice
    own: slice | None = None
    """Which of them have their images; None: all."""

    @property
    def numbers(self) -> Array:
        """Those of the samples."""
        of = self.samples
        return np.arange(of.start, of.stop) if isinstance(of, slice) else of

    def part(self) -> Data:
        """The samples' data."""
        return self.data.part(self.samples)


class BatchStream(Protocol):
    """The batches that a run trains on, one after another."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def get_state(self) -> dict[str, Any]:
        """The position, for a checkpoint."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from there; raises ``ValueError``, ``TypeError`` or ``KeyError``."""

    def take_part(self, part: Part) -> None:
        """Leave out, where it saves work, the images of other rows; before the first batch."""

    def close(self) -> None:
        """The run is over."""


class Loader(Protocol):
    """What gives a run its batches."""

    in_memory: bool
    sample: Data
    """All data, or of those that come in batches the first batch."""
    steps: int | None
    """The number of batches of a pass; None: not known beforehand."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What must be the same when a run is resumed, besides shapes and what is in memory."""

    @property
    def batch_size(self) -> int:
        """The samples of a batch, or of the first where they differ."""

    def once(self) -> Iterator[Batch]:
        """The batches of one pass in their order, to evaluate them."""

    def stream(self, rng: np.random.Generator | None, endless: bool) -> BatchStream:
        """Batches to train on: with ``rng`` in another order in each pass.

        Passes follow one another; unless ``endless``, those of which the number of batches is
        not known are ended by StopIteration each.
        """

    def prepared(self, prepare: Callable[[Data], Data]) -> "Loader":
        """The same batches, each with its labels as the losses want them."""


class ArrayLoader:
    """Batches of arrays in memory."""

    in_memory = True
    facts: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, data: Data, batch_size: int) -> None:
        check_batch_size(batch_size)
        self.sample = data
        self.batch_size = batch_size
        self.steps: int | None = -(-data.samples // batch_size)

    def once(self) -> Iterator[Batch]:
        """See ``Loader``."""
        for samples in batches(self.sample.samples, self.batch_size):
            yield Batch(self.sample, samples)

    def stream(self, rng: np.random.Generator | None, endless: bool) -> "OrderedStream":
        """See ``Loader``."""
        order = Stream(self.sample.samples, self.batch_size, rng)
        return OrderedStream(order, lambda samples: Batch(self.sample, samples))

    def prepared(self, prepare: Callable[[Data], Data]) -> "ArrayLoader":
        """See ``Loader``."""
        return ArrayLoader(prepare(self.sample), self.batch_size)


class OrderedStream:
    """Batches by their place in an order."""

    def __init__(self, order: Stream, load: Callable[[Array | slice], Batch]) -> None:
        self.order = order
        self.load = load
        self.get_state, self.set_state = order.get_state, order.set_state

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        return self.load(next(self.order))

    def take_part(self, part: Part) -> None:
        """See ``BatchStream``: images in memory are there."""

    def close(self) -> None:
        """Nothing is held."""


class BatchLoader:
    """Batches that an object gives."""

    in_memory = False
    sample: Data

    @property
    def facts(self) -> Mapping[str, Any]:
        """Nothing is known of the batches."""
        return {}

    def __init__(self, who: str, source: Any, take: Take) -> None:
        self.who = who
        self.source = source
        self.take = take
        self.prepare: Callable[[Data], Data] | None = None
        self.steps = length(source)
        if self.steps == 0:
            raise DataError(f"{who}: expected batches, got a {type(source).__name__} of length 0.")

    @property
    def batch_size(self) -> int:
        """That of the first batch."""
        return self.sample.samples

    def load(self, given: Any, number: int) -> Batch:
        """A batch, checked, as training and evaluation take it."""
        who = f"{self.who}, batch {number} of the {type(self.source).__name__}"
        data = self.take(who, *parts_of(who, given))
        if self.prepare is not None:
            try:
                data = self.prepare(data)
            except DataError as error:
                raise DataError(f"{who}: {error}") from None
        return Batch(data, slice(0, data.samples))

    def prepared(self, prepare: Callable[[Data], Data]) -> Self:
        """See ``Loader``."""
        twin = copy.copy(self)
        twin.prepare = prepare
        twin.sample = prepare(self.sample)
        return twin


class SequenceLoader(BatchLoader):
    """Batches of an object with ``__len__`` and ``__getitem__``."""

    def __init__(self, who: str, source: Any, take: Take) -> None:
        super().__init__(who, source, take)
        self.sample = self.load(source[0], 0).data

    def once(self) -> Iterator[Batch]:
        """See ``Loader``."""
        for number in range(self.steps or 0):
            yield self.load(self.source[number], number)
        self._end()

    def stream(self, rng: np.random.Generator | None, endless: bool) -> OrderedStream:
        """See ``Loader``; ``on_epoch_end`` is called when the last batch of a pass was drawn."""
        order = Stream(self.steps or 0, 1, rng)

        def load(place: Array | slice) -> Batch:
            number = int(place.start if isinstance(place, slice) else place[0])
            batch = self.load(self.source[number], number)
            if order.taken == order.n:
                self._end()
            return batch

        return OrderedStream(order, load)

    def _end(self) -> None:
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()


class IteratorLoader(BatchLoader):
    """Batches of a generator, or of what can be iterated over again and again."""

    def __init__(self, who: str, source: Any, take: Take) -> None:
        super().__init__(who, source, take)
        self.origin: Passes | None = getattr(source, "origin", None)
        self.passes: Passes | None = getattr(source, "passes", None)
        self.begun = self.origin.begun if self.origin else 0
        """The passes of its origin before the first one here."""
        self.part: Part | None = None
        self.batches = iter(source)
        self.renewable = self.batches is not source
        self.first = list(islice(self.batches, 1))
        """The batch that was looked at, until it has been given."""
        if not self.first:
            raise DataError(f"{who}: expected batches, got a {type(source).__name__} without any.")
        self.sample = self.load(self.first[0], 0).data

    @property
    def batch_size(self) -> int:
        """That of the source's batches, or of the first."""
        return (self.passes and self.passes.batch_size) or self.sample.samples

    @property
    def facts(self) -> Mapping[str, Any]:
        """The files, where they are known."""
        return {} if self.origin is None else {"files": self.origin.fingerprint()}

    def once(self) -> Iterator[Batch]:
        """See ``Loader``; a generator goes on from where it is."""
        if self.renewable and not self.first:
            self.batches = self.again() or iter(self.source)
        return IteratorStream(self, endless=False)

    def again(self) -> Iterator[Any] | None:
        """The pass that was begun last, from its beginning, of a source that can: so a resumed run
        evaluates in the order in which it did."""
        if self.passes is None:
            return None
        return map(self.source.shown, self.passes.beginning_at(self.passes.begun - 1, 0))

    def stream(self, rng: np.random.Generator | None, endless: bool) -> "IteratorStream":
        """See ``Loader``; the order is that of the object."""
        return IteratorStream(self, endless or self.steps is not None)

    def begin_at(self, state: Mapping[str, Any], skip: bool) -> None:
        """Begin at the first pass of a stream with that state, or ``skip`` to where it was."""
        assert self.origin is not None
        seed, begun = None if state["seed"] is None else int(state["seed"]), int(state["begun"])
        if not skip and (seed, begun) == (self.origin.seed, self.begun):
            return  # functions in the chain may count their calls
        self.first, self.begun = [], begun
        self.origin.restart(seed, begun)
        self.batches = iter(self.source)
        if skip and self.passes is not None and self.steps is not None:
            passes, first = divmod(state["drawn"], self.steps)
            self.begin_pass(begun + passes, first)

    def draws(self, endless: bool) -> Iterator[Any]:
        """Batch after batch as it is given; unless ``endless``, END after each pass."""
        while True:
            empty = True
            for given in chain(self.first, self.batches):
                self.first = []
                empty = False
                yield given
            if empty or not self.renewable:
                return
            if not endless:
                yield END
            if self.part is None or self.passes is None:
                self.batches = iter(self.source)
            else:
                self.begin_pass(self.passes.begun, 0)

    def begin_pass(self, number: int, first: int) -> None:
        """Be at batch ``first`` of a pass of a source that can."""
        assert self.passes is not None
        found = self.passes.beginning_at(number, first, self.part)
        self.first, self.batches = [], map(self.source.shown, found)


END = object()


class IteratorStream:
    """The batches that an iterator gives, as a run trains on them."""

    def __init__(self, loader: IteratorLoader, endless: bool) -> None:
        self.loader = loader
        self.given = loader.draws(endless)
        self.drawn = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        given = next(self.given)
        if given is END:
            raise StopIteration
        self.drawn += 1
        batch, part = self.loader.load(given, self.drawn - 1), self.loader.part
        return batch if part is None else batch._replace(own=part.rows(batch.data.samples))

    def take_part(self, part: Part) -> None:
        """See ``BatchStream``: of a source that can begin anywhere."""
        loader = self.loader
        if loader.passes is not None and loader.steps is not None and loader.part is None:
            loader.part = part
            passes, first = divmod(self.drawn, loader.steps)
            loader.begin_pass(loader.begun + passes, first)

    def get_state(self) -> dict[str, Any]:
        """How many batches were drawn, and from which passes of its origin."""
        origin = self.loader.origin
        of = {} if origin is None else {"seed": origin.seed, "begun": self.loader.begun}
        return {"drawn": self.drawn, **of}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Draw as many as were drawn before, which takes as long as it took, but from a source that
        can go on from the middle."""
        loader = self.loader
        if loader.origin is not None and "begun" in state:
            loader.begin_at(state, skip=loader.passes is not None)
            self.drawn = state["drawn"] * (loader.passes is not None)
        while self.drawn < state["drawn"]:
            self.drawn += next(self.given) is not END

    def close(self) -> None:
        """Nothing is held."""


def batch_loader(who: str, source: Any, take: Take) -> SequenceLoader | IteratorLoader:
    """The loader for an object of which ``gives_batches`` is true.

    Raises ``DataError`` if it gives none, or what ``take`` raises for the first.
    """
    return (SequenceLoader if is_sequence(source) else IteratorLoader)(who, source, take)


def inputs_from(who: str, source: Any) -> Iterator[Any]:
    """The x of the batches of an object, to predict."""
    batches = map(source.__getitem__, range(len(source))) if is_sequence(source) else source
    for number, given in enumerate(batches):
        yield parts_of(f"{who}, batch {number}", given)[0]


def is_sequence(source: Any) -> bool:
    """Whether its batches have numbers, and can be had in any order."""
    numbered = length(source) is not None and hasattr(type(source), "__getitem__")
    return numbered and not isinstance(source, Dataset)


def parts_of(who: str, given: Any) -> tuple[Any, ...]:
    """(x, y, sample_weight) of a batch, or those of them that it has."""
    parts = tuple(given) if isinstance(given, tuple | list) else (given,)
    if not 1 <= len(parts) <= 3:
        raise DataError(f"{who}: expected (x, y) or (x, y, sample_weight), got {len(parts)} parts.")
    return parts


def length(source: Any) -> int | None:
    """The number of batches that an object says it has."""
    try:
        return len(source)
    except (TypeError, NotImplementedError):
        return None


def check_alone(who: str, source: Any, **others: Any) -> None:
    """Raise ``ConfigError`` for arguments that cannot be beside data that come in batches."""
    for name, value in others.items():
        if value is not None and not (isinstance(value, float | int) and value == 0):
            raise ConfigError(
                f"{who}: expected no {name} beside a {type(source).__name__}, which gives batches "
                f"of (x, y) or (x, y, sample_weight), got {shown(value)}."
            )


def check_steps(who: str, name: str, loader: Loader, steps: int | None, passes: int) -> None:
    """Raise ``ConfigError`` for a generator that is to be drawn from more than once, to its end."""
    if isinstance(loader, IteratorLoader) and not loader.renewable and passes > 1 and not steps:
        raise ConfigError(
            f"{who}: expected {name}, the number of batches to draw each time, with a "
            f"{type(loader.source).__name__}, which has no length and begins only once; got none."
        )
    check_end(who, name, getattr(loader, "source", None), steps)


def check_end(who: str, name: str, source: Any, steps: int | None) -> None:
    """Raise ``ConfigError`` for a chain without end that is to be drawn to its end."""
    if isinstance(source, Dataset) and source.cardinality() == INFINITE_CARDINALITY and not steps:
        raise ConfigError(
            f"{who}: expected {name}, the number of batches to draw, with a Dataset that repeats "
            "without end; got none."
        )
