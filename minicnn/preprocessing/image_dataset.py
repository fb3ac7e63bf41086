"""``image_dataset_from_directory``: batches of a folder's pictures, read as they are needed."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import choice, number, whole_number
from minicnn._core.console import say
from minicnn._core.random_seed import generator
from minicnn._core.shapes import Array, Pair
from minicnn._core.signatures import checked
from minicnn.data.pipeline import Dataset
from minicnn.errors import ConfigError, DataError, shown
from minicnn.preprocessing.directory import pictures_within, subfolders
from minicnn.preprocessing.picture_reader import Reader
from minicnn.preprocessing.picture_stream import Pictures
from minicnn.preprocessing.transforms import random_state

WHO = "image_dataset_from_directory"
FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""How the names of pictures end; Keras knows fewer here than ``flow_from_directory`` does."""


@checked
def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | Pair = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches (images, labels) of the pictures in a folder that has a folder for each class.

    Images are (N, height, width, C) of ``image_size``, float32 from 0 to 255 or, by "nearest"
    interpolation, bytes. Labels are
    class numbers in int32 ("int"), one-hot rows ("categorical") or (N, 1) ("binary") in float32;
    ``labels`` may also be a number for each file, or None for images alone. ``subset`` is
    "training", "validation" (the last files) or "both", for which there are two data sets. The
    same seed gives the files of Keras in both, in another order within a pass.
    ``batch_size=None`` gives single pictures. The result is a ``minicnn.data.pipeline.Dataset``
    with ``class_names`` and ``file_paths``. Raises ``DataError`` for a folder without pictures,
    and ``ConfigError`` for other arguments.
    """
    choice(WHO, "format", format, ("tf", "grain"))
    _check_labels(labels, label_mode)
    _check_split(validation_split, subset, shuffle, seed)
    reader = Reader(
        WHO, image_size, color_mode, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio,
        data_format,
    )  # fmt: skip
    if batch_size is not None:
        whole_number(WHO, "batch_size", batch_size)
    seed = int(generator(None).integers(10**6)) if seed is None else seed
    found = _files(directory, None if label_mode is None else labels, class_names, follow_links)
    names, n = found.names, len(found.paths)
    if label_mode == "binary" and names is not None and len(names) != 2:
        raise DataError(f"{WHO}: expected two classes for label_mode='binary', got {shown(names)}.")
    if verbose:
        say(f"Found {n} files{'' if names is None else f' belonging to {len(names)} classes'}.")
    order = np.arange(n)
    if shuffle:
        random_state(seed).shuffle(order)
    made: list[Dataset] = []
    for files in _parts(order, validation_split, subset):
        if not len(files):
            raise DataError(f"{WHO}: there are no such pictures in {directory}.")
        part = Pictures(
            WHO, [found.paths[i] for i in files], _labels(found, files, label_mode), reader,
            batch_size, seed if shuffle and not made else None, verbose,
        ).dataset()  # fmt: skip
        part.class_names = found.names  # of "both" the pictures for validation keep their order
        made.append(part)
    return made if subset == "both" else made[0]


class Files(NamedTuple):
    """The paths of pictures, the number of the class of each, and the names of the classes."""

    paths: list[str]
    numbers: Array | None
    names: list[str] | None


def _check_labels(labels: Any, label_mode: str | None) -> None:
    inferred = isinstance(labels, str) and labels == "inferred"
    if not inferred and labels is not None and not isinstance(labels, list | tuple | np.ndarray):
        raise ConfigError(
            f"{WHO}: expected labels as 'inferred', a list or None, got {shown(labels)}."
        )
    choice(WHO, "label_mode", label_mode, ("int", "categorical", "binary", None))


def _check_split(
    validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None
) -> None:
    choice(WHO, "subset", subset, ("training", "validation", "both", None))
    if validation_split:
        number(WHO, "validation_split", validation_split, above=0, below=1)
    if bool(validation_split) != bool(subset):
        raise ConfigError(f"{WHO}: expected validation_split and subset together, got one of them.")
    if validation_split and shuffle and seed is None:
        raise ConfigError(
            f"{WHO}: expected a seed with validation_split, so that no picture is in both parts. "
            "Give both calls the same one, or shuffle=False."
        )
    if seed is not None:
        whole_number(WHO, "seed", seed, least=0, most=(1 << 32) - 1)


def _files(
    directory: Any, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> Files:
    """The pictures of a folder, in alphanumeric order."""
    folder = os.fspath(directory) if isinstance(directory, os.PathLike) else directory
    found = [name for name in subfolders(WHO, folder) if not name.startswith(".")]
    if not isinstance(labels, str):
        if class_names is not None:
            raise ConfigError(f"{WHO}: expected class_names with labels='inferred' alone.")
        paths = [os.path.join(folder, f) for f in pictures_within(folder, FORMATS, follow_links)]
        if labels is None:
            return Files(paths, None, None)
        if len(labels) != len(paths):
            raise DataError(
                f"{WHO}: expected a label for each of the {len(paths)} pictures in {folder}, "
                f"got {len(labels)}."
            )
        return Files(paths, np.array(labels, np.int32), [str(one) for one in sorted(set(labels))])
    names = found if class_names is None else list(class_names)
    if not set(names) <= set(found):
        raise ConfigError(
            f"{WHO}: expected class_names as names of folders in {folder}, which are "
            f"{shown(found)}, got {shown(names)}."
        )
    paths, numbers = [], []
    for i, name in enumerate(names):
        inside = os.path.join(folder, name)
        files = [os.path.join(inside, f) for f in pictures_within(inside, FORMATS, follow_links)]
        paths += files
        numbers += [i] * len(files)
    return Files(paths, np.array(numbers, np.int32), names)


def _parts(order: Array, validation_split: float | None, subset: str | None) -> list[Array]:
    """The numbers of the files of the parts that are asked for."""
    if not validation_split:
        return [order]
    n = int(validation_split * len(order))
    parts = []
    if subset != "validation":
        say(f"Using {len(order) - n} files for training.")
        parts.append(order[:-n])
    if subset != "training":
        say(f"Using {n} files for validation.")
        parts.append(order[-n:])
    return parts


def _labels(found: Files, files: Array, label_mode: str | None) -> Array | None:
    """The labels of some files in the form that was asked for."""
    if found.numbers is None or found.names is None:
        return None
    labels: Array = found.numbers[files]
    if label_mode == "binary":
        labels = labels.astype(np.float32)[:, None]
    if label_mode == "categorical":
        labels = (labels[:, None] == np.arange(len(found.names))).astype(np.float32)
    return labels
