"""Arrays in files as sources of images: ``.npz``, ``.npy``, IDX, CIFAR, MATLAB and HDF5."""

import hashlib
import importlib.util
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn._files.archive import opened
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.idx import read_idx
from minicnn.data.axis_order import COLOURS, order_of, reshaped, transposition
from minicnn.data.hdf5 import load_hdf5
from minicnn.data.making.sources import Source, classes_of
from minicnn.errors import DataError, printable

PAIRS = (("x", "y"), ("images", "labels"), ("data", "labels"), ("x", "labels"), ("arr_0", "arr_1"))
"""What images and labels are called in files of several arrays, in lower case."""

CIFAR = 3 * 32 * 32
CIFAR_NAMES = {1: ("batches.meta.txt", 10), 2: ("fine_label_names.txt", 100)}
"""By the labels of an image: the file with the classes' names, and how many there are."""


def from_npz(path: Path, x_key: str | None, y_key: str | None) -> Source:
    """The arrays x_train, y_train, x_test and y_test of a ``.npz`` file, or x and y or the like.

    ``x_key`` and ``y_key`` name others.
    """
    with opened(path, ".npz", DataError) as archive:
        names = {
            name.removesuffix(".npy").lower(): name
            for name in archive.names
            if name.endswith(".npy")
        }

        def read(name: str) -> Array:
            with _plain(path, name):
                data = BytesIO(archive.read(names[name]))
                return np.asarray(np.lib.format.read_array(data, allow_pickle=False))

        whole = [(x, y) for x, y in PAIRS if x in names and y in names]
        divided = [
            (f"{x}_train", f"{y}_train", f"{x}_test", f"{y}_test")
            for x, y in PAIRS
            if f"{x}_train" in names and f"{y}_train" in names
        ]
        if x_key or y_key:
            divided, whole = [], [(str(x_key).lower(), str(y_key).lower())]
        found = [read(name) for name in (*divided, *whole, ())[0] if name in names]
    if len(found) not in (2, 4):
        there = ", ".join(sorted(names)[:8]) or "none"
        raise DataError(
            f"{path}: expected arrays x and y, or x_train, y_train, x_test and y_test, got {there}."
            " Name others with --x-key and --y-key (x_key=..., y_key=...)."
        )
    parts = None
    if len(found) == 4:
        if found[0].shape[1:] != found[2].shape[1:]:
            raise DataError(
                f"{path}: expected images of one shape, got {found[0].shape} and {found[2].shape}."
            )
        parts = np.repeat([0, 1], [len(found[0]), len(found[2])])
        for x, y in (found[:2], found[2:]):
            _check_count(path, x, y)
        answers = [_labels(path, y, len(x)) for x, y in (found[:2], found[2:])]
        found = [np.concatenate(found[::2]), np.array([*answers[0], *answers[1]])]
    return source_of(path, found[0], found[1], parts=parts)


def from_npy(path: Path, labels: Path | None) -> Source:
    """The array in a ``.npy`` file, with its labels in another one."""
    labels = labels or _beside(path, (("x", "y"), ("X", "y"), ("images", "labels")))
    return source_of(path, _npy(path), _npy(labels))


def from_idx(path: Path, labels: Path | None) -> Source:
    """The images in an IDX file, with its labels in another one."""
    labels = labels or _beside(path, (("images-idx3", "labels-idx1"), ("images", "labels")))
    return source_of(path, read_idx(path), read_idx(labels))


def _beside(path: Path, changes: tuple[tuple[str, str], ...]) -> Path:
    """The file of the labels, by its name."""
    for old, new in changes:
        beside = path.with_name(path.name.replace(old, new))
        if beside != path and beside.exists():
            return beside
    raise DataError(
        f"{path}: expected the labels in a file beside it, got none. Name it with --labels FILE "
        "(labels=...)."
    )


def _npy(path: Path) -> Array:
    regular_file_size(path, DataError)
    try:
        with _plain(path):
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
    except DataError:
        raise
    except Exception:  # ValueError, EOFError and others on bytes that make no sense
        found = None
    raise DataError(f"{path}: expected a .npy file of numbers, got another kind, or a damaged one.")


@contextmanager
def _plain(path: Path, name: str = "the array") -> Iterator[None]:
    """Raise ``DataError`` for an array of Python objects, to which NumPy says no."""
    try:
        yield
    except ValueError as error:
        if not any(word in str(error) for word in ("allow_pickle", "Python objects")):
            raise
        raise DataError(
            f"{path}: {name} holds Python objects, which are not read: they can run programs. "
            "Store it as numbers or texts, with a dtype of its own."
        ) from None


def from_cifar(path: Path) -> Source:
    """The images of CIFAR's binary format: a label, or a coarse and a fine one, and the pixels."""
    size = regular_file_size(path, DataError)
    data = np.fromfile(path, np.uint8)
    for labels, (name, classes) in CIFAR_NAMES.items():
        if size and size % (labels + CIFAR) == 0:
            rows = data.reshape(-1, labels + CIFAR)
            y = rows[:, labels - 1].astype(np.int64)
            if y.max() < classes:
                x = rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                return source_of(path, x, y, _lines(path.with_name(name), classes))
    raise DataError(
        f"{path}: expected images of 32 x 32 as CIFAR's binary files have, got another file."
    )


def _lines(path: Path, count: int) -> tuple[str, ...]:
    """The lines of a small text, if there are so many; else none."""
    try:
        text = path.read_bytes()[: 1 << 14].decode()
    except (OSError, UnicodeError):
        return ()
    names = [printable(line.strip()) for line in text.splitlines() if line.strip()]
    return tuple(names) if len(names) == len(set(names)) == count else ()


def from_hdf5(path: Path, x_key: str | None, y_key: str | None) -> Source:
    """The images and labels of an HDF5 file, or of one that MATLAB wrote with -v7.3."""
    data = load_hdf5(path, x_key, y_key)
    return source_of(path, data.x, data.y, data.class_names)


def from_mat(path: Path, x_key: str | None, y_key: str | None) -> Source:
    """The images and labels of an older file of MATLAB's, through SciPy."""
    if importlib.util.find_spec("scipy") is None:
        raise DataError(
            f"{path}: an old MATLAB file. Save it there with '-v7.3', or install SciPy, which "
            "reads it: pip install scipy"
        )
    from scipy.io import loadmat, whosmat

    budget = Budget(str(path), DataError, regular_file_size(path, DataError))
    try:
        listed = {name: shape for name, shape, kind in whosmat(path) if kind not in ("cell",)}
        x_key = x_key or _only(path, "images", [k for k, s in listed.items() if len(s) > 2])
        m = listed.get(x_key, (0,))
        fits = [k for k, s in listed.items() if k != x_key and math.prod(s) in m]
        y_key = y_key or _only(path, "labels", fits)
        for key in (x_key, y_key):
            budget.take(key, 8 * math.prod(listed.get(key, ())))
        found = loadmat(path, variable_names=[x_key, y_key])
        x, y = np.asarray(found[x_key]), np.asarray(found[y_key])
    except DataError:
        raise
    except KeyError:
        there = ", ".join(listed) or "nothing"
        raise DataError(f"{path}: expected {x_key!r} and {y_key!r}, got {there}.") from None
    except Exception:  # SciPy raises nearly any kind
        raise DataError(f"{path}: expected a MATLAB file, got a damaged one.") from None
    m = y.size if y.ndim == 1 or 1 in y.shape else len(y)
    if x.ndim == 3:
        x = x[..., None, :] if x.shape[-1] == m else x[..., None]
    if x.ndim == 4 and x.shape[0] != m == x.shape[-1]:
        x = x.transpose(3, 0, 1, 2)  # H x W x C x m is how MATLAB has them
    return source_of(path, x, y)


def _only(path: Path, what: str, names: list[str]) -> str:
    if len(names) != 1:
        key = "x" if what == "images" else "y"
        got = ", ".join(names) or "none"
        raise DataError(
            f"{path}: expected one array of {what}, got {got}. Name it with --{key}-key "
            f"({key}_key=...)."
        )
    return names[0]


def source_of(
    path: Path,
    x: Array,
    y: Array,
    class_names: tuple[str, ...] = (),
    parts: Array | None = None,
) -> Source:
    """Images and labels of a file as a source; raises ``DataError`` for those that are none."""
    _check_count(path, x, y)
    x = _bytes_of(path, x if x.ndim == 4 else x[..., None])
    labels = _labels(path, y, len(x))
    numbers, names = classes_of(labels)
    if class_names:
        numbers = np.array([int(label) for label in labels], np.int64)
        if numbers.min() < 0 or numbers.max() >= len(class_names):
            raise DataError(
                f"{path}: expected labels from 0 to {len(class_names) - 1}, got {numbers.max()}."
            )
        names = class_names
    status = os.stat(path)
    known = f"{path.name} {status.st_size} {status.st_mtime_ns} {x.shape}"
    state = hashlib.sha256(f"{known} {' '.join(labels)}".encode(errors="replace")).hexdigest()
    each = [f"{path.name}:{i}" for i in range(len(x))]
    return Source(each, numbers, names, state, x=x, parts=parts)


def _check_count(path: Path, x: Array, y: Array) -> None:
    if x.ndim not in (3, 4):
        call = reshaped(x.shape[1]) if x.ndim == 2 else ""
        remedy = f" Make images of the rows of pixels: {call}." if call else ""
        raise DataError(f"{path}: expected images (m, H, W, C), got shape {x.shape}.{remedy}")
    if order := order_of(x.shape, int(y.size) if y.ndim == 1 else None):
        raise DataError(
            f"{path}: expected images (m, H, W, C), got {x.shape}. Store {transposition(order)}."
        )
    if not x.size or (x.ndim == 4 and x.shape[3] not in COLOURS):
        raise DataError(
            f"{path}: expected images (m, H, W, C) with 1, 3 or 4 channels, got {x.shape}."
        )
    if len(x) != len(y) and len(x) != y.size:
        raise DataError(f"{path}: expected as many labels as images, got {y.size} for {len(x)}.")


def _bytes_of(path: Path, x: Array) -> Array:
    """Pixels uint8; others are changed, and it is said how."""
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind not in "biuf":
        raise DataError(f"{path}: expected images of numbers, got {x.dtype}.")
    low, high = float(x.min()), float(x.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"{path}: expected finite numbers in the images, got NaN or infinity.")
    scale = 255.0 if high <= 1 else 255 / 65535 if x.dtype == np.uint16 and high > 255 else 1.0
    if low < 0 or high * scale > 255:
        raise DataError(
            f"{path}: expected pixels from 0 to 255, or from 0 to 1, got {low:.4g} to {high:.4g}. "
            "Store them in one of these ranges."
        )
    if scale != 1 or x.dtype.kind == "f":
        warn(f"{path}: pixels from {low:.4g} to {high:.4g} were stored as bytes: x * {scale:.4g}.")
    made = np.empty(x.shape, np.uint8)
    for i, image in enumerate(x):
        made[i] = np.rint(image * scale)
    return made


def _labels(path: Path, y: Array, n: int) -> list[str]:
    """The labels as texts; one-hot rows are their numbers."""
    y = np.asarray(y)
    if y.ndim == 2 and 1 not in y.shape and len(y) == n:
        if not (((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(f"{path}: expected one-hot labels, a single 1 in each row, got others.")
        y = y.argmax(axis=1)
    y = y.reshape(-1)
    if len(y) != n:
        raise DataError(f"{path}: expected {n} labels, got shape {y.shape}.")
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.floor(y)).all()):
        raise DataError(f"{path}: expected labels as whole numbers, got others.")
    if y.dtype.kind in "biuf":
        return [str(int(label)) for label in y]
    if y.dtype.kind == "S":
        return [printable(label.decode(errors="replace")) for label in y.tolist()]
    if y.dtype.kind == "U":
        return [printable(label) for label in y.tolist()]
    raise DataError(f"{path}: expected labels as numbers or texts, got {y.dtype}.")
