"""Pickles from the net that hold arrays of bytes: read without running anything that they name.

A pickle is a program: it names functions, and what reads it calls them. Here the three names that
an array is written with stand for the small classes below, and any other name is refused.
"""

import pickle
from io import BytesIO
from typing import Any

import numpy as np

from minicnn.errors import MiniCNNError

BYTES = ("u1", b"u1")
"""What the dtype of bytes is called in a pickle."""


class _Name:
    """``numpy.ndarray``, which a pickle names and does not call."""

    def __init__(self, *arguments: Any) -> None:
        raise pickle.UnpicklingError

    __setstate__ = __init__


class _DType:
    """``numpy.dtype``, of which only that of bytes is known."""

    def __init__(self, name: Any, *others: Any) -> None:
        if name not in BYTES:
            raise pickle.UnpicklingError

    def __setstate__(self, state: Any) -> None:
        """The order of bytes and the like, which bytes do not have."""


class _Array:
    """``_reconstruct``: an empty array, which its shape and bytes come to afterwards."""

    def __init__(self, *arguments: Any) -> None:
        self.array: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, _, columns_first, data = state
        if not isinstance(data, bytes):
            raise pickle.UnpicklingError
        array = np.frombuffer(bytearray(data), np.uint8)
        self.array = array.reshape(shape, order="F" if columns_first else "C")


KNOWN: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Name,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
}


class _Unpickler(pickle.Unpickler):
    refused = ""

    def find_class(self, module: str, name: str) -> Any:
        """One of the classes above; nothing is imported."""
        if (module, name) not in KNOWN:
            self.refused = f"{module}.{name}"
            raise pickle.UnpicklingError
        return KNOWN[module, name]


def unpickled(who: str, data: bytes, error: type[MiniCNNError]) -> dict[str, Any]:
    """The dictionary of arrays of bytes, lists, numbers and texts that a pickle holds.

    Keys that are bytes, as Python 2 wrote them, become texts. Raises ``error`` for anything else.

    >>> unpickled("a", pickle.dumps({b"labels": [1, 2]}), MiniCNNError)
    {'labels': [1, 2]}
    >>> unpickled("a", pickle.dumps({"run": print}), MiniCNNError)
    Traceback (most recent call last):
    minicnn.errors.MiniCNNError: a: expected arrays and lists, got a pickle that names \
'builtins.print'. It was not run.
    """
    unpickler = _Unpickler(BytesIO(data), encoding="bytes")
    try:
        value = unpickler.load()
        return {
            key.decode() if isinstance(key, bytes) else str(key): (
                item.array if isinstance(item, _Array) else item
            )
            for key, item in value.items()
        }
    except Exception:  # a pickle without sense raises whatever it likes
        if unpickler.refused:
            raise error(
                f"{who}: expected arrays and lists, got a pickle that names "
                f"{unpickler.refused!r}. It was not run."
            ) from None
        raise error(f"{who}: expected a pickle of arrays and lists, got a damaged one.") from None
