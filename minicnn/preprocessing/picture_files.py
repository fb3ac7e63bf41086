"""Which files a folder or a table of pictures has, and the classes they belong to."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.console import say, warn
from minicnn._core.shapes import Array
from minicnn._files.atomic import reason
from minicnn._files.paths import named_in, path_of
from minicnn.data.arrays import numbers
from minicnn.errors import ConfigError, DataError, printable, shown
from minicnn.preprocessing.directory import files_within, subfolders

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""How the names of pictures end; Keras knows fewer here than ``flow_from_directory`` does."""

OTHERS = (
    ".arw", ".avif", ".cr2", ".dng", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".nef", ".pgm",
    ".ppm", ".psd", ".svg", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""How names of pictures end that are left out."""

PARTS = {"dev", "eval", "test", "testing", "train", "training", "val", "valid", "validation"}
"""Names of folders that are parts of a data set, and no classes."""

LABELS = ("label", "class", "class_name", "category", "target")
PATHS = ("path", "file", "filename", "filepath", "file_name", "image", "image_path")
"""What the columns of a table may be called; else they are the first two."""


class Files(NamedTuple):
    """The paths of pictures, the number of the class of each, and the names of the classes."""

    paths: list[str]
    numbers: Array | None
    names: list[str] | None


def in_folder(
    who: str,
    directory: Any,
    labels: Any,
    class_names: Sequence[str] | None,
    follow_links: bool,
    verbose: bool,
) -> Files:
    """The pictures of a folder, in alphanumeric order."""
    found = [name for name in subfolders(who, directory) if not name.startswith(".")]
    folder = os.fspath(directory) or os.curdir
    search = _Search(who, folder, follow_links)
    if not isinstance(labels, str):
        if class_names is not None:
            raise ConfigError(f"{who}: expected class_names with labels='inferred' alone.")
        files = Files(search.pictures(""), None, None)
        if labels is not None:
            files = _labelled(who, files, folder, labels)
    else:
        if class_names is None:
            search.check_classes(found)
        elif (
            isinstance(class_names, str)
            or not set(class_names) <= set(found)
            or len(set(class_names)) < len(class_names)
        ):
            raise ConfigError(
                f"{who}: expected class_names as names of folders in {folder}, which are "
                f"{shown(found)}, got {shown(class_names)}."
            )
        names = found if class_names is None else list(class_names)
        by_class = [search.pictures(name) for name in names]
        numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(one) for one in by_class])
        files = Files([path for one in by_class for path in one], numbers, names)
        if files.paths:
            search.doubt(names, by_class, chosen=class_names is not None)
    search.report(bool(files.paths), verbose)
    return files


def _labelled(who: str, files: Files, folder: str, labels: Sequence[float]) -> Files:
    y = numbers(who, "labels", labels)
    if y.shape != (len(files.paths),):
        raise DataError(
            f"{who}: expected a label for each of the {len(files.paths)} pictures in {folder}, "
            f"got {len(y) if y.ndim == 1 else f'shape {y.shape}'}."
        )
    whole = y.dtype.kind != "f" or (y == np.floor(y)).all()
    y = y.astype(np.int32 if whole else np.float32)
    return Files(files.paths, y, [str(one) for one in np.unique(y)])


class _Search:
    """A search for pictures, and what it found besides."""

    def __init__(self, who: str, folder: str, follow_links: bool) -> None:
        self.who = who
        self.folder = folder
        self.follow_links = follow_links
        self.others: Counter[str] = Counter()
        """How often there are other endings."""

    def pictures(self, inside: str) -> list[str]:
        """The paths of the pictures in a folder of the folder, and in those within."""
        place, found = os.path.join(self.folder, inside), []
        for file in files_within(self.who, place, self.follow_links):
            name = os.path.basename(file).lower()
            if name.startswith("._"):  # what macOS keeps about a file, under nearly its name
                continue
            if name.endswith(FORMATS):
                found.append(os.path.join(place, file))
            elif not name.startswith("."):
                self.others[os.path.splitext(name)[1]] += 1
        return found

    def _holds(self, inside: str) -> tuple[list[str], int]:
        """The names of the folders in a folder, and how many pictures lie beside them."""
        place = os.path.join(self.folder, inside)
        names = [name for name in subfolders(self.who, place) if not name.startswith(".")]
        beside = sum(
            name.lower().endswith(FORMATS) and not name.startswith("._")
            for name in os.listdir(place)
        )
        return names, beside

    def check_classes(self, names: list[str]) -> None:
        """Raise ``DataError`` for folders that cannot be classes."""
        if not names:
            _, count = self._holds("")
            if count:
                raise DataError(
                    f"{self.who}: expected a folder for each class in {printable(self.folder)}, "
                    f"got {_pictures(count)} without folders. labels=None reads them without "
                    "labels; or move them into a folder for each class."
                )
            return
        parts = [name for name in names if name.lower() in PARTS]
        if len(parts) == len(names) and all(self._holds(name)[0] for name in parts):
            raise DataError(
                f"{self.who}: {printable(self.folder)} holds "
                f"{' and '.join(f'{name}/' for name in parts)}, which hold the classes: give one "
                f"of them, such as {printable(os.path.join(self.folder, parts[0]))!r}."
            )

    def doubt(self, names: list[str], by_class: list[list[str]], chosen: bool) -> None:
        """Warn of classes that look like a mistake."""
        empty = [printable(name) for name, one in zip(names, by_class, strict=True) if not one]
        if empty:
            several = len(empty) > 1
            warn(
                f"{self.who}: the folder{'s' * several} of the class{'es' * several} "
                f"{', '.join(empty[:5])}{' ...' * (len(empty) > 5)} {'have' if several else 'has'} "
                "no pictures. Networks will have an output for such a class all the same.",
                UserWarning,
            )
        if len(names) == 1 and not chosen:
            within, beside = self._holds(names[0])
            place = printable(os.path.join(self.folder, names[0]))
            remedy = f" It holds folders itself: did you mean {place!r}?" if within else ""
            remedy = "" if beside else remedy
            warn(
                f"{self.who}: there is one class alone, {printable(names[0])!r}: networks have "
                f"nothing to learn from that.{remedy}",
                UserWarning,
            )
        _, beside = self._holds("")
        if beside:
            say(f"Left out {_pictures(beside)} beside the folders of the classes.")

    def report(self, some: bool, verbose: bool) -> None:
        """Say what else was there, if it looks like pictures; raise ``DataError`` if it is all."""
        if not some:
            text = ", ".join(f"{n:,} {ending}" for ending, n in self.others.most_common(5))
            raise DataError(
                f"{self.who}: there are no such pictures in {printable(self.folder)}: expected "
                f"files that end in {', '.join(FORMATS)}, got {printable(text) or 'none'}."
            )
        left = [(n, ending) for ending, n in self.others.most_common() if ending in OTHERS]
        if left and verbose:
            text = ", ".join(f"{n:,} {ending}" for n, ending in left)
            say(f"Left out {text}: of pictures, those in {', '.join(FORMATS)} files are read.")


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count > 1)}"


def in_table(who: str, table: Any, class_names: Sequence[str] | None) -> Files:
    """The pictures that a CSV file names, with their labels, in its order."""
    path = path_of(who, "csv_file", table)
    folder, paths, labels, lines = os.path.dirname(path), [], [], []
    for line, name, label in _rows(who, path):
        paths.append(named_in(folder, name))
        labels.append(label)
        lines.append(line)
    if not paths:
        raise DataError(f"{who}: {path} names no pictures: expected lines of path,label.")
    names = _sorted_names(set(labels)) if class_names is None else list(map(str, class_names))
    places = {name: i for i, name in enumerate(names)}
    for line, label in zip(lines, labels, strict=True):
        if label not in places:
            raise DataError(
                f"{who}: {path}, line {line}: expected a label of class_names={shown(names)}, "
                f"got {label!r}."
            )
    return Files(paths, np.array([places[label] for label in labels], np.int32), names)


def _sorted_names(names: set[str]) -> list[str]:
    """In alphanumeric order, but numbers by their size."""
    numbers = all(name.lstrip("-").isdecimal() for name in names)
    return sorted(names, key=int if numbers else str)


def _rows(who: str, path: Any) -> Iterator[tuple[int, str, str]]:
    """(number of the line, path, label) of each line; raises ``DataError`` for another line."""
    columns: tuple[int, int] | None = None
    for line, row in _lines(who, path):
        if columns is None:
            columns = _header(row)
            if columns is not None:
                continue
            columns = 0, 1
        cells = [row[i].strip() if i < len(row) else "" for i in columns]
        if not all(cells) or "\0" in cells[0]:
            raise DataError(
                f"{who}: {path}, line {line}: expected path,label, got "
                f"{printable(','.join(row))[:60]!r}."
            )
        yield line, cells[0], cells[1]


def _lines(who: str, path: Any) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that is not empty, with its number."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(file, delimiter=delimiter)
            for row in reader:
                if any(map(str.strip, row)):
                    yield reader.line_num, row
    except OSError as error:
        raise DataError(f"{who}: cannot read {path}: {reason(error)}.") from None
    except csv.Error as error:
        raise DataError(f"{who}: {path}, line {reader.line_num}: no CSV: {error}.") from None


def _header(row: Sequence[str]) -> tuple[int, int] | None:
    """The columns of paths and labels, if the first line names columns."""
    if any(cell.strip().lower().endswith((*FORMATS, *OTHERS)) for cell in row):
        return None
    names = [cell.strip().lower() for cell in row]
    path = next((i for i, name in enumerate(names) if name in PATHS), 0)
    label = next((i for i, name in enumerate(names) if name in LABELS), int(path == 0))
    return path, label
