"""The libraries of compiled kernels, one for each dtype: found or built when a kernel of that dtype
is first asked for, and called.
"""

import ctypes
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy import ascontiguousarray, ndarray

from minicnn._core.console import say
from minicnn._core.shapes import Array, DType
from minicnn._parallel.threads import threads_now
from minicnn.errors import MiniCNNError

if TYPE_CHECKING:
    from minicnn.kernels.compiled.compilers import Compiler

__all__ = [
    "Function",
    "Loaded",
    "compiler_version",
    "current",
    "loaded",
    "plain",
    "threads_now",
    "use",
    "why_not",
]

KINDS = {"a": ctypes.c_void_p, "i": ctypes.c_int64, "f": ctypes.c_double}


class Loaded(NamedTuple):
    """A library of this process."""

    library: ctypes.CDLL
    path: Path
    compiler: "Compiler | None"
    seconds: float | None
    """How long it took to build; None if it was kept from before."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What it was compiled with."""
        from minicnn.kernels.compiled import building

        return building.flags_of(self.compiler) if self.compiler else ()


class _State:
    """What is known in this process: the library of each dtype, or why there is none."""

    def __init__(self) -> None:
        self.loaded: dict[str, Loaded] = {}
        self.failure: dict[str, str] = {}
        self.said = False
        self.lock = threading.RLock()

    def after_fork(self) -> None:
        """A thread that was at it is not in the child."""
        self.lock = threading.RLock()


class _Current(threading.local):
    """Of a thread what notes the calls that it makes, if anything does (``recording.Calls``)."""

    calls: Any = None
    moments: Any = None


_state, current = _State(), _Current()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_state.after_fork)


def loaded(dtype: str = "float32") -> Loaded | None:
    """The library of a dtype, or None, and then it is said once why."""
    found = _state.loaded.get(dtype)
    if found is None and not _state.said:
        failure = why_not(dtype)
        with _state.lock:
            if failure and not _state.said:
                _state.said = True
                say(f"minicnn: {failure}", error=True)
        return _state.loaded.get(dtype)
    return found


def why_not(dtype: str = "float32") -> str:
    """Why there is no library, and the remedy; "" if there is one.

    What is found out first holds for the process.
    """
    with _state.lock:
        if dtype not in _state.loaded and dtype not in _state.failure:
            found = _load(dtype)
            if isinstance(found, Loaded):
                _state.loaded[dtype] = found
            else:
                _state.failure[dtype] = found
        return _state.failure.get(dtype, "")


def compiler_version() -> str | None:
    """The compiler of the library that was loaded, if one was."""
    found = next(iter(_state.loaded.values()), None)
    return found.compiler.version if found and found.compiler else None


def use(path: Path) -> None:
    """Take that library, and no other, untested: for tests of libraries."""
    found = Loaded(ctypes.CDLL(str(path)), path, None, None)
    _state.loaded = dict.fromkeys(("float32", "float64"), found)


def _load(dtype: str) -> Loaded | str:
    """The library of the first compiler that makes one, or why there is none."""
    from minicnn.kernels.compiled import cache, compilers, trial

    problems = []
    for command in compilers.candidates():
        try:
            compiler = compilers.identify(command)
            kept = cache.library(compiler, dtype, trial.require)
            return Loaded(ctypes.CDLL(str(kept.path)), kept.path, compiler, kept.seconds)
        except (compilers.Failed, OSError) as error:
            problems.append(str(error).rstrip("."))
    if problems:
        why = f"the kernels cannot be compiled ({'; '.join(problems)})"
    else:
        why = f"no C compiler ({', '.join(compilers.NAMES)})"
    remedy = 'pip install "minicnn[compiler]" brings one.'
    return f"{why}: NumPy computes, more slowly. {remedy}"


class Function:
    """A function of the library, for float32 and float64.

    ``signature`` has a letter for each argument: a for an array or None, i for a whole number, f
    for a number; so has ``result``, where it is not nothing.
    """

    def __init__(self, name: str, signature: str, result: str = "") -> None:
        self.name = name
        self.signature = signature
        self.arguments = [KINDS[letter] for letter in signature]
        self.result = KINDS[result] if result else None
        self.found: dict[int, Any] = {}

    def __call__(self, dtype: DType, *arguments: Any) -> Any:
        """Call it, with arrays in C's order that are of its dtype."""
        function = self.found.get(dtype.num) or self._look_up(dtype)
        made = [address(a) if isinstance(a, ndarray) else a for a in arguments]
        if current.calls is not None and self.result is None:
            current.calls.note(dtype, function, self.signature, arguments, made)
        return function(*made)

    def _look_up(self, dtype: DType) -> Any:
        found = loaded(dtype.name)
        if found is None:
            raise MiniCNNError(f"compiled kernels: {why_not(dtype.name)}")
        suffix = {"float32": "f32", "float64": "f64"}[dtype.name]
        function = getattr(found.library, f"{self.name}_{suffix}")
        function.argtypes, function.restype = self.arguments, self.result
        self.found[dtype.num] = function
        return function


def address(array: Array) -> int:
    """Where an array's numbers are.

    >>> x = np.zeros(3)
    >>> address(x) == x.ctypes.data
    True
    """
    try:  # a quarter of the time; not for arrays that are empty or may not be written to
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return int(array.__array_interface__["data"][0])


def plain(array: Array, dtype: Any = None) -> Array:
    """The array as C reads it, row after row, of whole numbers' addresses; a copy where it is not.

    >>> plain(np.arange(6.0).reshape(2, 3).T).tolist()
    [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    """
    if dtype is None and not array.dtype.isnative:
        dtype = array.dtype.newbyteorder("=")
    found = ascontiguousarray(array, dtype)
    if not found.flags.aligned:
        found = array.copy()
    if found is not array and current.calls is not None:
        current.calls.complete = False
    return found
