"""``split``, ``merge`` and ``subset``: HDF5 files from others, which may exceed the memory."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn._files import hdf5
from minicnn._files.paths import path_of
from minicnn.data.duplicates import fingerprints, groups
from minicnn.data.hdf5_dataset import HDF5Dataset
from minicnn.data.making.splitting import check_fractions, grouped_by, joined, parts_of
from minicnn.data.making.writing import check_target, target_of, writing
from minicnn.errors import ConfigError, DataError, shown

Files = dict[Path, int]
"""Files that were made, and how many images are in each."""

StrPath = str | os.PathLike[str]


def split(
    source: StrPath,
    out: StrPath,
    *,
    test: float = 0.0,
    validation: float = 0.0,
    group_by: str | None = None,
    seed: int = 0,
    x_key: str | None = None,
    y_key: str | None = None,
    overwrite: bool = False,
) -> Files:
    """Divide an HDF5 file: ``out`` to train on, beside it ``..._test.h5``, ``..._validation.h5``.

    Of each class the parts have their fractions, and images that show the same stay on one side,
    as do those in whose names ``group_by`` finds the same (see ``import_images``, which notes the
    names). The images keep their order. Raises ``DataError`` for a file that cannot be read and
    ``ConfigError`` for arguments that make no sense.
    """
    who = "split"
    fractions = {name: f for name, f in (("validation", validation), ("test", test)) if f}
    if not fractions:
        raise ConfigError("split: expected the fraction test or validation, got none.")
    check_fractions(who, fractions)
    whole_number(who, "seed", seed, 0)
    out = path_of(who, "out", out)
    parts = {"train": out, **{part: target_of(out, part) for part in fractions}}
    for path in parts.values():
        check_target(path, overwrite, [source])
    stored = _Stored.of(path_of(who, "source", source), x_key, y_key)
    if group_by is not None and not stored.names:
        raise DataError(f"{source}: expected names of the images for group_by, got a file without.")
    named = grouped_by(stored.names, group_by, {})
    prints = [fingerprints(x) for _, x in stored.blocks()]
    group = joined(groups(np.concatenate(prints)), *([named] if named is not None else []))
    y = stored.data.labels
    return _written([stored], [parts_of(y, group, list(fractions.values()), seed)], [y], parts)


def merge(
    sources: Sequence[StrPath],
    out: StrPath,
    *,
    x_key: str | None = None,
    y_key: str | None = None,
    overwrite: bool = False,
) -> Files:
    """Put the images of several HDF5 files into one, a file's after those of the one before.

    Classes are told by their names; the first file's come first. Raises ``DataError`` for images
    of different shapes or dtypes, and for files with and without names of classes.
    """
    out = path_of("merge", "out", out)
    if isinstance(sources, str | os.PathLike) or not sources:
        raise ConfigError(f"merge: expected a list of files, got {shown(sources)}.")
    check_target(out, overwrite, sources)
    stored = [_Stored.of(path_of("merge", "each source", path), x_key, y_key) for path in sources]
    first = stored[0]
    class_names = list(first.data.class_names)
    labels = []
    for one in stored:
        a, b = first.data, one.data
        if a.shape[1:] != b.shape[1:] or a.dtype != b.dtype:
            raise DataError(
                f"{one.path}: expected images {a.dtype} {a.shape[1:]}, as in {first.path}, got "
                f"{b.dtype} {b.shape[1:]}. Make them alike with: minicnn data import"
            )
        if bool(a.class_names) != bool(b.class_names):
            raise DataError(
                f"{one.path}: expected names of classes in all files or in none, got "
                f"{'some' if b.class_names else 'none'} here."
            )
        class_names += [name for name in b.class_names if name not in class_names]
        number = {name: i for i, name in enumerate(class_names)}
        renumbered = np.array([number[name] for name in b.class_names], np.int64)
        labels.append(renumbered[b.labels] if b.class_names else b.labels)
    zeros = [np.zeros(len(one.data), np.int64) for one in stored]
    return _written(stored, zeros, labels, {"train": out}, class_names)


def subset(
    source: StrPath,
    out: StrPath,
    *,
    classes: Sequence[str] | None = None,
    per_class: int | None = None,
    every: int | None = None,
    seed: int = 0,
    x_key: str | None = None,
    y_key: str | None = None,
    overwrite: bool = False,
) -> Files:
    """Write some of the images of an HDF5 file into another one, in the same order.

    ``every`` takes each n-th image; ``classes`` are the names (or numbers) of those to keep, which
    are counted anew from 0; ``per_class`` keeps so many of each, drawn with ``seed``.
    """
    who = "subset"
    out = path_of(who, "out", out)
    check_target(out, overwrite, [source])
    if classes is None and per_class is None and every is None:
        raise ConfigError("subset: expected classes, per_class or every, got none.")
    stored = _Stored.of(path_of(who, "source", source), x_key, y_key)
    data = stored.data
    y, names = data.labels, list(data.class_names)
    kept = np.ones(len(y), bool)
    if every is not None:
        kept[:] = np.arange(len(y)) % whole_number(who, "every", every, 1) == 0
    if classes is not None:
        there = names or [str(i) for i in range(data.classes)]
        for name in classes:
            if name not in there:
                raise ConfigError(f"{source}: expected classes of {there[:20]}, got {shown(name)}.")
        numbers = np.array([i for i, name in enumerate(there) if name in classes])
        kept &= np.isin(y, numbers)
        y = np.searchsorted(numbers, y)
        names = [there[i] for i in numbers]
    if per_class is not None:
        most = whole_number(who, "per_class", per_class, 1)
        order = np.random.default_rng(seed).permutation(np.flatnonzero(kept))
        kept[:] = False
        for label in np.unique(y[order]):
            kept[order[y[order] == label][:most]] = True
    parts = {stored.part: out}
    return _written([stored], [np.where(kept, 0, -1)], [y], parts, names)


@dataclass(frozen=True)
class _Stored:
    """An HDF5 file, and the names of its images where it has them."""

    path: Path
    data: HDF5Dataset
    names: list[str]
    part: str
    """What its datasets are called after: train, test, ..."""

    @classmethod
    def of(cls, path: Path, x_key: str | None, y_key: str | None) -> "_Stored":
        data = HDF5Dataset(path, x_key, y_key)
        names: list[str] = []
        with hdf5.opened(path, DataError, attributes=False) as file:
            if "names" in file.datasets and file.datasets["names"].shape == (len(data),):
                names = [str(name) for name in file.read("names", text=True)]
            keys = [name for name in file.datasets if name.endswith("_set_x") and "/" not in name]
        part = (x_key or (keys or ["train"])[0]).removesuffix("_set_x")
        return cls(path, data, names, part if part.isidentifier() else "train")

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """The numbers of some images and these, then of the next, to the last."""
        step = max(1, self.data.rows_in_order)
        for first in range(0, len(self.data), step):
            at = np.arange(first, min(first + step, len(self.data)))
            yield at, self.data.images(at)


def _written(
    stored: Sequence[_Stored],
    part: Sequence[Array],
    y: Sequence[Array],
    paths: dict[str, Path],
    class_names: Sequence[str] | None = None,
) -> Files:
    """Copy the images into the files: of each the part it belongs to, or -1 for none."""
    data = stored[0].data
    class_names = data.class_names if class_names is None else class_names
    all_parts, all_y = np.concatenate(part), np.concatenate(y)
    names: list[str] = [name for one in stored for name in one.names]
    files: Files = {}
    with ExitStack() as stack:
        writers: list[Any] = []
        for i, (name, path) in enumerate(paths.items()):
            here = np.flatnonzero(all_parts == i)
            if not len(here):
                raise DataError(f"{path}: expected images, got none. Take other numbers.")
            kept = [names[k] for k in here] if len(names) == len(all_y) else []
            made = writing(
                path, name, data.shape[1:], all_y[here], class_names, kept, dtype=data.dtype
            )
            writers.append(stack.enter_context(made))
            files[path] = len(here)
        for one, parts in zip(stored, part, strict=True):
            for at, x in one.blocks():
                for i, writer in enumerate(writers):
                    writer.add(x[parts[at] == i])
    return files
