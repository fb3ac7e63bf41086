"""Where the generators of models without a seed come from."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minicnn._core.arguments import whole_number

_source: np.random.Generator | None = None


def set_random_seed(seed: int) -> None:
    """Decide all randomness that follows in this process.

    Models made from now on without ``seed=`` are as determined as those with it. As in Keras,
    Python's and NumPy's global generators start from the seed too, for what a script draws itself;
    minicnn never draws from them.

    >>> set_random_seed(0)
    >>> first = Sequential([Input((4,)), Dense(3)]).get_weights()[0]
    >>> set_random_seed(0)
    >>> np.array_equal(first, Sequential([Input((4,)), Dense(3)]).get_weights()[0])
    True
    """
    global _source
    whole_number("set_random_seed", "seed", seed, least=0)
    _source = np.random.default_rng(seed)
    random.seed(int(seed))
    np.random.seed(int(seed) % 2**32)  # noqa: NPY002


def generator(seed: int | None) -> np.random.Generator:
    """A model's generator: from its seed, from ``set_random_seed``, or from anywhere.

    >>> int(generator(3).integers(100)) == int(generator(3).integers(100))
    True
    """
    if seed is None and _source is not None:
        seed = int(_source.integers(1 << 62))
    return np.random.default_rng(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block whose randomness a seed decides, and after which all goes on as before.

    >>> with seeded(3):
    ...     first = generator(None).integers(100)
    >>> with seeded(3):
    ...     bool(first == generator(None).integers(100))
    True
    """
    global _source
    before, _source = _source, np.random.default_rng(seed)
    try:
        yield
    finally:
        _source = before
