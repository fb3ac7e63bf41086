"""What a data file is made from: pictures in folders or named by a CSV, or arrays, one by one."""

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn._files.atomic import reason
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.paths import named_in
from minicnn.data.making.pictures import ENDINGS
from minicnn.errors import DataError

PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath", "name")
LABEL_COLUMNS = ("label", "class", "category", "target", "y", "class_name", "labels")
"""What columns of a CSV are called, in lower case; the first two else."""

PARTS = ("train", "test", "val", "valid", "validation")
"""Folders of these names hold parts of a data set, not classes."""

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Source:
    """Images of known labels: the pictures at ``paths``, or the array ``x``."""

    names: Sequence[str]
    y: Array
    """The number of each image's class in ``class_names``, int64 (n,)."""
    class_names: tuple[str, ...]
    state: str
    """Tells another source, or another state of this one, by names, sizes, times and labels."""
    paths: Sequence[str] = ()
    x: Array | None = None
    """Images uint8 (n, H, W, C) instead."""
    absent: Set[int] = frozenset()
    """Pictures that were never there."""
    columns: dict[str, list[str]] = field(default_factory=dict)
    """Of a CSV, beside path and label."""
    parts: Array | None = None
    """0 for images to train on and 1 for images to test on, where the source tells."""


def from_folder(folder: Path) -> Source:
    """The pictures of a folder that has a folder for each class, in the order of their names."""
    paths: list[str] = []
    labels: list[str] = []
    for name in _folders(folder):
        found = list(_pictures(folder / name))
        if not found:
            warn(f"{folder / name}: no pictures are in this folder, so there is no such class.")
        paths += found
        labels += [name] * len(found)
    if not paths:
        raise DataError(
            f"{folder}: expected a folder for each class with pictures in it, got "
            f"{'pictures alone' if any(_pictures(folder)) else 'none'}. Put those of a class into "
            "a folder that has its name, or name each with its label in a CSV."
        )
    if set(map(str.lower, labels)) <= set(PARTS):
        raise DataError(
            f"{folder}: expected folders with the names of classes, got "
            f"{', '.join(sorted(set(labels)))}. "
            f"Import each of them: minicnn data import {folder / labels[0]} {labels[0]}.h5"
        )
    return _of_pictures(folder, paths, labels, {})


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {reason(error)}.") from None


def _pictures(folder: Path) -> Iterator[str]:
    """The pictures in a folder and those below it, which are not entered through links."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {reason(error)}.")

    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield os.path.join(where, name)


def from_csv(path: Path) -> Source:
    """The pictures that a CSV names: a row each with its path, seen from the CSV, and its label.

    The first row may name the columns. Raises ``DataError`` with the number of a row that makes no
    sense.
    """
    header, rows = _rows(path)
    at, of = 0, 1
    if header is not None:
        lower = [name.lower() for name in header]
        at = next((lower.index(name) for name in PATH_COLUMNS if name in lower), 0)
        of = next((lower.index(name) for name in LABEL_COLUMNS if name in lower), 1 - min(at, 1))
    width = len(rows[0][1])
    paths, labels = [], []
    for number, row in rows:
        if len(row) != width or len(row) < 2:
            expected = max(width, 2)
            raise DataError(f"{path}: row {number}: expected {expected} columns, got {len(row)}.")
        if not row[at] or not row[of] or "\0" in row[at]:
            raise DataError(f"{path}: row {number}: expected a path and a label, got none.")
        paths.append(named_in(path.parent, row[at]))
        labels.append(row[of])
    columns = {
        name: [row[i] for _, row in rows]
        for i, name in enumerate(header or ())
        if i not in (at, of)
    }
    return _of_pictures(path.parent, paths, labels, columns)


def _rows(path: Path) -> tuple[list[str] | None, list[tuple[int, list[str]]]]:
    """The header of a CSV, if there is one, and its rows with their numbers."""
    regular_file_size(path, DataError)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(1 << 16)
            delimiter = max(DELIMITERS, key=first.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            rows = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except (csv.Error, UnicodeError) as error:
        raise DataError(f"{path}: expected a CSV as UTF-8, got another file ({error}).") from None
    header = None
    if rows and not rows[0][1][0].lower().endswith(ENDINGS):
        header = rows.pop(0)[1]
        if any(name.lower().endswith(ENDINGS) for name in header):
            header = None
    if not rows:
        raise DataError(f"{path}: expected rows with a path and a label, got none.")
    if header is not None and len(header) != len(rows[0][1]):
        raise DataError(
            f"{path}: expected a name for each column, got {len(header)} for {len(rows[0][1])}."
        )
    return header, rows


def classes_of(labels: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """The number of each label's class, and the classes' names in order: whole numbers by value.

    >>> classes_of(["10", "9", "10"])
    (array([1, 0, 1]), ('9', '10'))
    """
    names = sorted(set(labels))
    if all(re.fullmatch(r"-?\d{1,15}", name, re.ASCII) for name in names):
        names.sort(key=int)
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[label] for label in labels], np.int64), tuple(names)


def _of_pictures(
    folder: Path, paths: list[str], labels: list[str], columns: dict[str, list[str]]
) -> Source:
    y, class_names = classes_of(labels)
    state, absent = hashlib.sha256(), set[int]()
    for i, (path, label) in enumerate(zip(paths, labels, strict=True)):
        try:
            found = os.stat(path)
            seen = f"{found.st_size} {found.st_mtime_ns}"
        except (OSError, ValueError):
            seen = "absent"
            absent.add(i)
        state.update(f"{path}\0{label}\0{seen}\n".encode(errors="surrogateescape"))
    start = os.path.join(folder, "")
    names = [path.removeprefix(start) for path in paths]
    known = state.hexdigest()
    return Source(names, y, class_names, known, paths, absent=absent, columns=columns)
