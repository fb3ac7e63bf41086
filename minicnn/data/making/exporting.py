"""``export``: the images of an HDF5 file as a folder of PNGs, a folder for each class."""

import json
import os
import re
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.atomic import make_folder, reason
from minicnn._files.lock import held
from minicnn._files.paths import path_of
from minicnn._parallel.threads import get_threads
from minicnn.data.hdf5_dataset import HDF5Dataset
from minicnn.errors import ConfigError, DataError

AT_ONCE = 256
"""Images that are written before the next are read."""

LONGEST = 80
"""Characters of a folder's name."""

RESERVED = {"con", "prn", "aux", "nul"} | {f"{n}{i}" for n in ("com", "lpt") for i in range(10)}
"""Names that no file can have on Windows, whatever their endings."""


def export(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    x_key: str | None = None,
    y_key: str | None = None,
) -> dict[str, int]:
    """Write the images of an HDF5 file as ``folder/class/000017.png``; returns the classes' counts.

    The folder must be new; it takes its name when it is whole, and after a kill the same call goes
    on where it was. Classes' names come from the file, and lead nowhere: what no folder should be
    called is replaced by "_". Raises ``DataError`` for a file that cannot be read or whose images
    are not bytes, and ``ConfigError`` for a folder that is there or cannot be made.
    """
    source = path_of("export", "source", source)
    folder = path_of("export", "folder", folder)
    if os.path.lexists(folder):
        raise ConfigError(f"{folder}: expected a new folder, got one that is there.")
    data = HDF5Dataset(source, x_key, y_key)
    channels = data.shape[3]
    if data.dtype != np.uint8 or channels not in (1, 3, 4):
        raise DataError(
            f"{source}: expected images uint8 with 1, 3 or 4 channels, got {data.dtype} with "
            f"{channels}. Make them so with: minicnn data import {source} OUT.h5"
        )
    names = folder_names(data.class_names or [str(i) for i in range(data.classes)])
    unfinished = folder.with_name(f".{folder.name}.export")
    _begin(unfinished, source)
    step = min(AT_ONCE, max(1, data.rows_in_order))
    try:
        with held(unfinished, by="export"), ThreadPoolExecutor(get_threads()) as pool:
            for label in np.unique(data.labels):
                make_folder(unfinished / names[label])
            for first in range(0, len(data), step):
                at = range(first, min(first + step, len(data)))
                paths = [unfinished / names[data.labels[i]] / f"{i:06}.png" for i in at]
                if not all(path.exists() for path in paths):
                    list(pool.map(_save, paths, data.images(np.array(at))))
            (unfinished / STATE).unlink()
            unfinished.rename(folder)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {reason(error)}.") from None
    counts = np.bincount(data.labels, minlength=len(names))
    return {name: int(n) for name, n in zip(names, counts, strict=True) if n}


STATE = ".export.json"
"""The file that says of what an unfinished folder is made."""


def _begin(folder: Path, source: Path) -> None:
    """Make the unfinished folder, or go on in it if it is of the same file."""
    status = source.stat()
    state = json.dumps([str(source.resolve()), status.st_size, status.st_mtime_ns])
    if folder.is_dir():
        try:
            if (folder / STATE).read_text() == state:
                return
        except (OSError, ValueError):
            pass
        raise ConfigError(
            f"{folder}: was begun from another file, or before this one has changed. Delete it, or "
            "take another name."
        )
    make_folder(folder)
    (folder / STATE).write_text(state)


def _save(path: Path, image: Array) -> None:
    from PIL import Image

    beside = path.with_suffix(".part")
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture.save(beside, format="PNG", compress_level=1)
    beside.replace(path)


def folder_names(class_names: Sequence[str]) -> list[str]:
    """A folder's name for each class: plain, short, and no two alike, whatever the case.

    >>> folder_names(["cat", "../etc", "Cat", "NUL", ""])
    ['cat', '_etc', 'Cat-2', '_NUL', '_']
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in class_names:
        plain = unicodedata.normalize("NFC", name)
        plain = "".join(c if c.isprintable() else "_" for c in plain)
        plain = re.sub(r'[\\/:*?"<>|]+', "_", plain).strip(". ")[:LONGEST].strip(". ")
        while len(plain.encode(errors="replace")) > 2 * LONGEST:
            plain = plain[:-1]
        plain = plain.encode(errors="replace").decode()
        if not plain or plain.partition(".")[0].rstrip().lower() in RESERVED:
            plain = f"_{plain}"
        unique, i = plain, 2
        while unique.casefold() in taken:
            unique, i = f"{plain}-{i}", i + 1
        taken.add(unique.casefold())
        found.append(unique)
    return found
