"""Images and labels from HDF5 files in the course's layout.

``train_signs.h5`` holds ``train_set_x`` (m, 64, 64, 3) uint8, ``train_set_y`` (m,)
and ``list_classes``; the test files likewise. Other names can be given.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array, DType, Shape
from minicnn._core.suggestions import did_you_mean
from minicnn._files import hdf5
from minicnn._files.paths import path_of
from minicnn.data.arrays import Dataset
from minicnn.data.axis_order import COLOURS, ORDERS, order_of, reshaped, transposition
from minicnn.errors import DataError, printable

KINDS = {
    ".keras": "Read a model with load_model",
    ".mat": "Save it in MATLAB with '-v7.3', or read it with scipy.io.loadmat",
    **dict.fromkeys((".npy", ".npz"), "Read it with np.load, and give fit the arrays"),
    **dict.fromkeys((".csv", ".txt"), "Read it with np.loadtxt, and give fit the arrays"),
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".gif", ".bmp"),
        "Pictures are read with minicnn.data.images.load_image",
    ),
}
"""The remedy for files that something else reads, by the ending of their names."""

AT_ONCE = 1 << 22
"""Bytes of images that are looked at together."""

LARGEST_LABEL = 2**53
"""The largest whole number below which double precision holds all."""


def load_hdf5(
    path: str | os.PathLike[str], x_key: str | None = None, y_key: str | None = None
) -> Dataset:
    """Read the images and labels of an HDF5 file.

    Images are the dataset ``x_key``, or the one whose name ends in ``_set_x``: (m, H, W, C) or (m,
    H, W), uint8 or floating point, and keep their dtype. Labels are ``y_key``, or ``*_set_y``:
    class numbers or names (m,), (1, m) or (m, 1), or one-hot (m, classes). ``list_classes``, if it
    is there, holds the classes' names as bytes or numbers; else those that labels name are in
    alphanumeric order. Arrays that MATLAB wrote (-v7.3) are put in order, with a warning. Raises
    ``DataError`` with one line that says what is wrong with the file.

    >>> train = load_hdf5("datasets/train_signs.h5")  # doctest: +SKIP
    >>> train.x.shape, train.class_names  # doctest: +SKIP
    ((1080, 64, 64, 3), ('0', '1', '2', '3', '4', '5'))
    """
    path = path_of("load_hdf5", "path", path, DataError)
    check_kind(path)
    with hdf5.opened(path, DataError, attributes=False) as file:
        keys = keys_of(path, file, x_key, y_key)
        x = file.read(keys[0])
        answers = Answers.read(path, file, *keys)
        _take_memory(file, keys[0], x, answers.turned)
    who = f"{path}: {keys[0]}"
    x = _images(who, in_order(who, x, count_of(answers.y, len(x)), answers.turned))
    return Dataset(x, *answers.checked(len(x)), path.name)


def load_images(path: str | os.PathLike[str], x_key: str | None = None) -> Array:
    """Read the images of an HDF5 file that need have no labels; see ``load_hdf5``."""
    path = path_of("load_images", "path", path, DataError)
    check_kind(path)
    with hdf5.opened(path, DataError, attributes=False) as file:
        x_key = key_of(path, file, x_key, "_set_x", "x_key")
        x, turned = file.read(x_key), file.datasets[x_key].matlab
        _take_memory(file, x_key, x, turned)
    x = _images(f"{path}: {x_key}", in_order(f"{path}: {x_key}", x, None, turned))
    if turned:
        warn(f"{path}: {x_key} has its axes as MATLAB writes them, and was put in order.")
    return x


class Answers(NamedTuple):
    """The labels and the names of the classes, as a file has them."""

    path: Path
    x_key: str
    y_key: str
    y: Array
    names: Array | None
    turned: bool
    """Whether MATLAB wrote the images."""

    @classmethod
    def read(cls, path: Path, file: hdf5.File, x_key: str, y_key: str) -> "Answers":
        """Those that go with the images ``x_key``."""
        y = file.read(y_key, text=True)
        names = file.read("list_classes", text=True) if "list_classes" in file.datasets else None
        if y.dtype.kind == "O":
            y, names = numbered(f"{path}: {y_key}", y, names)
        # Labels become whole numbers, and names texts.
        file.budget.take(f"dataset {y_key!r}", 16 * y.size)
        if names is not None:
            file.budget.take("dataset 'list_classes'", 100 * names.size)
            letters = sum(len(str(name)) for name in names.flat)
            file.budget.take("dataset 'list_classes'", 32 * letters)
        y = y.T if file.datasets[y_key].matlab else y
        return cls(path, x_key, y_key, y, names, file.datasets[x_key].matlab)

    def checked(self, images: int) -> tuple[Array, tuple[str, ...]]:
        """(class numbers (m,), their names), for so many images; warns of images put in order."""
        who = f"{self.path}: {self.y_key}"
        y = _labels(who, self.y, images)
        if self.turned:
            first = f" Its labels, {self.y_key}, count from 1: y - 1 counts from 0."
            warn(
                f"{self.path}: {self.x_key} has its axes as MATLAB writes them, and was put in "
                f"order.{first * bool(y.min() == 1)}"
            )
        texts = () if self.names is None else tuple(map(_text, self.names.reshape(-1)))
        _check_range(who, y, len(texts))
        return y, texts


def _take_memory(file: hdf5.File, x_key: str, x: Array, turned: bool) -> None:
    """Take the memory for a mask and an ordered copy of the images from the file's budget."""
    file.budget.take(f"dataset {x_key!r}", x.size * (x.dtype.kind == "f") + x.nbytes * turned)


def check_kind(path: Path) -> None:
    """Raise ``DataError`` for a file that something else reads."""
    remedy = KINDS.get(path.suffix.lower())
    if remedy is None:
        return
    hdf5.regular_file_size(path, DataError)
    with path.open("rb") as file:
        start = file.read(8)
    if not start.startswith((b"\x89HDF", b"MATLAB 7")):
        raise DataError(f"{path}: expected an HDF5 file, got another. {remedy}.")


def keys_of(path: Path, file: hdf5.File, x_key: str | None, y_key: str | None) -> tuple[str, str]:
    """The datasets of the images and of the labels."""
    found = key_of(path, file, x_key, "_set_x", "x_key")
    return found, key_of(path, file, y_key, "_set_y", "y_key")


def key_of(path: Path, file: hdf5.File, wanted: str | None, ending: str, argument: str) -> str:
    """The name of a dataset: the one that was asked for, or the one that ends so."""
    names = list(file.datasets)
    there = _listed(names) or "no datasets"
    if wanted is not None:
        if not isinstance(wanted, str):
            raise DataError(f"{path}: expected {argument} as text, got {wanted!r:.60}.")
        if wanted.strip("/") not in names:
            near = did_you_mean(wanted, names)
            raise DataError(f"{path}: expected a dataset {wanted!r}, got {there}.{near}")
        return wanted.strip("/")
    found = [name for name in names if name.endswith(ending) and "/" not in name]
    if len(found) != 1:
        count = "two or more" if found else "none"
        raise DataError(
            f"{path}: expected one dataset named *{ending}, got {count} ({there}). "
            f"Name it with {argument} (--{argument.replace('_', '-')})."
        )
    return found[0]


def _listed(names: list[str]) -> str:
    """Names for an error, which may come from a stranger: a few of them, each cut short."""
    shown = [f"{name:.40}" if name.isprintable() else ascii(name)[:40] for name in names[:8]]
    return ", ".join(shown) + f" and {len(names) - 8} more" * (len(names) > 8)


def count_of(y: Array, images: int) -> int | None:
    """The number of labels, or None if they may be one-hot."""
    plain = y.ndim == 1 or (y.ndim == 2 and 1 in y.shape and images not in y.shape)
    return int(y.size) if plain else None


def in_order(who: str, x: Array, m: int | None, turned: bool) -> Array:
    """Images as (m, H, W, C); raises ``DataError`` for those in another order."""
    if turned and x.ndim == 3 and m == 1 and x.shape[0] in COLOURS:
        return np.ascontiguousarray(x.T[None])
    axes = axes_in_order(who, x.shape, m, turned)
    if not turned or axes[0]:
        return np.ascontiguousarray(x.transpose(axes)) if turned else x
    y = x.reshape([x.shape[axis] for axis in axes])
    for i in range(len(x)):  # each in its own place: there is no room for all of them twice
        y[i] = x[i].transpose([axis - 1 for axis in axes[1:]]).copy()
    return y


def axes_in_order(who: str, shape: Shape, m: int | None, turned: bool) -> tuple[int, ...]:
    """The axes of a file's images as (m, H, W, C) or (m, H, W); raises ``DataError``.

    For images that MATLAB wrote (``turned``) the order is known: HDF5 has its axes reversed.
    """
    if not turned:
        _check_order(who, shape, m)
        return tuple(range(len(shape)))
    seen = shape[::-1]
    if len(seen) == 4 and m in (None, seen[3]) and seen[2] in COLOURS:
        return 0, 3, 2, 1
    if len(seen) == 3 and m in (None, seen[2]):
        return 0, 2, 1
    if len(seen) in (3, 4) and m in (None, seen[0]) and (len(seen) == 3 or seen[3] in COLOURS):
        return tuple(range(len(shape)))[::-1]
    raise DataError(
        f"{who}: expected images that were H x W x C x m in MATLAB, or m x H x W x C, got {seen}. "
        "Put them in order there, with permute or reshape."
    )


def _check_order(who: str, shape: Shape, m: int | None) -> None:
    """Raise ``DataError`` for images in another order, as far as shapes tell."""
    remedy, order = "", order_of(shape, m) if len(shape) in (3, 4) else None
    if order is not None:
        remedy = f"Store {transposition(order)}"
        if order == ORDERS[0]:  # then height and width may be exchanged as well
            remedy += ", or x.transpose(0, 3, 2, 1) if MATLAB, Julia or R wrote it"
    elif len(shape) == 3 and m == 1 != shape[0]:
        remedy = "Store one image as x[None]"
    elif len(shape) == 2 and (call := reshaped(shape[1])):
        remedy = f"Store rows of pixels as images: {call}"
    elif len(shape) == 2 and m == shape[1] and (call := reshaped(shape[0])):
        remedy = f"Store rows of pixels as images: {call.replace('x.', 'x.T.', 1)}"
    if remedy:
        raise DataError(f"{who}: expected images of shape (m, H, W, C), got {shape}. {remedy}.")


def _images(who: str, x: Array) -> Array:
    if x.ndim == 3:
        x = x[..., None]
    whole = x.dtype.kind in "iu" and x.dtype != np.uint8 and x.size
    check_images(who, x.shape, x.dtype, (int(x.min()), int(x.max())) if whole else None)
    check_finite(who, x, 0)
    return x


def check_images(
    who: str, shape: Shape, dtype: DType, reach: tuple[int, int] | None = None
) -> None:
    """Raise ``DataError`` unless these are images (m, H, W, C); ``reach``: their numbers."""
    if len(shape) != 4:
        raise DataError(f"{who}: expected images of shape (m, H, W, C), got {shape}.")
    if 0 in shape:
        raise DataError(f"{who}: expected images, got none (shape {shape}).")
    if dtype != np.uint8 and dtype.kind != "f":
        low, high = reach or (0, 65535 if dtype == np.uint16 else 255)
        remedy = "x.astype('uint8')"
        if dtype.kind == "b":
            remedy = "255 * x.astype('uint8')"
        elif low < 0 or high > 65535 or (reach is None and dtype != np.uint16):
            remedy = "numbers from 0 to 255, as uint8"
        elif high > 255:
            remedy = "(x // 257).astype('uint8')"
        so_far = "" if reach is None else f" from {low} to {high}"
        raise DataError(
            f"{who}: expected uint8 or floating-point images, got {dtype}{so_far}. Store {remedy}."
        )


def check_finite(who: str, x: Array, first: int) -> None:
    """Raise ``DataError`` if a number is none; ``first`` is the number of the first image."""
    step = max(1, AT_ONCE // max(1, x[:1].nbytes))
    for start in range(0, len(x) if x.dtype.kind == "f" else 0, step):
        finite = np.isfinite(x[start : start + step]).all(axis=(1, 2, 3))
        if not finite.all():
            broken = first + start + int(np.argmin(finite))
            raise DataError(
                f"{who}: expected finite numbers, got NaN or infinity in image {broken}."
            )


def numbered(who: str, y: Array, names: Array | None) -> tuple[Array, Array]:
    """Labels that are texts as numbers, and the names of the classes, as given or in order."""
    texts = np.array([_text(label) for label in y.flat], object).reshape(y.shape)
    if names is None:
        found, numbers = np.unique(texts.reshape(-1), return_inverse=True)
        return numbers.reshape(y.shape), found
    known = {_text(name): i for i, name in enumerate(names.flat)}
    unknown = [label for label in texts.flat if label not in known]
    if unknown:
        raise DataError(
            f"{who}: expected labels that list_classes has, got {unknown[0]!r:.60}. It has "
            f"{_listed(list(known))}."
        )
    return np.array([known[label] for label in texts.flat], np.int64).reshape(y.shape), names


def _labels(who: str, y: Array, images: int) -> Array:
    # (1, 6) is one one-hot row beside one image, and six labels beside six.
    one_hot = y.ndim == 2 and (1 not in y.shape or len(y) == images != y.size)
    if y.ndim not in (1, 2):
        raise DataError(f"{who}: expected labels of shape (m,), (1, m) or one-hot, got {y.shape}.")
    count = len(y) if one_hot else y.size
    if count != images:
        remedy = " Store one-hot labels as rows: y.T." * (one_hot and y.shape[1] == images)
        raise DataError(
            f"{who}: expected {images} labels, as many as there are images, got {count}.{remedy}"
        )
    if one_hot:
        if not (((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(f"{who}: expected one-hot rows, a single 1 in each, got others.")
        return np.asarray(y.argmax(axis=1), dtype=np.int64)
    y = y.reshape(-1)
    wrong = ~(np.isfinite(y) & (y == np.floor(y)))
    if wrong.any():
        raise DataError(f"{who}: expected labels as whole numbers, got {y[wrong][0]}.")
    y = y.astype(np.float64) if y.dtype.kind == "f" else y
    if y.dtype.kind in "fu" and y.size and y.max() > LARGEST_LABEL:
        raise DataError(f"{who}: expected small whole numbers, got {y.max():.3g}.")
    return y.astype(np.int64)


def _check_range(who: str, y: Array, classes: int) -> None:
    # Without names the largest label gives the number of classes, so it must not be a slip.
    limit = classes or max(1000, len(y))
    wrong = (y < 0) | (y >= limit)
    if wrong.any():
        why = f"as there are {classes} classes" if classes else "without list_classes"
        bounds = f"from 0 to {limit - 1}, {why}"
        remedy = " Count the classes from 0: y - 1." if y.min() == 1 else ""
        raise DataError(f"{who}: expected labels {bounds}, got {y[wrong][0]}.{remedy}")


def _text(name: Any) -> str:
    return printable(" ".join(str(name).split()))
