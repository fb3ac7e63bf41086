"""The steps of optimizers by the C page ``optimizers.c``."""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import ref

import numpy as np

from minicnn._core.shapes import Array
from minicnn.kernels.compiled.library import Function, address, plain, threads_now
from minicnn.kernels.rules import Moved, Rule

_step = Function("optimizer_step", "iafaaii")

RULES = (
    "sgd", "sgd_momentum", "sgd_nesterov", "adam", "adam_amsgrad", "adamax", "nadam",
    "rmsprop", "rmsprop_momentum", "rmsprop_centered", "rmsprop_centered_momentum",
    "adagrad", "adadelta", "lion",
)  # fmt: skip
"""In the order of rules in optimizers.c."""

COLUMNS = 6
"""Size, parameter, gradient, and three slots."""

NUMBERS = 6
"""The most of a rule."""

MOST_TABLES = 64


class Table(NamedTuple):
    """Where the arrays of a step are, as long as they are the same arrays."""

    arrays: list[ref[Array]]
    """Of each parameter itself and its slots."""
    rows: Array
    """(size, parameter, gradient, slots) of each."""


_tables: dict[int, Table] = {}
"""Those of the last networks, by the identity of their first parameters."""


def optimizer_step(rule: Rule, moved: Sequence[Moved], clipvalue: float) -> bool:
    """See ``KernelSet``."""
    if not moved:
        return True
    arrays = [
        array for one in moved for array in (one.param, *(one.slots[slot] for slot in rule.slots))
    ]
    grads = [plain(one.grad) for one in moved]
    dtype = arrays[0].dtype
    if any(grad.dtype != dtype for grad in grads):
        return False
    table = _tables.get(id(arrays[0]))
    if table is None or not same(table.arrays, arrays):
        if any(array.dtype != dtype or not array.flags.carray for array in arrays):
            return False
        if len(_tables) >= MOST_TABLES:
            _tables.clear()
        table = Table([ref(array) for array in arrays], rows(arrays, len(moved)))
        _tables[id(arrays[0])] = table
    table.rows[:, 2] = [address(grad) for grad in grads]
    factors = np.array([one[3:] for one in moved], np.float64)
    numbers = np.array([*rule.numbers, *[0] * (NUMBERS - len(rule.numbers))], np.float64)
    threads = threads_now()
    which = RULES.index(rule.name)
    _step(dtype, which, numbers, clipvalue, table.rows, factors, len(moved), threads)
    return True


def same(known: list["ref[Array]"], arrays: list[Array]) -> bool:
    """Whether these are the arrays that are known, all of them."""
    return len(known) == len(arrays) and all(
        one() is array for one, array in zip(known, arrays, strict=True)
    )


def rows(arrays: list[Array], parameters: int) -> Array:
    """The table of parameters that are each followed by their slots; gradients are left out."""
    width = len(arrays) // parameters
    found = np.zeros((parameters, COLUMNS), np.int64)
    found[:, 0] = [array.size for array in arrays[::width]]
    places = np.reshape([address(array) for array in arrays], (parameters, width))
    found[:, 1], found[:, 3 : 2 + width] = places[:, 0], places[:, 1:]
    return found
