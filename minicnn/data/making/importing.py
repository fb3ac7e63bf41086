"""``import_images``: pictures in folders, or arrays, as one HDF5 file to train on."""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import boolean, choice, whole_number
from minicnn._core.console import warn
from minicnn._core.shapes import Array, Shape, pair
from minicnn._files.atomic import STEM, clear, reason, replacing
from minicnn._files.lock import held
from minicnn._files.paths import path_of
from minicnn._parallel.threads import get_threads
from minicnn.data.duplicates import FINGERPRINT, fingerprints, groups
from minicnn.data.images import silence
from minicnn.data.making.decoding import Decoded, Decoder
from minicnn.data.making.journal import Block, Journal
from minicnn.data.making.opening import open_source
from minicnn.data.making.pictures import FITS, as_picture
from minicnn.data.making.sources import Source
from minicnn.data.making.splitting import check_fractions, grouped_by, joined, parts_of
from minicnn.data.making.writing import check_target, target_of, writing
from minicnn.errors import ConfigError, DataError, printable

COLORS = {"grey": 1, "rgb": 3}

SIZE = 64, 64
"""The course's, and that of pictures where nothing else is said."""

BLOCK = 1 << 20
MOST_IN_BLOCK = 256
"""Bytes and images that are decoded and noted together."""

SHOWN = 10
"""Broken pictures that are named; a file names all."""


@dataclass(frozen=True)
class Imported:
    """What ``import_images`` has made."""

    files: dict[Path, int]
    """The files, and how many images are in each."""
    shape: Shape
    class_names: tuple[str, ...]
    broken: dict[str, str]
    """What is wrong with the pictures that were left out, by name."""
    list_of_broken: Path | None
    """The text file that names them."""
    similar: int
    """How many images show the same as another one, or belong to it by ``group_by``."""

    def __str__(self) -> str:
        lines = [
            f"{path}: {count:,} images {self.shape}, {len(self.class_names)} classes"
            for path, count in self.files.items()
        ]
        if self.similar:
            lines.append(f"{self.similar:,} images that belong to another stayed on its side.")
        if self.broken:
            count = len(self.broken)
            lines.append(f"Left out: {count:,} broken, all named in {self.list_of_broken}")
            lines += [f"  {name}: {why}" for name, why in list(self.broken.items())[:SHOWN]]
            lines += [f"  and {count - SHOWN:,} more"] * (count > SHOWN)
        return "\n".join(lines)


def import_images(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    size: Sequence[int] | int | None = None,
    color: str | None = None,
    fit: str = "stretch",
    validation: float = 0.0,
    test: float = 0.0,
    group_by: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    x_key: str | None = None,
    y_key: str | None = None,
    seed: int = 0,
    gzip: bool = False,
    overwrite: bool = False,
    verbose: bool = False,
) -> Imported:
    """Make an HDF5 file in the course's layout of pictures, or of arrays in another file.

    ``source`` is a folder with a folder for each class, a CSV of paths and labels, or a file of
    arrays (see ``minicnn.data.making.opening``), for which ``labels`` is another file and ``x_key``
    and ``y_key`` are datasets. Images become uint8 of ``size`` (height, width), by default 64 x 64
    for pictures and as it is for arrays; ``color`` is "rgb" or "grey"; ``fit`` says what becomes of
    another ratio: "stretch", "crop" or "pad". ``seed`` gives their order.

    The fractions ``validation`` and ``test`` go into files of their own, ``mine_test.h5`` beside
    ``mine.h5``: of each class in proportion, while pictures that show the same stay together, as do
    those with the same ``group_by``: a column of the CSV, or a regular expression for their names.

    Broken pictures are left out and listed. After a kill the same call goes on where it was. Raises
    ``DataError`` for a source that cannot be read and ``ConfigError`` for other arguments.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "cat").mkdir()
    ...     Image.new("RGB", (80, 60), "red").save(f"{folder}/cat/1.png")
    ...     import_images(folder, f"{folder}/pets.h5", size=(32, 32)).class_names
    ('cat',)
    """
    who = "import_images"
    out = path_of(who, "out", out)
    whole_number(who, "seed", seed, 0)
    choice(who, "fit", fit, FITS)
    choice(who, "color", color, (*COLORS, None))
    boolean(who, "gzip", gzip)
    check_target(out, overwrite, [source])
    fractions = {name: f for name, f in (("validation", validation), ("test", test)) if f}
    check_fractions(who, fractions)
    opened = open_source(source, labels, x_key, y_key)
    shape = _shape(who, opened, size, color)
    named = grouped_by(opened.names, group_by, opened.columns)
    job = _Job(opened, shape, fit, seed, bool(fractions), verbose)
    parts = _targets(out, fractions, opened, overwrite or job.begun(out), source)
    with ExitStack() as stack:
        journal = job.begin(out, stack)
        clear(out.parent, *(path.stem[:STEM] for path in parts.values()))
        job.decode(journal)
        made = _finish(job, journal, parts, list(fractions.values()), named, gzip)
        with suppress(OSError):
            journal.path.unlink()
    return made


def _targets(
    out: Path, fractions: Mapping[str, float], opened: Source, overwrite: bool, source: Any
) -> dict[str, Path]:
    """The files of the parts; raises ``ConfigError`` if one must not be written."""
    if opened.parts is not None and "test" in fractions:
        raise ConfigError(f"{out}: the source has images to test on. Leave the fraction test out.")
    names = [*fractions, *(["test"] if opened.parts is not None else [])]
    for name in names:
        check_target(target_of(out, name), overwrite, [source])
    return {"train": out, **{name: target_of(out, name) for name in names}}


def _journal_of(out: Path) -> Path:
    """Where an import that is under way has its images."""
    return out.parent / f".{out.stem[:STEM]}.import"


def _shape(who: str, source: Source, size: Any, color: str | None) -> Shape:
    height, width, channels = (*SIZE, 3) if source.x is None else source.x.shape[1:]
    if size is not None:
        height, width = pair(who, "size", size)
    return height, width, COLORS[color] if color else min(channels, 3)


class _Job:
    """Decoding the images of a source, block by block in their final order."""

    def __init__(
        self, source: Source, shape: Shape, fit: str, seed: int, prints: bool, verbose: bool
    ) -> None:
        self.source, self.shape, self.fit = source, shape, fit
        self.seed, self.prints, self.verbose = seed, prints, verbose
        self.order = np.random.default_rng(seed).permutation(len(source.names))
        said = f"{source.state} {shape} {fit} {seed} {prints}"
        self.state = hashlib.sha256(said.encode()).hexdigest()

    def begun(self, out: Path) -> bool:
        """Whether the same import was begun, which may have put parts in place."""
        with suppress(OSError), _journal_of(out).open("rb") as journal:
            return journal.readline(len(self.state) + 2) == f"{self.state}\n".encode()
        return False

    def begin(self, out: Path, stack: ExitStack) -> Journal:
        """The journal beside the target, for this process alone."""
        path = _journal_of(out)
        try:
            path.touch(0o600)
            stack.enter_context(held(path, by="import"))
            journal = Journal(path, self.state, self.shape)
        except OSError as error:
            missing = f" Make the folder {str(out.parent)!r} first." * (not out.parent.exists())
            raise ConfigError(f"{out}: cannot be written: {reason(error)}.{missing}") from None
        stack.callback(journal.close)
        if journal.anew:
            warn(f"{out}: the source or the options are others than before: begun anew.")
        return journal

    def decode(self, journal: Journal) -> None:
        """Decode what the journal has not, on all threads; it has all then."""
        step = max(1, min(MOST_IN_BLOCK, BLOCK // int(np.prod(self.shape))))
        starts = iter(range(journal.count, len(self.order), step))
        waiting: deque[Future[tuple[list[Any], int]]] = deque()
        bar = self._bar(journal.count)
        self.decoder = Decoder(len(self.order) - journal.count)
        pool = ThreadPoolExecutor(get_threads(), thread_name_prefix="minicnn")
        try:
            with silence():
                for first in starts:
                    waiting.append(pool.submit(self._block, first, first + step))
                    if len(waiting) > 2 * get_threads():
                        self._note(journal, waiting.popleft(), bar)
                while waiting:
                    self._note(journal, waiting.popleft(), bar)
        finally:
            pool.shutdown(cancel_futures=True)
            self.decoder.close()
            bar.close()

    def _note(self, journal: Journal, future: "Future[tuple[list[Any], int]]", bar: Any) -> None:
        packed, count = future.result()
        try:
            journal.add(packed, count)
        except OSError as error:
            raise ConfigError(
                f"{journal.path}: cannot be written: {reason(error)}. What is there is kept: the "
                "same command goes on from it."
            ) from None
        bar.update(count)

    def _block(self, first: int, last: int) -> tuple[list[Any], int]:
        places = self.order[first:last]
        rows, wrong = self._decoded(places)
        broken = {int(places[i]): why for i, why in wrong.items()}
        at = np.delete(places, list(wrong))
        prints = fingerprints(rows) if self.prints else np.zeros(len(at), FINGERPRINT)
        return Block(at, rows, prints, broken).packed(), len(places)

    def _decoded(self, places: Array) -> Decoded:
        source, shape = self.source, self.shape
        if source.x is not None:
            x = source.x[places]
            if x.shape[1:] != shape:
                x = np.stack([as_picture(one, shape, self.fit) for one in x])
            return x, {}
        paths = [source.paths[i] for i in places]
        rows, broken = self.decoder.decode(paths, shape, self.fit)
        for i in broken:
            if int(places[i]) not in source.absent and not os.path.lexists(paths[i]):
                raise DataError(
                    f"{paths[i]}: was there, and is not any more. Is its drive out of reach? The "
                    "same command goes on from here if nothing else has changed."
                )
        return rows, broken

    def _bar(self, done: int) -> Any:
        from tqdm import tqdm

        shown = self.verbose and bool(getattr(sys.stderr, "isatty", bool)())
        return tqdm(
            total=len(self.order), initial=done, unit=" images", disable=not shown, leave=False
        )


def _finish(
    job: _Job,
    journal: Journal,
    parts: dict[str, Path],
    fractions: list[float],
    named: Array | None,
    gzip: bool,
) -> Imported:
    """Write the files of what the journal has."""
    source = job.source
    blocks = list(journal.blocks(rows=False))
    wrong = sorted((i, why) for block in blocks for i, why in block.broken.items())
    broken = {printable(source.names[i]): why for i, why in wrong}
    at = np.concatenate([block.at for block in blocks])
    if not len(at):
        journal.path.unlink()
        name, why = next(iter(broken.items()))
        raise DataError(f"{name}: {why} So are all {len(broken):,} pictures.")
    y = source.y[at]
    part, similar = np.zeros(len(at), np.int64), 0
    if source.parts is not None:
        part = source.parts[at] * (len(parts) - 1)
    if fractions:
        known = [np.asarray(named)[at]] if named is not None else []
        group = joined(groups(np.concatenate([block.prints for block in blocks])), *known)
        similar = int((group != np.arange(len(group))).sum())
        mine = part == 0
        part[mine] = parts_of(y[mine], group[mine], fractions, job.seed)
    files: dict[Path, int] = {}
    with ExitStack() as stack:
        writers = []
        for i, (name, path) in enumerate(parts.items()):
            here = part == i
            if not here.any():
                raise DataError(f"{path}: expected images, got none. Take another fraction.")
            names = [source.names[k] for k in at[here]]
            made = writing(path, name, job.shape, y[here], source.class_names, names, gzip)
            writers.append(stack.enter_context(made))
            files[path] = int(here.sum())
        for rows, of in _parted(journal, part):
            for i, writer in enumerate(writers):
                writer.add(rows if len(writers) == 1 else rows[of == i])
    listed = _list_broken(next(iter(parts.values())), broken)
    return Imported(files, job.shape, source.class_names, broken, listed, similar)


def _parted(journal: Journal, part: Array) -> Iterator[tuple[Array, Array]]:
    """The images of each block, and the parts they belong to."""
    done = 0
    for block in journal.blocks():
        yield block.rows, part[done : done + len(block.rows)]
        done += len(block.rows)


def _list_broken(out: Path, broken: dict[str, str]) -> Path | None:
    if not broken:
        return None
    path = target_of(out, "broken").with_suffix(".txt")
    with replacing(path) as unfinished:
        text = "".join(f"{name}\t{why}\n" for name, why in broken.items())
        unfinished.write_text(text, encoding="utf-8", errors="replace")
    return path
