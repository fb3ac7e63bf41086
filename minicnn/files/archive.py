"""Zip archives and JSON from strangers: read by name, with a bound on everything.

Nothing is ever unpacked to disk, so a member's name leads nowhere. A zip can claim more
than it holds, or hold a thousand times its size; JSON can be nested so deep that whoever goes
through it falls over.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from minicnn.errors import MiniCNNError
from minicnn.files.atomic import reason
from minicnn.files.hdf5 import regular_file_size

BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on bytes that make no sense."""

TABLE_LIMIT = 1 << 20
"""The largest table of members that is read, in bytes."""

EXPANSION = 16
"""How many times the size of the archive a member may be: arrays hardly shrink."""

JSON_LIMIT = 4 << 20
"""The longest JSON that is read, in bytes; that of ResNet-152 is a tenth of it."""

PARTS_LIMIT = 200_000
"""How many lists and objects JSON may have: each takes fifty times its two bytes."""

DEPTH_LIMIT = 100
"""How deep JSON may be nested."""


class Archive:
    """An open zip file, whose members are read by name."""

    def __init__(
        self, path: Path, kind: str, error: type[MiniCNNError], archive: zipfile.ZipFile, size: int
    ) -> None:
        self.path = path
        self.kind = kind
        self.error = error
        self._zip = archive
        self._size = size

    def read(self, name: str, limit: int | None = None) -> bytes:
        """A member, whole; raises the archive's error if it is not there or too large."""
        limit = EXPANSION * self._size if limit is None else limit
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise self.error(
                f"{self.path}: expected a {self.kind} file, got one without {name}."
            ) from None
        if info.file_size > limit:
            raise self.error(
                f"{self.path}: {name} claims {info.file_size:,} bytes, which is too many."
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.error(
                f"{self.path}: expected {name} stored or deflated, got another compression."
            )
        with self._zip.open(info) as member:
            return member.read(limit + 1)[:limit]

    def json(self, name: str) -> dict[str, Any]:
        """The JSON object in a member."""
        return json_object(f"{self.path}: {name}", self.read(name, JSON_LIMIT), self.error)


@contextmanager
def opened(path: Path, kind: str, error: type[MiniCNNError]) -> Iterator[Archive]:
    """The zip file at ``path``; raises ``error`` with one line where it is none of that kind."""
    size = regular_file_size(path, error)
    try:
        with _Cautious(os.fspath(path)) as file, zipfile.ZipFile(file) as archive:
            file.careful = False
            yield Archive(path, kind, error, archive, size)
    except error:
        raise
    except OSError as problem:
        raise error(f"{path}: cannot be read: {reason(problem)}.") from None
    except BAD_ZIP:
        got = "another kind, or a damaged one."
        with path.open("rb") as start:
            if start.read(4) == b"\x89HDF":
                got = "an HDF5 file. Let its name end in .h5."
        raise error(f"{path}: expected a {kind} file, got {got}") from None


class _Cautious(FileIO):
    """A file of whose table of members no more is read than any archive here needs."""

    careful = True

    def read(self, size: int | None = -1, /) -> Any:
        """Refuse to read much at once, as long as it is the table that is read."""
        if self.careful and size is not None and size > TABLE_LIMIT:
            raise zipfile.BadZipFile
        return super().read(size)


def json_object(who: str, text: bytes | str, error: type[MiniCNNError]) -> dict[str, Any]:
    """The JSON object that ``text`` is; raises ``error`` for another, a long or a deep one.

    >>> json_object("config", '{"a": [1, 2]}', MiniCNNError)
    {'a': [1, 2]}
    """
    if len(text) > JSON_LIMIT:
        raise error(f"{who} has {len(text):,} bytes, which is too many.")
    marks = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if sum(map(text.count, marks)) > PARTS_LIMIT:  # type: ignore[arg-type]
        raise error(f"{who} has more than {PARTS_LIMIT:,} lists and objects.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise error(f"{who} is damaged.") from None
    if not isinstance(value, dict):
        raise error(f"{who} is damaged.")
    level: list[Any] = [value]
    for _ in range(DEPTH_LIMIT):
        parts = (x.values() if isinstance(x, dict) else x for x in level)
        level = [x for part in parts for x in part if isinstance(x, dict | list)]
        if not level:
            return value
    raise error(f"{who} is nested more than {DEPTH_LIMIT} deep.")
