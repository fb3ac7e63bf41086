"""Folders that one training has for itself, as long as it lasts."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minicnn._files.atomic import reason
from minicnn.errors import ConfigError

LOOK = 0.05
"""Seconds between two looks at whether a folder is free."""

_held: set[int] = set()
"""The descriptors of those folders in this process."""


@contextmanager
def held(folder: Path, wait: float = 0.0, by: str = "training") -> Iterator[None]:
    """Within, no other process gets the folder, or file; raises ``ConfigError`` if one has it.

    With ``wait`` only if that one still has it after so many seconds.

    The system forgets it when the process ends, however it ends, and nothing is left in the folder.
    Where it has no such locks, as Windows and some network drives, and where it may not be read,
    the folder is not guarded.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        yield  # it may be written to, but not read
        return
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be used: {reason(error)}.") from None
    _held.add(descriptor)
    try:
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise ConfigError(
                        f"{folder}: in use by another {by}. Wait for its end, or take another "
                        f"{'folder' if folder.is_dir() else 'name'}."
                    ) from None
                time.sleep(LOOK)
                continue
            except OSError:
                pass
            break
        yield
    finally:
        if descriptor in _held:  # a forked process has left it already
            _held.discard(descriptor)
            os.close(descriptor)


def held_by_others(path: Path) -> bool:
    """Whether a program has locked a file for writing, as the HDF5 library does while it is open.

    False where that cannot be told.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return False


def _leave() -> None:
    """In a forked process, which may outlive this one: leave the folders alone."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)
