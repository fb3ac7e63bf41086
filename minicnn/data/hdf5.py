"""Images and labels from HDF5 files in the course's layout.

``train_signs.h5`` holds ``train_set_x`` (m, 64, 64, 3) uint8, ``train_set_y`` (m,)
and ``list_classes``; the test files likewise. Other names can be given.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.data.arrays import Dataset
from minicnn.errors import DataError
from minicnn.files import hdf5
from minicnn.shapes import Array

LARGEST_LABEL = 2**53
"""Up to here each whole number is one in double precision."""


def load_hdf5(
    path: str | os.PathLike[str], x_key: str | None = None, y_key: str | None = None
) -> Dataset:
    """Read the images and labels of an HDF5 file.

    Images are the dataset ``x_key``, or the one whose name ends in ``_set_x``: (m, H,
    W, C) or (m, H, W), uint8 or floating point, and stay what they are. Labels are
    ``y_key``, or ``*_set_y``: class numbers (m,), (1, m) or (m, 1), or one-hot (m,
    classes). ``list_classes``, if it is there, holds the names as bytes or numbers.
    Raises ``DataError`` with one line that says what is wrong with the file.

    >>> train = load_hdf5("datasets/train_signs.h5")  # doctest: +SKIP
    >>> train.x.shape, train.class_names  # doctest: +SKIP
    ((1080, 64, 64, 3), ('0', '1', '2', '3', '4', '5'))
    """
    path = Path(path)
    with hdf5.opened(path, DataError) as file:
        x_key = _key(path, file, x_key, "_set_x", "x_key")
        y_key = _key(path, file, y_key, "_set_y", "y_key")
        x = file.read(x_key)
        y = file.read(y_key)
        listed = "list_classes" in file.datasets
        class_names = file.read("list_classes", text=True) if listed else None
    x = _images(f"{path}: {x_key}", x)
    y = _labels(f"{path}: {y_key}", y, len(x))
    texts = () if class_names is None else tuple(map(_text, class_names.reshape(-1)))
    _check_range(f"{path}: {y_key}", y, len(texts))
    return Dataset(x, y, texts, path.name)


def load_images(path: str | os.PathLike[str], x_key: str | None = None) -> Array:
    """Read the images of an HDF5 file that need have no labels; see ``load_hdf5``."""
    path = Path(path)
    with hdf5.opened(path, DataError) as file:
        x_key = _key(path, file, x_key, "_set_x", "x_key")
        return _images(f"{path}: {x_key}", file.read(x_key))


def _key(path: Path, file: hdf5.File, wanted: str | None, ending: str, argument: str) -> str:
    names = list(file.datasets)
    there = _listed(names) or "no datasets"
    if wanted is not None:
        if wanted.strip("/") not in names:
            raise DataError(f"{path}: expected a dataset {wanted!r}, got {there}.")
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
    """Names for an error, which may come from a stranger: some of them, and of each a part."""
    shown = [f"{name:.40}" if name.isprintable() else ascii(name)[:40] for name in names[:8]]
    return ", ".join(shown) + f" and {len(names) - 8} more" * (len(names) > 8)


def _images(who: str, x: Array) -> Array:
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4:
        raise DataError(f"{who}: expected images of shape (m, H, W, C), got {x.shape}.")
    if not x.size:
        raise DataError(f"{who}: expected images, got none (shape {x.shape}).")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(f"{who}: expected uint8 or floating-point images, got {x.dtype}.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        broken = int(np.argmin(np.isfinite(x).all(axis=(1, 2, 3))))
        raise DataError(f"{who}: expected finite numbers, got NaN or infinity in image {broken}.")
    return x


def _labels(who: str, y: Array, images: int) -> Array:
    # (1, 6) is one one-hot row beside one image, and six labels beside six.
    one_hot = y.ndim == 2 and (1 not in y.shape or len(y) == images != y.size)
    if y.ndim not in (1, 2):
        raise DataError(f"{who}: expected labels of shape (m,), (1, m) or one-hot, got {y.shape}.")
    count = len(y) if one_hot else y.size
    if count != images:
        raise DataError(
            f"{who}: expected {images} labels, as many as there are images, got {count}."
        )
    if one_hot:
        if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(f"{who}: expected one-hot rows, a single 1 in each, got others.")
        return np.asarray(y.argmax(axis=1), dtype=np.int64)
    y = y.reshape(-1)
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.floor(y)).all()):
        raise DataError(f"{who}: expected whole numbers, got labels that are not.")
    if y.dtype.kind in "fu" and y.size and y.max() > LARGEST_LABEL:
        raise DataError(f"{who}: expected small whole numbers, got {y.max():.3g}.")
    return y.astype(np.int64)


def _check_range(who: str, y: Array, classes: int) -> None:
    # Without names the largest label tells how many classes there are: let it not be a slip.
    limit = classes or max(1000, len(y))
    wrong = (y < 0) | (y >= limit)
    if wrong.any():
        why = f"as there are {classes} classes" if classes else "without list_classes"
        bounds = f"from 0 to {limit - 1}, {why}"
        raise DataError(f"{who}: expected labels {bounds}, got {y[wrong][0]}.")


def _text(name: Any) -> str:
    return " ".join(str(name).split())
