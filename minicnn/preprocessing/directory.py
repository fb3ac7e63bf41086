"""Batches of the pictures in a folder, which has one for each class."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import choice
from minicnn._core.console import say
from minicnn._core.shapes import Pair
from minicnn._files.atomic import reason
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError, DataError, printable, shown
from minicnn.preprocessing.from_files import FORMATS, FromFiles
from minicnn.preprocessing.iterator import Changing


def subfolders(who: str, directory: Any) -> list[str]:
    """The names of the folders in one, in alphanumeric order; raises ``DataError`` without one."""
    path = path_of(who, "directory", directory)
    try:
        return sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "no folder can have this name"
        raise DataError(f"{who}: cannot read the folder {printable(str(path))}: {why}.") from None


def files_within(who: str, folder: str | Path, follow_links: bool) -> Iterator[str]:
    """The paths of all files in a folder and those within, in alphanumeric order, from the folder.

    ``follow_links`` also looks into folders that are links, but not into those that lead back to a
    folder on the way. Raises ``DataError`` for a folder that cannot be read.
    """

    def fail(error: OSError) -> None:
        name = printable(str(error.filename))
        raise DataError(f"{who}: cannot read the folder {name}: {reason(error)}.") from None

    found: list[tuple[str, list[str]]] = []
    ways: dict[str, frozenset[str]] = {}
    for root, folders, names in os.walk(folder, onerror=fail, followlinks=follow_links):
        found.append((root, names))
        if follow_links:
            way = ways.pop(root, frozenset()) | {os.path.realpath(root)}
            folders[:] = [f for f in folders if os.path.realpath(os.path.join(root, f)) not in way]
            ways |= {os.path.join(root, f): way for f in folders}
    for root, names in sorted(found):
        inside = os.path.relpath(root, folder)
        for name in sorted(names):
            yield name if inside == os.curdir else os.path.join(inside, name)


class DirectoryIterator(FromFiles):
    """Batches of the pictures in a folder, and of their classes, which are its folders' names.

    ``class_mode`` is "categorical" (one-hot rows), "binary" or "sparse" (numbers), "input" (the
    pictures again) or None. Says how many pictures it found.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        image_data_generator: Changing | None,
        target_size: Pair = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
    ) -> None:
        who = "ImageDataGenerator.flow_from_directory"
        save = save_to_dir, save_prefix, save_format
        resizing = interpolation, keep_aspect_ratio
        self._set(
            who, image_data_generator, target_size, color_mode, data_format, save, subset,
            resizing, dtype,
        )  # fmt: skip
        modes = ("categorical", "binary", "sparse", "input", None)
        choice(who, "class_mode", class_mode, modes)
        self.class_mode = class_mode
        self.directory = directory
        found = subfolders(who, directory)
        names = list(classes) if classes else found
        missing = [name for name in names if not isinstance(name, str) or name not in found]
        if missing:
            raise ConfigError(
                f"{who}: expected classes as names of folders in {directory}, got "
                f"{shown(missing[0])}. There are {shown(found)}."
            )
        self.num_classes = len(names)
        self.class_indices = {name: i for i, name in enumerate(names)}
        self.filenames = []
        numbers: list[int] = []
        for name, number in self.class_indices.items():
            inside = files_within(who, os.path.join(directory, name), follow_links)
            files = self._part(
                [os.path.join(name, file) for file in inside if file.lower().endswith(FORMATS)]
            )
            self.filenames += files
            numbers += [number] * len(files)
        self.classes = np.array(numbers, np.int32)
        self.samples = len(self.filenames)
        self._find(directory)
        say(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)
