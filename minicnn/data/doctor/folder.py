"""A folder of pictures, which has a folder for each class; and findings about its files."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.atomic import reason
from minicnn.data.doctor.finding import ADVICE, ERROR, WARNING, Finding, listed, number_of
from minicnn.data.doctor.leaks import telling
from minicnn.data.doctor.measuring import measured
from minicnn.data.doctor.part import MOST, Part, sample
from minicnn.data.images import opened
from minicnn.errors import DataError, printable

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

LONGEST = 256
"""Pixels along the longer side of what is measured of a picture."""

ORIENTATION = 0x0112
"""The number in EXIF data that says how a picture was held; from 5 on it lies on its side."""

STRETCHED = 4.0
"""A longer side is usually less than this many times the shorter: panoramas and scans of lines
are more, and a square made of them shows nothing as it is."""

FAR = 4.0
"""How many times smaller, or larger, than the median a picture must be along both sides."""

USUAL = 0.9
"""The part of pictures of one size from which on other sizes are odd."""

PARTS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval")
"""Names of folders that are parts of a data set, and no classes."""


def read(path: Path, what: str, noun: str, seed: int) -> Part:
    """The pictures of a folder; raises ``DataError`` if there are none that can be read."""
    classes, files, found = _listed(path)
    y = None if not classes else np.array([label for label, _ in files])
    names = [name for _, name in files]
    index = sample(len(files), seed)
    shapes: list[tuple[int, int]] = []
    broken: list[tuple[int, str]] = []

    def pictures() -> Iterator[Array]:
        for i in index:
            try:
                whole, size = _picture(path / names[i])
            except DataError as error:
                broken.append((int(i), str(error)))
                continue
            shapes.append(size)
            yield _reduced(whole)[None]

    m = measured(pictures())
    if not len(m):
        raise DataError(f"{path}: none of {len(index)} pictures can be read: {broken[0][1]}")
    index = np.setdiff1d(index, [i for i, _ in broken])
    if broken:
        lost = [printable(names[i]) for i, _ in broken]
        found.append(
            Finding(
                "broken pictures",
                f"Of {len(files):,} files {len(lost):,} {'is' if len(lost) == 1 else 'are'} "
                f"damaged, or no picture: {listed(lost)}.",
                "Fetch them again, or take them out.",
                ERROR,
                {what: [i for i, _ in broken]},
            )
        )
    shape = (*shapes[0], m.small.shape[-1]) if len(set(shapes)) == 1 else None
    part = Part(
        *(what, noun, path.name or str(path), shape, np.dtype(np.uint8), index, len(files), m),
        picture=lambda i: _picture(path / names[i])[0],
        y=y,
        names=tuple(map(printable, classes)),
        files=[printable(name) for name in names],
        findings=found,
    )
    kind = "in colour" if not m.grey.all() and m.small.shape[-1] == 3 else "grey"
    part.facts = [f"{number_of(len(files), 'picture')} {kind}, {_sizes(shapes)}"]
    if len(files) > MOST:
        part.facts.append(f"looked at: {MOST:,} pictures, drawn at random (seed {seed})")
    part.findings += _shapes(part, shapes)
    return part


def _listed(path: Path) -> tuple[list[str], list[tuple[int, str]], list[Finding]]:
    """(the names of the classes, (class, file) of each picture, what is wrong with the folder)."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}.") from None
    classes = [one.name for one in entries if one.is_dir() and not one.name.startswith(".")]
    loose = [one.name for one in entries if one.is_file() and _is_picture(one.name)]
    files: list[tuple[int, str]] = []
    others = 0
    for label, name in enumerate(classes):
        for root, _, inside in sorted(os.walk(path / name)):
            for file in sorted(inside):
                if _is_picture(file):
                    files.append((label, os.path.relpath(os.path.join(root, file), path)))
                else:
                    others += not file.startswith(".")
    if not files:
        if not loose:
            raise DataError(
                f"{path}: expected a folder for each class, with pictures ({', '.join(ENDINGS)}), "
                "got no pictures."
            )
        what = f"The {number_of(len(loose), 'picture')} lie in no folder of a class."
        remedy = "Make a folder for each class, with its pictures."
        return [], [(0, name) for name in loose], [Finding("no labels", what, remedy, ERROR)]
    return classes, files, list(_arrangement(classes, files, loose, others))


def _arrangement(
    classes: Sequence[str], files: Sequence[tuple[int, str]], loose: Sequence[str], others: int
) -> Iterator[Finding]:
    if len(classes) > 1 and all(name.lower() in PARTS for name in classes):
        first = sorted(classes, key=lambda name: PARTS.index(name.lower()))
        yield Finding(
            "parts taken for classes",
            f"The folders are {listed(classes)}, which seem to be parts of the data, not classes.",
            f"Give them one by one: minicnn data inspect {' '.join(first[:2])}.",
            ERROR,
        )
    if loose:
        yield Finding(
            "pictures without a class",
            f"{number_of(len(loose), 'picture', 'is')} not in the folder of a class: "
            f"{listed(map(printable, loose))}.",
            "Move them to their class; they are not read.",
        )
    if others:
        yield Finding(
            "other files",
            f"{number_of(others, 'file', 'is')} no picture by the ending of the name.",
            "They are not read; take them out if they do not belong there.",
            ADVICE,
        )


def _is_picture(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def _picture(path: Path) -> tuple[Array, tuple[int, int]]:
    """(a picture as uint8 (H, W, 1 or 3), upright and perhaps reduced, its full (H, W))."""
    from PIL import ImageOps

    with opened(path) as picture:
        width, height = picture.size
        picture.draft(None, (LONGEST, LONGEST))  # of a JPEG no more pixels are decoded than needed
        turned = picture.getexif().get(ORIENTATION, 1) > 4
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith(("I", "F")):
            pixels = _bytes(np.asarray(picture, np.float32))
        else:
            pixels = np.asarray(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
    return pixels.reshape(*pixels.shape[:2], -1), (width, height) if turned else (height, width)


def _bytes(values: Array) -> Array:
    """16 bits, or more, as 8."""
    most = float(values.max())
    return np.asarray(values / (257 if most > 255 else 1)).clip(0, 255).astype(np.uint8)


def _reduced(x: Array) -> Array:
    step = -(-max(x.shape[:2]) // LONGEST)
    return x[::step, ::step] if step > 1 else x


def _sizes(shapes: Sequence[tuple[int, int]]) -> str:
    counts = Counter(shapes)
    (height, width), often = counts.most_common(1)[0]
    if len(counts) == 1:
        return f"{height} x {width}"
    low, high = min(counts, key=np.prod), max(counts, key=np.prod)
    return (
        f"of {len(counts):,} sizes, {often / len(shapes):.0%} of them {height} x {width}, "
        f"from {low[0]} x {low[1]} to {high[0]} x {high[1]}"
    )


def _shapes(part: Part, shapes: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    sides = np.array(shapes, float)
    long, short = sides.max(axis=1), sides.min(axis=1)
    stretched = long > STRETCHED * short
    if stretched.any() and stretched.mean() < 0.5:
        where = part.place(stretched)
        yield Finding(
            "extreme aspect ratios",
            f"{number_of(len(where), part.noun, 'is')} more than {STRETCHED:.0f} times as long as "
            f"wide or high: {part.called(where)}.",
            "Look at them; cut out what matters, or leave them out.",
            WARNING,
            {part.what: where},
        )
    counts = Counter(map(tuple, sides.tolist()))
    usual, often = counts.most_common(1)[0]
    other = (sides != usual).any(axis=1)
    middle = np.median(sides, axis=0)
    far = (sides * FAR <= middle).all(axis=1) | (sides >= FAR * middle).all(axis=1)
    odd = other if USUAL * len(shapes) <= often < len(shapes) else far
    odd &= ~stretched
    if odd.any():
        where = part.place(odd)
        first = shapes[int(odd.argmax())]
        yield Finding(
            "odd sizes",
            f"{number_of(len(where), part.noun, 'has')} another size than the others, such as "
            f"{first[0]} x {first[1]} among {usual[0]:.0f} x {usual[1]:.0f}: {part.called(where)}.",
            "Look at them: thumbnails, icons and scans are often there by mistake.",
            WARNING,
            {part.what: where},
        )
    elif part.classes is not None and len(counts) > 1:
        yield from _telling(part, sides)


def _telling(part: Part, sides: Array) -> Iterator[Finding]:
    assert part.classes is not None
    for name, values in (("size", sides.prod(axis=1)), ("shape", sides[:, 0] / sides[:, 1])):
        if told := telling(values, part.classes):
            yield Finding(
                f"the {name} gives the class away",
                f"The {name} of a picture alone, before it is resized, tells class "
                f"{listed(map(part.name, told))} from the others.",
                "Resizing hides it only in part: sharpness and distortion tell it still. Make all "
                "pictures in the same way.",
            )
            return
