"""Files, folders and arrays, read as far as they can be; what is wrong becomes findings."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn._files import hdf5
from minicnn._files.paths import path_of
from minicnn.data.arrays import Dataset, as_array, gives_batches
from minicnn.data.axis_order import COLOURS, order_of, reshaped, transposition
from minicnn.data.doctor import folder, labels, layout
from minicnn.data.doctor.finding import ADVICE, ERROR, Finding, number_of
from minicnn.data.doctor.measuring import Measures, measured
from minicnn.data.doctor.part import MOST, Part, sample
from minicnn.data.hdf5 import check_kind, count_of, in_order, key_of, numbered
from minicnn.data.hdf5_dataset import HDF5Dataset
from minicnn.data.streaming import Source
from minicnn.errors import DataError, printable, shown

WHO = "inspect"

LARGE = 512 << 20
"""Bytes of images that are read at once; of larger files only those that are looked at are read."""

PIXELS = 8 << 20
"""Pixels that are measured at once."""


def part_of(
    given: Any, what: str, alone: bool, x_key: str | None, y_key: str | None, seed: int
) -> Part:
    """The part that a path, (x, y), a data set or an array of images is.

    Raises ``DataError`` for what cannot be read at all.
    """
    noun = "image" if alone else f"{what} image"
    if isinstance(given, str | os.PathLike):
        path = path_of(WHO, what, given, DataError)
        if path.is_dir():
            return folder.read(path, what, noun, seed)
        return _of_file(path, what, noun, x_key, y_key, seed)
    if isinstance(given, Dataset):
        return _of_arrays(given.x, given.y, given.class_names, given.source, what, noun, seed)
    if isinstance(given, Source):
        return _of_source(given, what, noun, seed)
    x, y = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    if given is None or gives_batches(x) or isinstance(x, dict):
        raise DataError(
            f"{WHO}: expected {what} data as a file, a folder, (x, y) or a data set, got "
            f"{shown(given)}."
        )
    y = None if y is None else as_array(WHO, y, "labels")
    return _of_arrays(as_array(WHO, x, "images"), y, (), f"{what} arrays", what, noun, seed)


def _of_arrays(
    x: Array, y: Array | None, names: tuple[str, ...], source: str, what: str, noun: str, seed: int
) -> Part:
    m = None if y is None else len(y)
    x, found = _pictures(source, x, m, noun)
    part = _part(x, what, noun, source, seed)
    part.findings += found
    _label(part, y, names, file=False)
    return part


def _of_source(source: Source, what: str, noun: str, seed: int) -> Part:
    """The part of images that are read when they are needed."""
    index = sample(len(source), seed)
    step = max(1, PIXELS // int(np.prod(source.shape[1:])))
    blocks = (source.images(index[i : i + step]) for i in range(0, len(index), step))
    part = _described(source.shape, source.dtype, measured(blocks), index, what, noun, seed)
    part.source = source.name
    part.picture = lambda i: np.asarray(source.images(np.array([i]))[0])
    _label(part, source.labels, source.class_names, file=True)
    return part


def _of_file(
    path: Path, what: str, noun: str, x_key: str | None, y_key: str | None, seed: int
) -> Part:
    check_kind(path)
    findings: list[Finding] = []
    with hdf5.opened(path, DataError, attributes=False) as file:
        x_key, y_key, guessed = _keys(path, file, x_key, y_key)
        findings += guessed
        x_found = file.datasets[x_key]
        itemsize = np.dtype(x_found.dtype or "u1").itemsize
        large = y_key is not None and math.prod(x_found.shape) * itemsize > LARGE
        x = np.empty(0) if large else file.read(x_key)
        y = None if y_key is None else file.read(y_key, text=True)
        turned = y_key is not None and file.datasets[y_key].matlab
        listed = "list_classes" in file.datasets
        texts = file.read("list_classes", text=True).reshape(-1) if listed else None
        others = [name for name in file.datasets if name not in (x_key, y_key, "list_classes")]
    if large:
        part = _of_source(HDF5Dataset(path, x_key, y_key), what, noun, seed)
        part.findings += [*findings, *layout.findings(x_key, x_found, noun)]
        part.facts.insert(-1, layout.described(x_key, x_found))
        return part
    if y is not None and y.dtype.kind == "O":
        y, texts = numbered(f"{path}: {y_key}", y, texts)
    names = tuple(
        printable(" ".join(str(text).split())) for text in (() if texts is None else texts)
    )
    y = y.T if y is not None and turned else y
    m = None if y is None else count_of(y, len(x))
    if x_found.matlab:
        x = in_order(f"{path}: {x_key}", x, m, True)
    x, found = _pictures(f"{path}: {x_key}", x, m, noun)
    part = _part(x, what, noun, path.name, seed)
    part.findings += [*findings, *found, *layout.findings(x_key, x_found, noun)]
    part.facts.append(layout.described(x_key, x_found))
    if others:
        part.facts.append(f"also in the file: {', '.join(printable(one) for one in others[:8])}")
    _label(part, y, names, file=True)
    return part


def _keys(
    path: Path, file: hdf5.File, x_key: str | None, y_key: str | None
) -> tuple[str, str | None, list[Finding]]:
    """The names of the images and the labels: as ``load_hdf5`` finds them, or as shapes tell."""
    usual = [name for name in file.datasets if "/" not in name]
    found: list[Finding] = []
    if x_key is None and not any(name.endswith("_set_x") for name in usual):
        shapes = {name: one.shape for name, one in file.datasets.items() if not one.refused}
        pictures = [name for name, shape in shapes.items() if len(shape) == 4]
        pictures = pictures or [name for name, shape in shapes.items() if len(shape) == 3]
        if len(pictures) == 1:
            x_key = pictures[0]
            numbers = [
                name
                for name, shape in shapes.items()
                if name not in (x_key, "list_classes") and _may_label(shape, shapes[x_key])
            ]
            if y_key is None and len(numbers) == 1:
                y_key = numbers[0]
                found.append(
                    Finding(
                        "names of datasets",
                        f"There is no *_set_x; {x_key} seems to hold the images, and {y_key} the "
                        "labels.",
                        f"Give load_hdf5 x_key={x_key!r}, y_key={y_key!r} (--x-key, --y-key), or "
                        "rename them to train_set_x and train_set_y.",
                        ADVICE,
                    )
                )
    x_key = key_of(path, file, x_key, "_set_x", "x_key")
    if y_key is None and not any(name.endswith("_set_y") for name in usual):
        found.append(
            Finding(
                "no labels",
                f"There is no dataset named *_set_y beside {x_key}.",
                "Name the labels with y_key (--y-key), or store them.",
                ERROR,
            )
        )
        return x_key, None, found
    return x_key, key_of(path, file, y_key, "_set_y", "y_key"), found


def _may_label(shape: Shape, images: Shape) -> bool:
    return len(shape) in (1, 2) and bool(set(images) & set(shape))


def _pictures(who: str, x: Array, m: int | None, noun: str) -> tuple[Array, list[Finding]]:
    """Images as (m, H, W, C), and what is wrong with their axes."""
    found: list[Finding] = []
    if x.dtype.kind not in "biuf":
        raise DataError(f"{who}: expected images as numbers, got {x.dtype} {x.shape}.")
    order = order_of(x.shape, m) if x.ndim in (3, 4) else None
    call = ""
    if order is not None:
        call = transposition(order)
    elif x.ndim == 2 and (call := reshaped(x.shape[1])):
        order = ()
    if order is not None:
        found.append(
            Finding(
                "order of axes",
                f"The {noun}s are {x.shape}, where (m, H, W, C) is expected.",
                f"Store {call}; what is said here is of these.",
                ERROR,
            )
        )
        x = x.transpose(order) if order else x.reshape(len(x), *_sides(x.shape[1]))
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or not x.size:
        raise DataError(f"{who}: expected images of shape (m, H, W, C), got {x.shape}.")
    if x.shape[3] not in (*COLOURS, 2):
        found.append(
            Finding(
                "number of channels",
                f"The {noun}s have {x.shape[3]} channels, where pictures have 1, 3 or 4.",
                "Look at how they were read: x.shape should be (m, H, W, C).",
            )
        )
    return x, found


def _sides(features: int) -> Shape:
    channels = 3 if reshaped(features).endswith("3)") else 1
    side = round((features / channels) ** 0.5)
    return side, side, channels


def _part(x: Array, what: str, noun: str, source: str, seed: int) -> Part:
    index = sample(len(x), seed)

    step = max(1, PIXELS // int(np.prod(x.shape[1:])))
    whole = len(index) == len(x)
    firsts = range(0, len(index), step)
    m = measured(x[i : i + step] if whole else x[index[i : i + step]] for i in firsts)
    part = _described(x.shape, x.dtype, m, index, what, noun, seed)
    part.source = source
    part.picture = lambda i: x[i]
    return part


def _described(
    shape: Shape, dtype: DType, m: Measures | None, index: Array, what: str, noun: str, seed: int
) -> Part:
    """The part of images of one shape and dtype, with its first facts."""
    assert m is not None
    span = f"{m.low.min():.6g} to {m.high.max():.6g}"
    n, height, width, channels = shape
    facts = [f"{number_of(n, 'image')} of {height} x {width} x {channels}, {dtype} {span}"]
    if len(index) < n:
        facts.append(f"looked at: {MOST:,} images, drawn at random (seed {seed})")
    if channels >= 3 and m.grey.all():
        facts.append("all grey: the channels are equal")
    return Part(what, noun, "", tuple(shape[1:]), dtype, index, n, m, facts=facts)


def _label(part: Part, y: Array | None, names: tuple[str, ...], file: bool) -> None:
    part.names, part.raw_labels = names, y
    if y is None:
        return
    part.y, found = labels.classes_of(y, part.total, names, part.noun, file)
    part.findings += found
    part.facts.append(f"labels {y.dtype if y.dtype.kind in 'biuf' else 'text'} {y.shape}")
