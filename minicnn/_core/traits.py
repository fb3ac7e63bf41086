"""What a class promises of its passes, and who keeps the promise.

A promise that is declared on a class, such as ``additive = True``, holds for the passes that this
class has. A class derived from it that redefines one of them, and does not declare the promise
itself, has it no longer. The names of the passes are in the class's ``passes``.
"""

from typing import Any, TypeGuard, TypeVar

Kind = TypeVar("Kind")


def keeps(made: Any, trait: str) -> bool:
    """Whether an object keeps the promise of that name, by the rule above.

    >>> from minicnn import ReLU
    >>> class Renamed(ReLU):
    ...     "Only its name is another."
    >>> class Noisy(ReLU):
    ...     def forward(self, x, *, training=False, rng=None): ...
    >>> keeps(Renamed(), "additive"), keeps(Noisy(), "additive")
    (True, False)
    """
    for cls in type(made).__mro__:
        if trait in vars(cls):
            return bool(getattr(made, trait))
        if _has_passes(made, cls):
            return False
    return False


def computes_as(made: Any, parent: type[Kind]) -> TypeGuard[Kind]:
    """Whether an object is of that class, or of one derived from it with the very same passes."""
    for cls in type(made).__mro__:
        if cls is parent:
            return True
        if _has_passes(made, cls):
            return False
    return False


def _has_passes(made: Any, cls: type) -> bool:
    """Whether a class among the parents of an object defines any of its passes."""
    passes: frozenset[str] = getattr(type(made), "passes", frozenset())
    return not passes.isdisjoint(vars(cls))
