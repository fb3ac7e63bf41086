"""Calls of compiled functions that are noted, to be made again by the C page ``replay.c``."""

import ctypes
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from minicnn._core.shapes import Array, DType
from minicnn.kernels.capabilities import Recording
from minicnn.kernels.compiled.library import Loaded, current, loaded

SIGNATURES = ("aiaffaaaaaa", "aiaaaaaaa", "aaiiiffa", "aaaaaafiiaa", "aaaiiiiia", "iiiiiifaaaa")
"""In the order of replay.c."""

MOST_ARGUMENTS = 12


class Calls(Recording):
    """The calls within ``with calls:`` in this thread."""

    def __init__(self) -> None:
        self.complete = True
        self.library: Loaded | None = None
        self.rows: list[bytes] = []
        self.held: list[Any] = []
        self.table: Array | None = None

    def note(
        self, dtype: DType, function: Any, signature: str, given: Sequence[Any], made: Sequence[Any]
    ) -> None:
        """Note a call, with the arrays that it was given and with their addresses."""
        self.library = loaded(dtype.name)
        if signature not in SIGNATURES or self.library is None:
            self.complete = False
            return
        place = ctypes.cast(function, ctypes.c_void_p).value
        kinds = "".join("d" if kind == "f" else "q" for kind in signature)
        numbers = [0 if one is None else one for one in made]
        row = struct.pack(f"=qq{kinds}", place, SIGNATURES.index(signature), *numbers)
        self.rows.append(row.ljust(8 * (MOST_ARGUMENTS + 2), b"\0"))
        # A view is of a parameter's array or of the workspace's, which others hold.
        self.held += [one for one in given if isinstance(one, np.ndarray) and one.base is None]

    def replay(self) -> None:
        """See ``Recording``."""
        if not self.rows:
            return
        if self.table is None:
            assert self.library is not None
            self.function = self.library.library.replay_calls
            self.function.argtypes = [ctypes.c_void_p, ctypes.c_int64]
            self.function.restype = None
            self.table = np.frombuffer(bytearray(b"".join(self.rows)), np.uint8)
            self.place = self.table.ctypes.data
        self.function(self.place, len(self.rows))

    def __enter__(self) -> Self:
        self.before, current.calls = current.calls, self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        current.calls = self.before
