"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minicnn.errors import ConfigError


@contextmanager
def replacing(path: str | os.PathLike[str], previous: Path | None = None) -> Iterator[Path]:
    """A path beside ``path`` to write to; what was written then takes the place of ``path``.

    If anything goes wrong on the way, the old file stays as it was and no other
    is left. The new one reaches the disk before it takes the name. With ``previous`` the old file
    takes that name just before; at no moment is neither there, and if the new one then cannot have
    the name, the old one keeps that of ``previous``. Of a link it is the file that it leads to.
    Raises ``ConfigError`` when the folder is
    missing or cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as unfinished:
    ...         _ = unfinished.write_text("done")
    ...     (Path(folder) / "a.txt").read_text()
    'done'
    """
    path = Path(path)
    with suppress(OSError, ValueError):
        path = path.resolve() if path.is_symlink() else path
    unfinished = path.parent / f".{path.stem}-{os.urandom(4).hex()}{path.suffix}"
    try:
        # As open() makes files, but never one that is there; the system applies the umask.
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {reason(error)}.") from None
    except ValueError:
        raise ConfigError(
            f"{str(path)!r}: cannot be written: no file can have this name."
        ) from None
    try:
        yield unfinished
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        if previous is not None:
            with suppress(FileNotFoundError):
                path.replace(previous)
        unfinished.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {reason(error)}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


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


def _sync_folder(folder: Path) -> None:
    """Make the new name itself last; Windows neither can nor needs to."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def reason(error: OSError) -> str:
    """What the system says went wrong, in lower case and without a full stop."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:].rstrip(".")
