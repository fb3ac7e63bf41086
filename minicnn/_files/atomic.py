"""Files that are written whole or not at all."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minicnn.errors import ConfigError

CANNOT_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What drives answer that cannot be told to write out what they have, as some in networks."""

STEM = 50
"""How much of a file's name that of the unfinished one has: a name has its limits."""


@contextmanager
def replacing(path: str | os.PathLike[str], previous: Path | None = None) -> Iterator[Path]:
    """A path beside ``path`` to write to; what was written then takes the place of ``path``.

    If anything goes wrong on the way, the old file stays as it was and no other
    is left. The new one reaches the disk before it takes the name. It has the mode of the old one
    (or of the ``previous`` one), and its owner and group where that is allowed. With ``previous``
    the old file takes that name just before; at no moment is neither there, and if the new one then
    cannot have the name, the old one keeps that of ``previous``. Of a link it is the file that it
    leads to. Raises ``ConfigError`` when the folder is missing or cannot be written to, or what is
    there may not be written to or is no file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as unfinished:
    ...         _ = unfinished.write_text("done")
    ...     (Path(folder) / "a.txt").read_text()
    'done'
    """
    path = Path(path)
    with suppress(OSError, RuntimeError, ValueError):  # RuntimeError: links in a circle
        path = path.resolve() if path.is_symlink() else path
    unfinished = path.parent / f".{path.stem[:STEM]}-{os.urandom(4).hex()}{path.suffix}"
    try:
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        there = [one for one in (path, previous) if one is not None and one.exists()]
        old = there[0].stat() if there else None
        if path.exists() and not path.is_file():
            # Its name would be taken from a device, or from whoever reads from a pipe.
            what = "a folder" if path.is_dir() else "a pipe or a device"
            raise ConfigError(f"{path}: cannot be written: expected a file, got {what}.")
        # As open() makes files, but never one that is there; the system applies the umask. What
        # takes an old one's place is for its owner alone until it has the old one's mode.
        mode = 0o666 if old is None else 0o600
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))
    except ConfigError:
        raise
    except OSError as error:
        missing = f" Make the folder {str(path.parent)!r} first." * (not path.parent.exists())
        raise ConfigError(f"{path}: cannot be written: {reason(error)}.{missing}") from None
    except ValueError:
        raise ConfigError(
            f"{str(path)!r}: cannot be written: no file can have this name."
        ) from None
    try:
        yield unfinished
        _flush(unfinished)
        if old is not None:
            _give_mode(unfinished, old)
        if previous is not None:
            with suppress(FileNotFoundError):
                path.replace(previous)
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {reason(error)}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _flush(path: Path) -> None:
    """Have a file on the disk, where the drive can tell."""
    with path.open("r+b") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in CANNOT_FLUSH:
                raise


def _flush_folder(folder: Path) -> None:
    """Make the new name itself last, where that can be: the file is in place and whole."""
    if os.name == "posix":  # Windows neither can nor needs to
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _give_mode(path: Path, old: os.stat_result) -> None:
    """Give a file the mode of an old one, and its owner and group if this process may."""
    mode = stat.S_IMODE(old.st_mode) & 0o777
    if hasattr(os, "chown"):
        for owner in (old.st_uid, -1):
            with suppress(OSError):
                os.chown(path, owner, old.st_gid)
                break
        if path.stat().st_gid != old.st_gid:
            # Another group gets no more than everybody.
            mode &= 0o707 | (mode & 0o007) << 3
    with suppress(OSError):  # some drives have no modes
        path.chmod(mode)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there; raises ``ConfigError`` if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{folder}: cannot be made: a file has this name.") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {reason(error)}.") from None
    except ValueError:
        raise ConfigError(
            f"{str(folder)!r}: cannot be made: no folder can have this name."
        ) from None


def try_folder(folder: Path) -> None:
    """Raise ``ConfigError`` unless files can be written into a folder."""
    path = folder / f".trial-{os.urandom(4).hex()}"
    try:
        path.touch(exist_ok=False)
        path.unlink()
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written to: {reason(error)}.") from None


def clear(folder: Path, *stems: str) -> None:
    """Delete what processes that were killed while writing have left of files of such names."""
    for stem in stems:
        for unfinished in folder.glob(f".{stem}-*"):
            with suppress(OSError):
                unfinished.unlink()


def reason(error: OSError) -> str:
    """What the system says went wrong, in lower case and without a full stop."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:].rstrip(".")
