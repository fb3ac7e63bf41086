"""Zip archives and JSON from strangers: read by name, with a bound on everything.

Nothing is ever unpacked to disk, so a member's name leads nowhere. A zip can claim more
than it holds, or hold a thousand times its size; JSON can be nested so deep that whoever goes
through it falls over.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn.errors import MiniCNNError

if TYPE_CHECKING:
    import zipfile

TABLE_LIMIT = 1 << 20
"""The largest table of members that is read, in bytes."""

JSON_LIMIT = 4 << 20
"""The longest JSON that is read, in bytes; that of ResNet-152 is a tenth of it."""

PARTS_LIMIT = 200_000
"""How many lists, objects and commas JSON may have: each may take fifty times its bytes."""

ENCRYPTED = 1
"""The bit of a member's flags that says so."""

DEPTH_LIMIT = 100
"""How deep JSON may be nested."""


class Archive:
    """An open zip file, whose members are read by name; ``budget`` is that of the whole file."""

    def __init__(self, path: Path, kind: str, archive: "zipfile.ZipFile", budget: Budget) -> None:
        self.path = path
        self.kind = kind
        self.error = budget.error
        self.budget = budget
        self._zip = archive
        # Some programs for Windows write "\\" in the names of members.
        self._members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}

    @property
    def names(self) -> list[str]:
        """The names of the members."""
        return list(self._members)

    def read(self, name: str, limit: int | None = None) -> bytes:
        """A member, whole; raises the archive's error if it is not there or too large."""
        import zipfile

        info = self._members.get(name)
        if info is None:
            raise self.error(f"{self.path}: expected a {self.kind} file, got one without {name}.")
        if limit is not None and info.file_size > limit:
            raise self.error(
                f"{self.path}: {name} claims {info.file_size:,} bytes, which is too many."
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.error(
                f"{self.path}: expected {name} stored or deflated, got another compression."
            )
        if info.flag_bits & ENCRYPTED:
            raise self.error(f"{self.path}: expected {name} as it is, got it encrypted.")
        self.budget.take(name, info.file_size, "Store it without compression.")
        with self._zip.open(info) as member:
            return member.read(info.file_size + 1)[: info.file_size]

    def json(self, name: str) -> dict[str, Any]:
        """The JSON object in a member."""
        return json_object(f"{self.path}: {name}", self.read(name, JSON_LIMIT), self.error)


@contextmanager
def opened(path: Path, kind: str, error: type[MiniCNNError]) -> Iterator[Archive]:
    """The zip file at ``path``; raises ``error`` with one line where it is none of that kind.

    Nothing is to be done meanwhile but to read members: whatever is raised is the file's fault.
    """
    import zipfile

    budget = Budget(str(path), error, regular_file_size(path, error))
    try:
        with _Cautious(os.fspath(path)) as file, zipfile.ZipFile(file) as archive:
            file.careful = False
            yield Archive(path, kind, archive, budget)
    except error:
        raise
    except OSError as problem:
        raise error(f"{path}: cannot be read: {reason(problem)}.") from None
    except Exception:  # zipfile and zlib raise a dozen kinds on bytes that make no sense
        got = "another kind, or a damaged one."
        with suppress(OSError), path.open("rb") as start:
            if start.read(4) == b"\x89HDF":
                got = "an HDF5 file. Let its name end in .h5."
        raise error(f"{path}: expected a {kind} file, got {got}") from None


class _Cautious(FileIO):
    """A file of whose table of members no more is read than any archive here needs."""

    careful = True

    def read(self, size: int | None = -1, /) -> Any:
        """Refuse to read much at once, as long as it is the table that is read."""
        if self.careful and size is not None and size > TABLE_LIMIT:
            raise ValueError
        return super().read(size)


def json_object(who: str, text: bytes | str, error: type[MiniCNNError]) -> dict[str, Any]:
    """The JSON object that ``text`` is; raises ``error`` for another, a long or a deep one.

    >>> json_object("config", '{"a": [1, 2]}', MiniCNNError)
    {'a': [1, 2]}
    """
    value = json_value(who, text, error)
    if not isinstance(value, dict):
        raise error(f"{who} is damaged.")
    return value


def json_value(who: str, text: bytes | str, error: type[MiniCNNError]) -> Any:
    """What ``text`` is in JSON; raises ``error`` for what is none, long or deep.

    >>> json_value("names", '["a", "b"]', MiniCNNError)
    ['a', 'b']
    """
    if len(text) > JSON_LIMIT:
        raise error(f"{who} has {len(text):,} bytes, which is too many.")
    marks = (b"[", b"{", b",") if isinstance(text, bytes) else ("[", "{", ",")
    if sum(map(text.count, marks)) > PARTS_LIMIT:  # type: ignore[arg-type]
        raise error(f"{who} has more than {PARTS_LIMIT:,} lists and objects, or values in them.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise error(f"{who} is damaged.") from None
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH_LIMIT):
        parts = (x.values() if isinstance(x, dict) else x for x in level)
        level = [x for part in parts for x in part if isinstance(x, dict | list)]
        if not level:
            return value
    raise error(f"{who} is nested more than {DEPTH_LIMIT} deep.")
