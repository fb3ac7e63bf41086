"""The common base of the iterators over pictures: which ones a batch has, and in which order."""

import os
import threading
from typing import Any, Protocol, Self

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError, shown
from minicnn.preprocessing.pictures import save_img
from minicnn.preprocessing.transforms import random_state


class Changing(Protocol):
    """What the iterators ask of an ``ImageDataGenerator``."""

    _validation_split: float

    def _checked(self, method: str, x: Any) -> Array:
        """Images that it can change."""

    def _batch(self, images: Array, places: Array, rng: np.random.RandomState, dtype: Any) -> Array:
        """Those of the images changed at random, with numbers that are drawn from ``rng``."""


class Iterator:
    """Batches of n samples, without end by ``next``, or by number: an iterator has a length.

    A derived class defines ``_get_batches_of_transformed_samples(index_array)``. With ``seed``
    each batch is drawn from seed + the number of batches that were given before, as in Keras.
    ``next`` shuffles before each pass; ``on_epoch_end`` shuffles for batches by number.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        who = type(self).__name__
        self.n = n
        self.batch_size = whole_number(who, "batch_size", batch_size)
        self.shuffle = shuffle
        if seed is not None:
            seed = whole_number(who, "seed", seed, least=0)
        self.seed = seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.index_array: Array | None = None
        self.lock = threading.RLock()
        self._rng = random_state(seed)

    def _set_index_array(self) -> None:
        self.index_array = self._rng.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _begin_batch(self) -> None:
        if self.seed is not None:
            self._rng.seed((self.seed + self.total_batches_seen) % (1 << 32))
        self.total_batches_seen += 1
        if not self.n:
            raise DataError(f"{type(self).__name__}: there are no pictures to give.")

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, idx: int) -> Any:
        """Batch ``idx``; raises ``IndexError`` beyond the last one."""
        if not isinstance(idx, int | np.integer):
            raise ConfigError(
                f"{type(self).__name__}: expected the number of a batch, got {shown(idx)}."
            )
        if not -len(self) <= idx < len(self):
            raise IndexError(f"{type(self).__name__}: there are {len(self)} batches, no {idx}.")
        with self.lock:
            self._begin_batch()
            if self.index_array is None:
                self._set_index_array()
            assert self.index_array is not None
            first = self.batch_size * (idx % len(self))
            return self._get_batches_of_transformed_samples(
                self.index_array[first : first + self.batch_size]
            )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self.lock:
            self._begin_batch()
            if self.batch_index == 0 or self.index_array is None:
                self._set_index_array()
            assert self.index_array is not None
            first = (self.batch_index * self.batch_size) % self.n
            self.batch_index = self.batch_index + 1 if first + self.batch_size < self.n else 0
            return self._get_batches_of_transformed_samples(
                self.index_array[first : first + self.batch_size]
            )

    def next(self) -> Any:
        """The next batch, as ``next(iterator)`` gives it."""
        return next(self)

    def reset(self) -> None:
        """Let ``next`` begin a new pass."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """Shuffle anew, if it shuffles at all."""
        with self.lock:
            self._set_index_array()

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        raise TypeError(
            f"{type(self).__name__} defines no _get_batches_of_transformed_samples(index_array)."
        )


class Saving(Iterator):
    """An iterator that can write the pictures that it gives into a folder."""

    save_to_dir: str | os.PathLike[str] | None
    save_prefix: str
    save_format: str
    data_format: str | None

    def _save(self, pictures: Array, index_array: Array, most: float) -> None:
        """Write each as PREFIX_INDEX_NUMBER.FORMAT, the number drawn from below ``most``."""
        if not self.save_to_dir:
            return
        for picture, index in zip(pictures, index_array, strict=True):
            name = f"{self.save_prefix}_{index}_{self._rng.randint(int(most))}.{self.save_format}"
            save_img(os.path.join(self.save_to_dir, name), picture, self.data_format)
