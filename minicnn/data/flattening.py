"""Steps of a chain whose examples are chains themselves, and steps that leave examples out."""

from collections.abc import Callable, Iterator
from itertools import chain, islice, takewhile
from typing import Any, Self

from minicnn._core.arguments import whole_number
from minicnn.errors import ConfigError, DataError, NameUnknownError, shown

__all__ = ["Flattening"]

ABSENT = {
    **dict.fromkeys(("save", "load", "snapshot"), "keep arrays in a file with numpy.savez"),
    **dict.fromkeys(("random", "scan", "rejection_resample"), "use from_generator"),
    **dict.fromkeys(("window", "group_by_window", "bucket_by_sequence_length"), "use batch"),
    **dict.fromkeys(("sample_from_datasets", "choose_from_datasets"), "use concatenate, or zip"),
    **dict.fromkeys(("padded_batch", "ragged_batch", "sparse_batch"), "resize in map, then batch"),
    **dict.fromkeys(("unique", "ignore_errors", "counter"), "use filter, or from_generator"),
    **dict.fromkeys(("make_one_shot_iterator", "make_initializable_iterator"),
                    "use for, or next(iter(dataset))"),
    **dict.fromkeys(("output_shapes", "output_types"), "use element_spec"),
    "rebatch": "use unbatch().batch(n)",
}  # fmt: skip
"""Steps of TensorFlow's that are not here, and the nearest thing."""


class Flattening:
    """``flat_map`` and its like, for a class that has ``_then``, ``__iter__`` and ``called``."""

    _then: Callable[..., Any]
    map: Callable[..., Any]
    __iter__: Callable[..., Iterator[Any]]
    _examples: Callable[[], Iterator[Any]]

    def __getattr__(self, name: str) -> Any:
        """Say what to use instead of a step of TensorFlow's that is not here."""
        if name in ABSENT:
            raise NameUnknownError(f"Dataset has no {name}, which TensorFlow has: {ABSENT[name]}.")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int | None = None,
        block_length: int = 1,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Any:
        """Of ``cycle_length`` chains at a time, ``block_length`` examples of each in turn.

        ``map_func`` makes a chain of each example; without ``cycle_length`` it is ``flat_map``.
        """
        width = 1 if cycle_length is None or cycle_length == -1 else cycle_length
        whole_number("Dataset.interleave", "cycle_length", width, least=1)
        whole_number("Dataset.interleave", "block_length", block_length, least=1)
        inner = self._chains("interleave", map_func)

        def examples() -> Iterator[Any]:
            waiting = inner()
            running: list[Iterator[Any]] = [one._examples() for one in islice(waiting, width)]
            turn = 0
            while running:
                turn %= len(running)
                block = list(islice(running[turn], block_length))
                yield from block
                if len(block) == block_length:
                    turn += 1
                    continue
                follower = next(waiting, None)
                if follower is None:
                    del running[turn]
                else:
                    running[turn] = follower._examples()
                    turn += 1

        return self._then(examples)

    def flat_map(self, map_func: Callable[..., Any], name: str | None = None) -> Any:
        """The examples of the chains that ``map_func`` makes of each example, one after another.

        >>> from minicnn.data.pipeline import Dataset
        >>> [int(n) for n in Dataset.range(3).flat_map(lambda n: Dataset.range(int(n)))]
        [0, 0, 1]
        """
        inner = self._chains("flat_map", map_func)
        return self._then(lambda: chain.from_iterable(one._examples() for one in inner()))

    def apply(self, transformation_func: Callable[[Self], Any]) -> Any:
        """What a function makes of the chain."""
        return transformation_func(self)

    def with_options(self, options: Any, name: str | None = None) -> Self:
        """The same chain: there is nothing to choose."""
        return self

    def _chains(self, step: str, map_func: Callable[..., Any]) -> Callable[[], Iterator[Any]]:
        made = self.map(map_func)

        def chains() -> Iterator[Any]:
            for one in made._examples():
                if not isinstance(one, Flattening):
                    raise ConfigError(
                        f"Dataset.{step}: expected a function that gives a Dataset, got one that "
                        f"gave {shown(one)}. For other values use map."
                    )
                yield one

        return chains

    def shard(self, num_shards: int, index: int, name: str | None = None) -> Any:
        """Every ``num_shards``-th example, from the one at ``index`` on."""
        whole_number("Dataset.shard", "num_shards", num_shards, least=1)
        whole_number("Dataset.shard", "index", index, least=0)
        return self._then(lambda: islice(self._examples(), index, None, num_shards))

    def take_while(self, predicate: Callable[..., Any], name: str | None = None) -> Any:
        """The examples before the first for which it is false."""

        def holds(example: Any) -> bool:
            return bool(predicate(*example) if isinstance(example, tuple) else predicate(example))

        return self._then(lambda: takewhile(holds, iter(self)))

    def get_single_element(self, name: str | None = None) -> Any:
        """The only example. Raises ``DataError`` if there is none, or another."""
        found = list(islice(iter(self), 2))
        if len(found) != 1:
            raise DataError(
                "Dataset.get_single_element: expected one example, got "
                f"{'none' if not found else 'more'}."
            )
        return found[0]
