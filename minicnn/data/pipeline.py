"""Chains of steps over examples, each taken when it is asked for: what scripts do with ``tf.data``.

An example is an array, or a tuple or a dictionary of examples. Functions given to ``map`` and
``filter`` are plain ones of NumPy's arrays; those of a tuple's parts are several arguments.
"""

import builtins
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.random_seed import generator
from minicnn._core.shapes import DType, Shape
from minicnn.data.flattening import Flattening
from minicnn.data.passes import Passes
from minicnn.errors import ConfigError, DataError, shown

INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2
"""What ``cardinality`` says of chains without an end, and of those that must be run to know it."""


class Spec(NamedTuple):
    """The shape and dtype of an array."""

    shape: Shape
    dtype: DType


class Dataset(Flattening):
    """Examples that a function without arguments iterates over, from the beginning at each call.

    Each method gives a new chain, and computes nothing. ``for`` and ``as_numpy_iterator`` run it.

    >>> squares = Dataset.range(5).map(lambda x: x * x).filter(lambda x: x % 2 == 0).batch(2)
    >>> [batch.tolist() for batch in squares]
    [[0, 4], [16]]
    """

    class_names: Sequence[str] | None = None
    file_paths: Sequence[str] | None = None
    broken: dict[str, str] | None = None
    """Of pictures from files: the paths that could not be read so far, and why."""
    origin: Passes | None = None
    passes: Passes | None = None
    """Where the examples come from, if it counts its passes; the second if they are as it gives."""

    def __init__(
        self, examples: Callable[[], Iterator[Any]], cardinality: int = UNKNOWN_CARDINALITY
    ) -> None:
        self._examples = examples
        self._cardinality = cardinality
        self._running: Iterator[Any] = iter(())
        self._next = -1

    @classmethod
    def from_tensor_slices(cls, tensors: Any, name: str | None = None) -> "Dataset":
        """The rows of an array, or of a tuple or a dictionary of arrays of the same length.

        >>> rows = Dataset.from_tensor_slices({"x": np.eye(2), "y": np.array([3, 4])})
        >>> next(iter(rows))["x"].tolist(), len(rows)
        ([1.0, 0.0], 2)
        """
        arrays = _mapped(_array, tensors)
        lengths = {len(a) if a.ndim else -1 for a in _leaves(arrays)}
        if len(lengths) != 1 or -1 in lengths:
            shapes = ", ".join(str(a.shape) for a in _leaves(arrays))
            raise DataError(
                f"Dataset.from_tensor_slices: expected arrays of one length, got shapes {shapes}."
            )
        n = lengths.pop()

        def examples() -> Iterator[Any]:
            for i in builtins.range(n):
                yield _mapped(lambda a, i=i: a[i], arrays)  # type: ignore[misc]

        return cls(examples, n)

    @classmethod
    def list_files(
        cls, file_pattern: Any, shuffle: bool | None = True, seed: Any = None, name: Any = None
    ) -> "Dataset":
        """The paths that match a pattern such as "data/*/*.jpg", in another order unless told so.

        Raises ``DataError`` if there are none.
        """
        patterns = file_pattern if isinstance(file_pattern, list | tuple) else [file_pattern]
        import glob

        paths = sorted(path for one in patterns for path in glob.glob(str(one)))
        if not paths:
            raise DataError(f"Dataset.list_files: expected files that match {file_pattern}, got 0.")
        found = cls.from_tensor_slices(np.array(paths))
        return found if shuffle is False else found.shuffle(len(paths), seed)

    @classmethod
    def from_tensors(cls, tensors: Any, name: str | None = None) -> "Dataset":
        """One example."""
        example = _mapped(_array, tensors)
        return cls(lambda: iter([example]), 1)

    @classmethod
    def from_generator(
        cls,
        generator: Callable[..., Any],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> "Dataset":
        """What a function yields, which is called with ``args`` at the beginning of each pass."""
        if not callable(generator):
            raise ConfigError(
                "Dataset.from_generator: expected a function that yields examples, "
                f"got {shown(generator)}. Write lambda: it."
            )
        return cls(lambda: (_mapped(_array, one) for one in generator(*(args or ()))))

    @classmethod
    def range(cls, *args: int, **kwargs: Any) -> "Dataset":
        """Whole numbers, as Python's ``range`` counts."""
        numbers = builtins.range(*args)
        return cls(lambda: map(np.int64, numbers), len(numbers))

    @classmethod
    def zip(cls, *args: Any, datasets: Any = None, name: str | None = None) -> "Dataset":
        """Tuples of the examples of several chains, as many as the shortest has."""
        given = datasets if datasets is not None else args[0] if len(args) == 1 else args
        chains = list(given) if isinstance(given, list | tuple) else [given]
        for chain in chains:
            _check_chain("zip", chain)
        known = [c for chain in chains if (c := chain._cardinality) != INFINITE_CARDINALITY]
        n = min(known, default=INFINITE_CARDINALITY)
        return cls(lambda: builtins.zip(*chains, strict=False), n)

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> "Dataset":
        """What a function makes of each example."""
        _check_function("map", map_func)
        return self._then(lambda: (_called(map_func, one) for one in self), self._cardinality)

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> "Dataset":
        """The examples of which a function says something true."""
        _check_function("filter", predicate)
        return self._then(lambda: (one for one in self if _called(predicate, one)))

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> "Dataset":
        """So many examples as one, along a new first axis; the last may be fewer."""
        size = whole_number("Dataset.batch", "batch_size", batch_size)

        def batches() -> Iterator[Any]:
            examples = iter(self)
            while some := list(itertools.islice(examples, size)):
                if len(some) == size or not drop_remainder:
                    yield _stacked(some)

        n = self._cardinality
        if n >= 0:
            n = n // size if drop_remainder else -(-n // size)
        return self._then(batches, n)

    def unbatch(self, name: str | None = None) -> "Dataset":
        """The rows of each example, one by one."""
        return self._then(lambda: (row for one in self for row in Dataset.from_tensor_slices(one)))

    def shuffle(
        self,
        buffer_size: int,
        seed: int | None = None,
        reshuffle_each_iteration: bool | None = True,
        name: str | None = None,
    ) -> "Dataset":
        """The examples in random order, each drawn from the ``buffer_size`` that are next.

        Another order in each pass, unless ``reshuffle_each_iteration`` is False.
        """
        size = whole_number("Dataset.shuffle", "buffer_size", buffer_size)
        draw = generator(seed)
        fixed = int(draw.integers(1 << 62)) if reshuffle_each_iteration is False else None

        def shuffled() -> Iterator[Any]:
            rng = np.random.default_rng(int(draw.integers(1 << 62)) if fixed is None else fixed)
            waiting: list[Any] = []
            for one in self:
                if len(waiting) < size:
                    waiting.append(one)
                    continue
                at = int(rng.integers(size))
                yield waiting[at]
                waiting[at] = one
            yield from (waiting[at] for at in rng.permutation(len(waiting)))

        return self._then(shuffled, self._cardinality)

    def repeat(self, count: int | None = None, name: str | None = None) -> "Dataset":
        """The examples ``count`` times, or without end."""
        if count is None or count == -1:
            n = INFINITE_CARDINALITY if self._cardinality else 0
            return self._then(self._without_end, n)
        times = whole_number("Dataset.repeat", "count", count, least=0)
        n = self._cardinality * times if self._cardinality >= 0 else self._cardinality
        return self._then(lambda: (one for _ in builtins.range(times) for one in self), n)

    def _without_end(self) -> Iterator[Any]:
        some = True
        while some:
            some = False
            for one in self:
                some = True
                yield one

    def take(self, count: int, name: str | None = None) -> "Dataset":
        """The first examples, so many; all of them for -1."""
        if count == -1:
            return self
        most = whole_number("Dataset.take", "count", count, least=0)
        n = self._cardinality
        n = most if n == INFINITE_CARDINALITY else min(n, most)
        return self._then(lambda: itertools.islice(iter(self), most), n)

    def skip(self, count: int, name: str | None = None) -> "Dataset":
        """The examples but for the first, so many; none for -1."""
        if count == -1:
            return self.take(0)
        first = whole_number("Dataset.skip", "count", count, least=0)
        n = self._cardinality
        n = max(0, n - first) if n >= 0 else n
        return self._then(lambda: itertools.islice(iter(self), first, None), n)

    def concatenate(self, dataset: "Dataset", name: str | None = None) -> "Dataset":
        """These examples, and then those of another chain."""
        _check_chain("concatenate", dataset)
        counts = self._cardinality, dataset._cardinality
        n = sum(counts) if min(counts) >= 0 else counts[0]
        if min(counts) < 0:
            infinite = INFINITE_CARDINALITY in counts
            n = INFINITE_CARDINALITY if infinite else UNKNOWN_CARDINALITY
        return self._then(lambda: itertools.chain(self, dataset), n)

    def enumerate(self, start: int = 0, name: str | None = None) -> "Dataset":
        """Pairs of a number and an example."""
        return self._then(lambda: builtins.enumerate(self, start), self._cardinality)

    def cache(self, filename: str = "", name: str | None = None) -> "Dataset":
        """The same examples, kept in memory after the first whole pass, whatever the name."""
        kept: list[Any] = []
        whole = [False]

        def cached() -> Iterator[Any]:
            if whole[0]:
                yield from kept
                return
            seen = []
            for one in self:
                seen.append(one)
                yield one
            kept[:], whole[0] = seen, True

        return self._then(cached, self._cardinality)

    def prefetch(self, buffer_size: Any, name: str | None = None) -> "Dataset":
        """The same chain: nothing is computed before it is asked for."""
        return self

    def reduce(
        self, initial_state: Any, reduce_func: Callable[[Any, Any], Any], name: str | None = None
    ) -> Any:
        """The state after ``state = reduce_func(state, example)`` for each example.

        >>> int(Dataset.range(5).reduce(0, lambda total, x: total + x))
        10
        """
        state = initial_state
        for one in self:
            state = reduce_func(state, one)
        return state

    def cardinality(self) -> int:
        """The number of examples; -1 without end, -2 where it must be run to know."""
        return self._cardinality

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The examples, as NumPy's arrays and numbers."""
        return (_mapped(lambda a: np.asarray(a)[()], one) for one in self)

    @property
    def element_spec(self) -> Any:
        """The shape and dtype of the first example's arrays; raises ``DataError`` without one."""
        for one in self:
            return _mapped(lambda a: Spec(np.shape(a), np.asarray(a).dtype), one)
        raise DataError("Dataset.element_spec: there are no examples.")

    def __iter__(self) -> Iterator[Any]:
        return map(self.shown, self._examples())

    shown = staticmethod(lambda example: example)
    """What a loop is given of an example."""

    def __len__(self) -> int:
        if self._cardinality < 0:
            why = "repeats without end" if self._cardinality == -1 else "must be run to be counted"
            raise TypeError(f"Dataset: there is no length, as it {why}. Use steps_per_epoch.")
        return self._cardinality

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int) -> Any:
        """Example ``index``: fast for one after the other, of which 0 begins a new pass."""
        if not isinstance(index, int | np.integer) or index < 0:
            raise ConfigError(f"Dataset: expected the number of an example, got {shown(index)}.")
        if index != self._next:
            self._running, self._next = iter(self), 0
        for one in self._running:
            self._next += 1
            if self._next > index:
                return one
        self._next = -1
        raise IndexError(f"Dataset: there is no example {index}.")

    def __repr__(self) -> str:
        known = {-1: "without end", -2: "of unknown length"}.get(
            self._cardinality, f"of {self._cardinality}"
        )
        return f"<Dataset {known}>"

    def _then(
        self, examples: Callable[[], Iterator[Any]], cardinality: int = UNKNOWN_CARDINALITY
    ) -> "Dataset":
        made = type(self)(examples, cardinality)
        made.origin = self.origin
        return made


def _array(value: Any) -> Any:
    return value if isinstance(value, np.generic) else np.asarray(value)


def _mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """A function of each array of an example."""
    if isinstance(structure, tuple):
        return tuple(_mapped(function, one) for one in structure)
    if isinstance(structure, dict):
        return {name: _mapped(function, one) for name, one in structure.items()}
    return function(structure)


def _leaves(structure: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(found.append, structure)
    return found


def _called(function: Callable[..., Any], example: Any) -> Any:
    return function(*example) if isinstance(example, tuple) else function(example)


def _stacked(examples: list[Any]) -> Any:
    """Examples of one structure as one, along a new first axis."""
    first = examples[0]
    if isinstance(first, tuple):
        return tuple(_stacked(list(parts)) for parts in builtins.zip(*examples, strict=True))
    if isinstance(first, dict):
        return {name: _stacked([one[name] for one in examples]) for name in first}
    shapes = {np.shape(one) for one in examples}
    if len(shapes) > 1:
        one, other = sorted(shapes)[:2]
        raise DataError(
            f"Dataset.batch: expected examples of one shape, got {one} and {other}. "
            "Bring images to one size by map before."
        )
    return np.stack(examples)


def _check_function(method: str, value: Any) -> None:
    if not callable(value):
        raise ConfigError(f"Dataset.{method}: expected a function, got {shown(value)}.")


def _check_chain(method: str, value: Any) -> None:
    if not isinstance(value, Dataset):
        raise ConfigError(f"Dataset.{method}: expected a Dataset, got {shown(value)}.")
