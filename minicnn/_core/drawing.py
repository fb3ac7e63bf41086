"""What a part of a batch draws: its rows of what the whole batch would.

So the numbers of an image do not depend on how its batch is cut, nor on who computes it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape

SIZES = {
    "random": 0,
    "standard_normal": 0,
    "standard_exponential": 0,
    "standard_gamma": 1,
    "exponential": 1,
    "poisson": 1,
    "chisquare": 1,
    "geometric": 1,
    "uniform": 2,
    "normal": 2,
    "integers": 2,
    "lognormal": 2,
    "laplace": 2,
    "logistic": 2,
    "gumbel": 2,
    "beta": 2,
    "gamma": 2,
    "binomial": 2,
    "choice": 1,
    "triangular": 3,
}
"""A generator's methods, and the place of ``size`` among their arguments."""


class PartOfBatch(np.random.Generator):
    """A generator for some rows of a batch.

    What it is asked for with as many rows as the part has, it draws for the whole batch, and gives
    the part's; all else it draws as it is, alike in all parts.

    >>> whole = np.random.default_rng(0).random((4, 2))
    >>> part = PartOfBatch(np.random.default_rng(0), slice(1, 3), 4)
    >>> np.array_equal(part.random((2, 2)), whole[1:3])
    True
    """

    def __init__(self, rng: np.random.Generator, rows: slice, batch: int) -> None:
        super().__init__(rng.bit_generator)
        self.whole = np.random.Generator(rng.bit_generator)
        """What draws for the whole batch."""
        self.rows = rows
        self.batch = batch


def drawn(
    rng: np.random.Generator, shape: Shape, draw: Callable[[np.random.Generator, Shape], Array]
) -> Array:
    """``draw(rng, shape)``, of which a part of a batch gets its rows."""
    if not isinstance(rng, PartOfBatch):
        return draw(rng, shape)
    if shape[:1] != (rng.rows.stop - rng.rows.start,):
        return draw(rng.whole, shape)
    return draw(rng.whole, (rng.batch, *shape[1:]))[rng.rows]


def _by_row(name: str, place: int) -> Callable[..., Any]:
    def method(self: PartOfBatch, *args: Any, **kwargs: Any) -> Any:
        size = args[place] if len(args) > place else kwargs.get("size")
        if size is None:
            return getattr(self.whole, name)(*args, **kwargs)
        shape = tuple(size) if isinstance(size, tuple | list) else (int(size),)

        def draw(rng: np.random.Generator, shape: Shape) -> Array:
            given = {**kwargs, "size": shape} if len(args) <= place else kwargs
            with_size = (*args[:place], shape, *args[place + 1 :]) if len(args) > place else args
            made: Array = getattr(rng, name)(*with_size, **given)
            return made

        return drawn(self, shape, draw)

    method.__name__ = name
    method.__doc__ = f"See ``numpy.random.Generator.{name}``."
    return method


for _name, _place in SIZES.items():
    setattr(PartOfBatch, _name, _by_row(_name, _place))
