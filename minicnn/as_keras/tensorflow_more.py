"""More of TensorFlow's functions, found by their paths: texts, files, checks, event files."""

import glob
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.random_seed import generator
from minicnn._files import event_file
from minicnn.as_keras.tensors import tensor
from minicnn.errors import ConfigError, shown

__all__ = ["FOUND"]

SAME = """
    acos=arccos acosh=arccosh asin=arcsin asinh=arcsinh atan=arctan atan2=arctan2 atanh=arctanh
    broadcast_to cos cosh sin sinh tan floor floordiv=floor_divide floormod=mod mod negative roll
    reverse=flip fill=full truediv=true_divide realdiv=true_divide searchsorted histogram=histogram
    is_finite=isfinite is_inf=isinf logical_xor cumprod expm1 reduce_variance=var rint
    reciprocal bincount add_n=sum tensordot trace diag inv det norm qr svd eigh solve matrix_rank
    """
"""Functions of TensorFlow's, and those of NumPy's that do the same, where the name is another."""


def _numpy(name: str) -> Any:
    function = getattr(np, name, None) or getattr(np.linalg, name)

    def call(*arguments: Any, **options: Any) -> Any:
        options.pop("name", None)
        if name == "sum":
            return tensor(np.sum(np.stack(arguments[0]), axis=0))
        return tensor(function(*arguments, **options))

    call.__name__ = name
    return call


def divide_no_nan(x: Any, y: Any, name: Any = None) -> Any:
    """x / y, and 0 where y is 0."""
    x, y = np.broadcast_arrays(np.asarray(x), np.asarray(y))
    return tensor(np.divide(x, y, out=np.zeros(x.shape, np.result_type(x, y, "f4")), where=y != 0))


def top_k(input: Any, k: int = 1, sorted: bool = True, name: Any = None) -> Any:
    """(the k largest along the last axis, their places)."""
    x = np.asarray(input)
    places = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return tensor(np.take_along_axis(x, places, -1)), tensor(places.astype(np.int32))


def squared_difference(x: Any, y: Any, name: Any = None) -> Any:
    """(x - y)^2."""
    return tensor(np.square(np.subtract(x, y)))


def _clip_by_norm(t: Any, clip_norm: float, axes: Any = None, name: Any = None) -> Any:
    norm = np.sqrt(np.sum(np.square(t), axis=axes and tuple(axes), keepdims=True))
    return tensor(np.asarray(t) * np.minimum(1, clip_norm / np.maximum(norm, 1e-12)))


def _rsqrt(x: Any, name: Any = None) -> Any:
    return tensor(1 / np.sqrt(np.asarray(x)))


def map_structure(function: Callable[..., Any], *structures: Any) -> Any:
    """The function of each part of lists, tuples and dictionaries."""
    first = structures[0]
    if isinstance(first, dict):
        return {key: map_structure(function, *(one[key] for one in structures)) for key in first}
    if isinstance(first, list | tuple):
        parts = zip(*structures, strict=True)
        return type(first)(map_structure(function, *part) for part in parts)
    return function(*structures)


def flatten(structure: Any) -> list[Any]:
    """All parts of lists, tuples and dictionaries, in one list."""
    if isinstance(structure, dict):
        structure = [structure[key] for key in sorted(structure)]
    if not isinstance(structure, list | tuple):
        return [structure]
    return [leaf for part in structure for leaf in flatten(part)]


# Checks ----------------------------------------------------------------------------------


def _check(name: str, holds: Callable[..., Any]) -> Any:
    def check(x: Any, *others: Any, message: str | None = None, **_: Any) -> None:
        if not np.all(holds(np.asarray(x), *others)):
            given = ", ".join(map(shown, (x, *others)))
            raise ConfigError(f"tensorflow.debugging.{name}: {message or f'not so of {given}'}.")

    return check


def _check_numerics(tensor: Any, message: str = "", name: Any = None) -> Any:
    if not np.isfinite(np.asarray(tensor)).all():
        raise ConfigError(f"tensorflow.debugging.check_numerics: {message or 'not a number'}.")
    return tensor


CHECKS: dict[str, Callable[..., Any]] = {
    "equal": lambda x, y: x == y,
    "none_equal": lambda x, y: x != y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "positive": lambda x: x > 0,
    "negative": lambda x: x < 0,
    "non_negative": lambda x: x >= 0,
    "non_positive": lambda x: x <= 0,
    "near": lambda x, y, *more: np.isclose(x, y, rtol=1e-5, atol=1e-5),
    "rank": lambda x, rank: x.ndim == rank,
    "rank_at_least": lambda x, rank: x.ndim >= rank,
    "rank_in": lambda x, ranks: x.ndim in ranks,
    "scalar": lambda x: x.ndim == 0,
    "integer": lambda x: x.dtype.kind in "iu",
    "type": lambda x, dtype: x.dtype == dtype,
    "all_finite": lambda x, *message: np.isfinite(x),
}


# Texts -----------------------------------------------------------------------------------


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) and not value.ndim else value
    return value.decode() if isinstance(value, bytes) else str(value)


def _each(function: Callable[[str], Any]) -> Any:
    """The function of each text of an array, or of the one text that there is."""

    def call(input: Any, *_: Any, **__: Any) -> Any:
        array = np.asarray(input)
        made = [function(_text(one)) for one in array.reshape(-1)]
        return tensor(np.array(made).reshape(array.shape))

    return call


def regex_replace(input: Any, pattern: Any, rewrite: Any, replace_global: bool = True) -> Any:
    """The texts with what matches replaced."""
    count = 0 if replace_global else 1
    return _each(lambda one: re.sub(_text(pattern), _text(rewrite), one, count=count))(input)


def regex_full_match(input: Any, pattern: Any) -> Any:
    """Whether each text matches as a whole."""
    return _each(lambda one: re.fullmatch(_text(pattern), one) is not None)(input)


def join(inputs: Any, separator: str = "", name: Any = None) -> Any:
    """One text of several."""
    return tensor(np.array(separator.join(map(_text, inputs))))


def substr(input: Any, pos: int, len: int) -> Any:
    """A part of each text."""
    return _each(lambda one: one[pos : pos + len])(input)


def to_number(input: Any, out_type: Any = np.float32) -> Any:
    """The numbers that the texts are."""
    return tensor(np.asarray(_each(float)(input)).astype(out_type))


# Files -----------------------------------------------------------------------------------


def write_file(filename: Any, contents: Any) -> None:
    """Write the bytes."""
    data = contents.item() if isinstance(contents, np.ndarray) else contents
    path = Path(_text(filename))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def _copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    if Path(dst).exists() and not overwrite:
        raise ConfigError(f"tensorflow.io.gfile.copy: expected a new path, got {dst}.")
    shutil.copy(src, dst)


def _glob(pattern: Any) -> list[str]:
    patterns = pattern if isinstance(pattern, list | tuple) else [pattern]
    return sorted(path for one in patterns for path in glob.glob(_text(one)))


# Event files -----------------------------------------------------------------------------


class Writer:
    """A file for TensorBoard, which ``tf.summary.scalar`` and its like write to."""

    current: "Writer | None" = None

    def __init__(self, logdir: Any, **_: Any) -> None:
        self.file = event_file.EventFile(Path(_text(logdir)))

    @contextmanager
    def as_default(self, step: int | None = None) -> Iterator["Writer"]:
        """Write to it in this block."""
        before, Writer.current = Writer.current, self
        try:
            yield self
        finally:
            Writer.current = before

    def set_as_default(self, step: int | None = None) -> None:
        """Write to it from now on."""
        Writer.current = self

    def flush(self) -> None:
        """Nothing: what is written is in the file."""

    close = flush


def _summarize(write: Callable[..., bytes]) -> Any:
    def summary(name: str, data: Any, step: Any = 0, **options: Any) -> bool:
        if Writer.current is None:
            return False
        Writer.current.file.add(int(step or 0), write(name, data, **options))
        return True

    return summary


def _images(name: str, data: Any, max_outputs: int = 3, **_: Any) -> bytes:
    from minicnn.as_keras.tensorflow_image import encode_png

    pictures = np.asarray(data)[:max_outputs]
    if pictures.dtype != np.uint8:
        pictures = (np.clip(pictures, 0, 1) * 255.999).astype(np.uint8)
    pngs = [encode_png(picture).item() for picture in pictures]
    return event_file.images(name, pictures.shape[2], pictures.shape[1], pngs)


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _as_it_is(func: Any = None, *_: Any, **__: Any) -> Any:
    return func if func is not None else lambda given: given


class _Error(Exception):
    """An error of TensorFlow's, which nothing here raises."""


def _stateless(name: str) -> Any:
    """A drawing of numbers that ``seed`` alone decides, which are not TensorFlow's own."""

    def draw(shape: Any, seed: Any, *limits: Any, dtype: Any = np.float32, **options: Any) -> Any:
        chance = np.random.default_rng([abs(int(one)) for one in np.ravel(seed)])
        low, high = [*limits, *options.values()][:2] or (0, 1)
        drawn = chance.normal if name == "normal" else chance.uniform
        return tensor(np.asarray(drawn(low, high, tuple(shape))).astype(dtype))

    return draw


def _gamma(shape: Any, alpha: Any, beta: Any = 1.0, **_: Any) -> Any:
    return tensor(generator(None).gamma(alpha, 1 / beta, tuple(shape)).astype(np.float32))


def _found() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in SAME.split():
        name, _, theirs = entry.partition("=")
        for path in (name, f"math.{name}", f"linalg.{name}"):
            found[path] = partial(_numpy, theirs or name)
    made: dict[str, Any] = {
        "autograph.experimental.do_not_convert": _as_it_is,
        "autograph.set_verbosity": _nothing,
        "clip_by_norm": _clip_by_norm,
        "custom_gradient": _as_it_is,
        "ensure_shape": lambda x, shape, name=None: x,
        "math.divide_no_nan": divide_no_nan,
        "math.squared_difference": squared_difference,
        "math.top_k": top_k,
        "math.rsqrt": _rsqrt,
        "nest.flatten": flatten,
        "nest.map_structure": map_structure,
        "no_op": _nothing,
        "random.gamma": _gamma,
        "random.stateless_normal": _stateless("normal"),
        "random.stateless_uniform": _stateless("uniform"),
        "squared_difference": squared_difference,
        "strings.as_string": _each(str),
        "strings.join": join,
        "strings.length": _each(len),
        "strings.lower": _each(str.lower),
        "strings.regex_full_match": regex_full_match,
        "strings.regex_replace": regex_replace,
        "strings.strip": _each(str.strip),
        "strings.substr": substr,
        "strings.to_number": to_number,
        "strings.upper": _each(str.upper),
        "io.matching_files": lambda pattern: tensor(np.array(_glob(pattern))),
        "io.write_file": write_file,
        "summary.create_file_writer": Writer,
        "summary.histogram": _summarize(
            lambda name, data, **_: event_file.histogram(name, np.ravel(data))
        ),
        "summary.image": _summarize(_images),
        "summary.scalar": _summarize(lambda name, data, **_: event_file.scalar(name, float(data))),
        "summary.text": _summarize(
            lambda name, data, **_: event_file.text(name, "text", _text(data))
        ),
        "debugging.check_numerics": _check_numerics,
    }  # fmt: skip
    for name in ("flush", "trace_on", "trace_off", "trace_export"):
        made[f"summary.{name}"] = _nothing
    for name in ("set_log_device_placement", "enable_check_numerics", "disable_check_numerics",
                 "disable_traceback_filtering", "enable_traceback_filtering"):  # fmt: skip
        made[f"debugging.{name}"] = _nothing
    for name, holds in CHECKS.items():
        made[f"debugging.assert_{name}"] = _check(f"assert_{name}", holds)
        made[f"assert_{name}"] = made[f"debugging.assert_{name}"]
    files: dict[str, Any] = {
        "GFile": open,
        "copy": _copy,
        "exists": os.path.exists,
        "glob": _glob,
        "isdir": os.path.isdir,
        "listdir": os.listdir,
        "makedirs": partial(os.makedirs, exist_ok=True),
        "mkdir": os.mkdir,
        "remove": os.remove,
        "rename": os.rename,
        "rmtree": shutil.rmtree,
    }
    for place in ("io.gfile", "gfile"):
        made |= {f"{place}.{name}": value for name, value in files.items()}
    for name in ("InvalidArgumentError", "NotFoundError", "OpError", "OutOfRangeError",
                 "ResourceExhaustedError", "UnavailableError"):  # fmt: skip
        made[f"errors.{name}"] = _Error
    return found | {path: partial(_same, value) for path, value in made.items()}


def _same(value: Any) -> Any:
    return value


FOUND: dict[str, Callable[[], Any]] = _found()
"""Paths within TensorFlow, and what gives what is there."""
