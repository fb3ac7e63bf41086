"""Tar and zip archives from the net, unpacked: nothing leaves the folder, and nothing swells.

What is unpacked are plain files and folders. A link to a file inside the archive becomes a copy of
that file; a device, a link that leads out, a path that leads out and an archive that holds
thousands of times its size are refused.
"""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO

from minicnn._files.archive import ENCRYPTED
from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn.errors import DataError

CHUNK = 1 << 18
"""Bytes that are read at once. Of a tar's headers none is as long."""

HEADER = 512
"""Bytes that a member counts for besides its own, as a folder or an empty file has none."""

REMEDY = "If you trust it, unpack it by hand."


@dataclass(frozen=True)
class Member:
    """A file or a folder in an archive."""

    parts: tuple[str, ...]
    folder: bool
    size: int
    open: Callable[[], Any]

    def read(self) -> bytes:
        """What the file holds."""
        with self.open() as file:
            return b"".join(iter(partial(file.read, CHUNK), b""))


def unpack(
    path: Path, folder: Path, formats: Sequence[str] = ("tar", "zip"), without: str = ""
) -> list[str]:
    """Unpack the archive at ``path`` into ``folder``, but for files that are there with their size.

    Of a folder ``without`` at the archive's top what it holds is put into ``folder`` itself.
    Returns the other names at the top. Raises ``DataError`` for what is no archive of these
    ``formats``, is damaged or is not safe.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     with zipfile.ZipFile(folder / "a.zip", "w") as archive:
    ...         archive.writestr("cats/1.txt", "a cat")
    ...     top = unpack(folder / "a.zip", folder / "a")
    ...     (top, (folder / "a/cats/1.txt").read_text())
    (['cats'], 'a cat')
    """
    top: dict[str, None] = {}
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with members_of(path, formats) as members:
            for member in members:
                inside = member.parts
                if inside[0] == without:
                    inside = inside[1:]
                else:
                    top[inside[0]] = None
                written += _placed(path, member, folder.joinpath(*inside), folder)
    except BaseException as error:
        # The checksum of a compressed tar comes last: until then nothing is known to be right.
        for file in written:
            with suppress(OSError):
                file.unlink()
        if isinstance(error, OSError):
            raise DataError(f"{folder}: cannot be written to: {reason(error)}.") from None
        raise
    return list(top)


@contextmanager
def members_of(path: Path, formats: Sequence[str]) -> Iterator[Iterator[Member]]:
    """The members of the archive at ``path``, in order; each is to be read before the next."""
    budget = Budget(str(path), DataError, regular_file_size(path, DataError))
    damaged = f"{path}: expected a {' or '.join(formats)} archive, got a damaged one."
    try:
        if "tar" in formats and _is_tar(path):
            with _opened_tar(path) as stream, tarfile.TarFile(fileobj=stream) as tar:
                yield _tar_members(tar, stream, budget)
        elif "zip" in formats and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield _zip_members(archive, budget)
        else:
            raise DataError(
                f"{path}: expected a {' or '.join(formats)} archive, got another kind of file."
            )
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None:  # the disk; without a number it is gzip or bz2 that complains
            raise
        raise DataError(damaged) from None
    except Exception:  # tarfile, zipfile, zlib and bz2 raise a dozen kinds on bytes without sense
        raise DataError(damaged) from None


def _placed(path: Path, member: Member, target: Path, folder: Path) -> list[Path]:
    """Put a member where it belongs, whole or not at all; returns the file, if it was written."""
    parent = target if member.folder else target.parent
    parent.mkdir(parents=True, exist_ok=True)
    if not parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{path}: {'/'.join(member.parts)!r} would be written through a link.")
    if member.folder or (target.is_file() and target.stat().st_size == member.size):
        return []
    unfinished = parent / f".{os.urandom(4).hex()}"
    try:
        with member.open() as source, unfinished.open("xb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        unfinished.replace(target)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return [target]


def _parts(budget: Budget, name: str) -> tuple[str, ...]:
    """A member's path as names, none of which leads up; raises the archive's error otherwise."""
    parts = PurePosixPath(name).parts
    if PurePath(name).drive or any(
        part in ("/", "//", "..") or "\\" in part or "\0" in part for part in parts
    ):
        raise budget.error(
            f"{budget.who}: member {name!r} would be written outside the folder. {REMEDY}"
        )
    return parts


def _zip_members(archive: zipfile.ZipFile, budget: Budget) -> Iterator[Member]:
    for info in archive.infolist():
        # Some programs for Windows write "\\" in the names of members.
        parts = _parts(budget, info.filename.replace("\\", "/"))
        if info.flag_bits & ENCRYPTED:
            raise budget.error(f"{budget.who}: member {info.filename!r} is encrypted. {REMEDY}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise budget.error(
                f"{budget.who}: expected {info.filename!r} stored or deflated, got another "
                f"compression. {REMEDY}"
            )
        budget.take(repr(info.filename), info.file_size + HEADER, REMEDY)
        if parts:
            folder = info.is_dir() or info.filename.endswith("\\")
            yield Member(parts, folder, info.file_size, partial(archive.open, info))


def _tar_members(tar: tarfile.TarFile, stream: Any, budget: Budget) -> Iterator[Member]:
    for info in tar:
        parts = _parts(budget, info.name)
        if not (info.isfile() or info.isdir() or info.islnk() or info.issym()):
            raise budget.error(f"{budget.who}: member {info.name!r} is a device or a pipe.")
        size = info.size if info.isfile() else 0
        if info.islnk() or info.issym():
            found = _linked(tar, info)
            if found is None:
                raise budget.error(
                    f"{budget.who}: member {info.name!r} is a link to {info.linkname!r}, which is "
                    f"no file in the archive. {REMEDY}"
                )
            size = found
        budget.take(repr(info.name), size + HEADER, REMEDY)
        if parts:
            yield Member(parts, info.isdir(), size, partial(tar.extractfile, info))
    while rest := stream.read(CHUNK):  # up to the checksum
        budget.take("what follows its end", len(rest), REMEDY)


def _linked(tar: tarfile.TarFile, info: tarfile.TarInfo) -> int | None:
    """The size of the file that a link leads to, if there is one in the archive."""
    with suppress(KeyError, RecursionError):
        file = tar.extractfile(info)
        if file is not None:
            return file.seek(0, os.SEEK_END)
    return None


class _Careful:
    """A tar's bytes, of which nobody reads much at once: a header can claim to have gigabytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell
        self.seekable = stream.seekable

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise tarfile.ReadError
        data: bytes = self._stream.read(size)
        return data


@contextmanager
def _opened_tar(path: Path) -> Iterator[Any]:
    """The bytes of a tar, which may be compressed."""
    with path.open("rb") as file, _unzipped(file) as stream:
        yield _Careful(stream)


def _unzipped(file: BinaryIO) -> Any:
    start = file.read(3)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        import gzip

        return gzip.GzipFile(fileobj=file, mode="rb")
    if start == b"BZh":
        import bz2

        return bz2.BZ2File(file)
    return file


def _is_tar(path: Path) -> bool:
    """Whether a file begins as a tar does, in whatever it is compressed."""
    try:
        with _opened_tar(path) as stream:
            block = stream.read(HEADER)
    except (OSError, EOFError, ValueError):
        # Something compressed that is cut off is taken for a tar, and found to be damaged.
        with path.open("rb") as file:
            return file.read(3)[:2] in (b"\x1f\x8b", b"BZ")
    with suppress(tarfile.TarError):
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        return True
    return False
