"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minicnn.errors import ConfigError


@contextmanager
def replacing(path: str | os.PathLike[str], previous: Path | None = None) -> Iterator[Path]:
    """A path beside ``path`` to write to; what was written then takes the place of ``path``.

    If anything goes wrong on the way, the old file stays as it was and no other
    is left. The new one reaches the disk before it takes the name. With ``previous`` the old file
    takes that name just before; at no moment is neither there. Raises
    ``ConfigError`` when the folder is missing or cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as unfinished:
    ...         _ = unfinished.write_text("done")
    ...     (Path(folder) / "a.txt").read_text()
    'done'
    """
    path = Path(path)
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {reason(error)}.") from None
    os.close(descriptor)
    unfinished = Path(name)
    try:
        yield unfinished
        # mkstemp makes files that only their owner may read; a new file follows the umask.
        umask = os.umask(0)
        os.umask(umask)
        unfinished.chmod(0o666 & ~umask)
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
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {reason(error)}.") from None


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
