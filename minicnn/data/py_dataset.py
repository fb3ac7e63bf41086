"""``PyDataset``: data that are read batch by batch."""

from collections.abc import Iterator
from typing import Any

__all__ = ["PyDataset", "Sequence"]


class PyDataset:
    """The base class of data that are read batch by batch, as Keras has it.

    ``__getitem__(i)`` returns batch ``i``: (x, y) or (x, y, sample_weight). ``__len__`` is the
    number of batches. ``on_epoch_end`` is called after the last one. ``fit`` draws the
    batches in another order each epoch, unless ``shuffle=False``.

    Keras' ``workers``, ``use_multiprocessing`` and ``max_queue_size`` are taken and do nothing.

    >>> class Noise(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, i):
    ...         rng = np.random.default_rng(i)
    ...         return rng.random((8, 4)), rng.integers(0, 2, 8)
    >>> model = Sequential([Input((4,)), Dense(1, activation="sigmoid")], seed=0)
    >>> model.compile("sgd", "binary_crossentropy")
    >>> len(model.fit(Noise(), epochs=2, verbose=0).history["loss"])
    2
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Batch ``index``: (x, y) or (x, y, sample_weight)."""
        raise TypeError(f"{type(self).__name__} defines no __getitem__(index).")

    def __len__(self) -> int:
        """The number of batches."""
        raise TypeError(f"{type(self).__name__} defines no __len__().")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def on_epoch_end(self) -> None:
        """Called when the last batch of a pass was drawn."""


Sequence = PyDataset
