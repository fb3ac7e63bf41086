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
from minicnn.preprocessing.picture_files import Files, in_folder, in_table
from minicnn.preprocessing.picture_reader import Reader
from minicnn.preprocessing.picture_stream import Pictures, shuffled

WHO = "image_dataset_from_directory"


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
    interpolation, bytes. Labels are class numbers in int32 ("int"), one-hot rows ("categorical")
    or (N, 1) ("binary") in float32; ``labels`` may also be a number for each file, or None for
    images alone. ``subset`` is "training", "validation" (the last files) or "both", for which there
    are two data sets. The same seed gives the files of Keras in both, in another order within a
    pass. ``batch_size=None`` gives single pictures. The result is a
    ``minicnn.data.pipeline.Dataset`` with ``class_names``, ``file_paths`` and ``broken``.

    Files are decoded ahead on all threads; the order depends on the seed and the number of the pass
    alone. Up to 1 GB of images (an eighth of the memory, where that is less) is kept for later
    passes. Photographs are turned upright as their EXIF data say, which Keras does not do. Of 16
    bits the upper 8 count, of animations the first picture; CMYK and palettes become colours, and
    transparency is left out unless ``color_mode="rgba"``.

    A picture that cannot be read is left out of its batch, which has one less, in every pass;
    ``broken`` says why, by its path, and a warning names the first. ``file_paths``, the split and
    the number of batches are as if it were sound: a batch without any has the next sound
    one of the pass. Raises ``DataError`` for a folder without pictures or without a sound one,
    and ``ConfigError`` for other arguments.
    """
    choice(WHO, "format", format, ("tf", "grain"))
    _check_labels(labels)
    given = _Given(
        WHO, label_mode, color_mode, batch_size, image_size, shuffle, seed, validation_split,
        subset, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, data_format, verbose,
    )  # fmt: skip
    reader = given.reader()
    labels = None if label_mode is None else labels
    found = in_folder(WHO, directory, labels, class_names, follow_links, verbose)
    return given.made(found, reader, directory)


@checked
def image_dataset_from_csv(
    csv_file: str | os.PathLike[str],
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
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
) -> Any:
    """Batches (images, labels) of the pictures that a CSV file names: path,label in each line.

    Paths are relative to the file. Its first line may name the columns, of which those called
    "path" or "filename" and "label" or "class" are read, or else the first two. Classes are the
    labels in alphanumeric order, numbers by their size, or ``class_names``. All else is as for
    ``image_dataset_from_directory``. Raises ``DataError`` with its number for a line without a
    path and a label. Files that are not there count as broken pictures.

    >>> import tempfile
    >>> from minicnn.utils import image_dataset_from_csv, save_img
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("a.png", "b.png"):
    ...     save_img(f"{folder}/{name}", np.zeros((4, 6, 3)))
    >>> with open(f"{folder}/pictures.csv", "w") as file:
    ...     _ = file.write("path,label\\na.png,cat\\nb.png,dog\\n")
    >>> data = image_dataset_from_csv(f"{folder}/pictures.csv", image_size=(2, 3), shuffle=False)
    Found 2 files belonging to 2 classes.
    >>> [(x.shape, y.tolist()) for x, y in data], data.class_names
    ([((2, 2, 3, 3), [0, 1])], ['cat', 'dog'])
    """
    who = "image_dataset_from_csv"
    given = _Given(
        who, label_mode, color_mode, batch_size, image_size, shuffle, seed, validation_split,
        subset, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, data_format, verbose,
    )  # fmt: skip
    reader = given.reader()
    found = in_table(who, csv_file, class_names)
    if label_mode is None:
        found = Files(found.paths, None, None)
    return given.made(found, reader, csv_file)


class _Given(NamedTuple):
    """What both functions are told."""

    who: str
    label_mode: str | None
    color_mode: str
    batch_size: int | None
    image_size: Any
    shuffle: bool
    seed: int | None
    validation_split: float | None
    subset: str | None
    interpolation: str
    crop: bool
    pad: bool
    data_format: str | None
    verbose: bool

    def reader(self) -> Reader:
        """What reads the files, once all arguments are checked."""
        choice(self.who, "label_mode", self.label_mode, ("int", "categorical", "binary", None))
        _check_split(self.who, self.validation_split, self.subset, self.shuffle, self.seed)
        if self.batch_size is not None:
            whole_number(self.who, "batch_size", self.batch_size)
        return Reader(
            self.who, self.image_size, self.color_mode, self.interpolation, self.crop, self.pad,
            self.data_format,
        )  # fmt: skip

    def made(self, found: Files, reader: Reader, source: Any) -> Any:
        """The data set of those files, or both of them."""
        names, n = found.names, len(found.paths)
        if self.label_mode == "binary" and names is not None and len(names) != 2:
            raise DataError(
                f"{self.who}: expected two classes for label_mode='binary', got {shown(names)}."
            )
        if self.verbose:
            classes = "" if names is None else f" belonging to {len(names)} classes"
            say(f"Found {n} files{classes}.")
        seed = int(generator(None).integers(10**6)) if self.seed is None else self.seed
        order = shuffled(n, seed) if self.shuffle else np.arange(n)
        labels = _labels(found, self.label_mode)
        made: list[Dataset] = []
        for files in _parts(order, self.validation_split, self.subset):
            if not len(files):
                raise DataError(
                    f"{self.who}: expected validation_split={self.validation_split} to leave "
                    f"pictures for each part, got {n} in {source}."
                )
            part = Pictures(
                self.who, (found.paths, labels), files, reader, self.batch_size,
                seed if self.shuffle and not made else None, self.verbose,
            ).dataset()  # fmt: skip
            part.class_names = names  # of "both" the pictures for validation keep their order
            made.append(part)
        return made if self.subset == "both" else made[0]


def _check_labels(labels: Any) -> None:
    inferred = isinstance(labels, str) and labels == "inferred"
    if not inferred and labels is not None and not isinstance(labels, list | tuple | np.ndarray):
        raise ConfigError(
            f"{WHO}: expected labels as 'inferred', a list or None, got {shown(labels)}."
        )


def _check_split(
    who: str, validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None
) -> None:
    choice(who, "subset", subset, ("training", "validation", "both", None))
    if validation_split:
        number(who, "validation_split", validation_split, above=0, below=1)
    if bool(validation_split) != bool(subset):
        raise ConfigError(f"{who}: expected validation_split and subset together, got one of them.")
    if validation_split and shuffle and seed is None:
        raise ConfigError(
            f"{who}: expected a seed with validation_split, so that no picture is in both parts. "
            "Give both calls the same one, or shuffle=False."
        )
    if seed is not None:
        whole_number(who, "seed", seed, least=0, most=(1 << 32) - 1)


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


def _labels(found: Files, label_mode: str | None) -> Array | None:
    """The labels in the form that was asked for."""
    if found.numbers is None or found.names is None:
        return None
    labels, n = found.numbers, len(found.names)
    if label_mode != "int" and (
        labels.dtype.kind == "f" or not 0 <= labels.min() <= labels.max() < n
    ):
        raise DataError(
            f"{WHO}: expected labels from 0 to {n - 1} for label_mode={label_mode!r}, as there are "
            f"{n} different ones, got {shown(found.names)}."
        )
    if label_mode == "binary":
        labels = labels.astype(np.float32)[:, None]
    if label_mode == "categorical":
        labels = (labels[:, None] == np.arange(n)).astype(np.float32)
    return labels
