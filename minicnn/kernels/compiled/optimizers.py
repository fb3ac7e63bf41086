"""The steps of optimizers by the C page ``optimizers.c``."""

import struct
from collections.abc import Sequence

import numpy as np

from minicnn.kernels.base import Moved, Rule
from minicnn.kernels.compiled.library import Function, address, threads_now

_step = Function("optimizer_step", "iafaaii")

RULES = (
    "sgd", "sgd_momentum", "sgd_nesterov", "adam", "adam_amsgrad", "adamax", "nadam",
    "rmsprop", "rmsprop_momentum", "rmsprop_centered", "rmsprop_centered_momentum",
    "adagrad", "adadelta", "lion",
)  # fmt: skip
"""In the order of rules in optimizers.c."""

NONE = (0, 0, 0)
"""The places of the slots of a rule that has none."""

NUMBERS = 6
"""The most of a rule."""


def optimizer_step(rule: Rule, moved: Sequence[Moved], clipvalue: float) -> bool:
    """See ``KernelSet``."""
    if not moved:
        return True
    dtype, table, factors = moved[0].param.dtype, list[int](), list[float]()
    grads = [np.ascontiguousarray(one.grad) for one in moved]
    for (param, _, slots, decay, scale), grad in zip(moved, grads, strict=True):
        arrays = [param, *(slots[name] for name in rule.slots)]
        for array in arrays:
            if array.dtype != dtype or not array.flags.carray:
                return False
        if grad.dtype != dtype:
            return False
        w, *places = map(address, arrays)
        table += (param.size, w, address(grad), *places, *NONE[len(places) :])
        factors += decay, scale
    numbers = struct.pack(f"{NUMBERS}d", *rule.numbers, *[0] * (NUMBERS - len(rule.numbers)))
    _step(
        dtype, RULES.index(rule.name), numbers, clipvalue, struct.pack(f"{len(table)}q", *table),
        struct.pack(f"{len(factors)}d", *factors), len(moved), threads_now(),
    )  # fmt: skip
    return True
