"""Where compiled libraries are kept, and which of them are trusted.

A library's name is that of what it was made from, by and for, and of what is in it: another
compiler, another processor or another page gives another name, and a file that is not what its name
says is never loaded.
"""

import atexit
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from minicnn._core.console import say
from minicnn._files.atomic import reason
from minicnn._files.lock import held
from minicnn.errors import ConfigError
from minicnn.kernels.compiled import building
from minicnn.kernels.compiled.building import SUFFIX
from minicnn.kernels.compiled.compilers import QUIET, Compiler, Failed

MOST = 16
"""Libraries that are kept: of several processors that share a home, and of older versions."""

ROOM = 8 << 20
"""Bytes that a build may need."""


class Kept(NamedTuple):
    """A library that may be loaded."""

    path: Path
    seconds: float | None
    """How long it took to make; None if it was there."""


def library(compiler: Compiler, dtype: str, test: Callable[[Path, str], None]) -> Kept:
    """The library of a dtype that this compiler makes: kept from before, or made and tested now.

    Raises ``Failed`` if it cannot be made.
    """
    name, why = _name(compiler, dtype), ""
    for folder in folders():
        try:
            _prepare(folder)
            if found := _find(folder, name):
                return Kept(found, None)
            with held(folder, wait=2 * building.PATIENCE):
                if found := _find(folder, name):  # another process made it meanwhile
                    return Kept(found, None)
                say(f"minicnn: compiling its {dtype} kernels for this machine, once...", error=True)
                _clear(folder)
                return _make(folder, name, compiler, dtype, test)
        except (OSError, ConfigError) as error:
            text = f"{folder}: {reason(error)}" if isinstance(error, OSError) else str(error)
            why = why or text.rstrip(".")
    say(f"minicnn: compiling its {dtype} kernels for this process alone. {why}.", error=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix="minicnn-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return _make(folder, name, compiler, dtype, test)
    except OSError as error:
        raise Failed(f"nowhere can a library be written: {reason(error)}") from None


def folders() -> Iterator[Path]:
    """Where libraries may be kept: in the user's cache, else in the system's temporary folder."""
    with suppress(RuntimeError):  # there is no home
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            base = Path(local) if local else Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            given = Path(os.environ.get("XDG_CACHE_HOME", ""))
            base = given if given.is_absolute() else Path.home() / ".cache"
        yield base / "minicnn" / "kernels"
    with suppress(OSError):
        user = os.geteuid() if hasattr(os, "geteuid") else "kernels"
        yield Path(tempfile.gettempdir()) / f"minicnn-{user}"


def _prepare(folder: Path) -> None:
    """Make the folder, for the user alone; raises ``ConfigError`` if others may write to it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{folder}: expected a folder, got a link or a file. Remove it.")
    _check(folder, found)
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if os.name == "posix" and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError(
                f"{above}: others may write to it, so what is in it is not trusted. Run chmod "
                "o-w on it."
            )


def _check(path: Path, found: os.stat_result) -> None:
    if os.name != "posix":
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{path}: belongs to another user, so it is not trusted. Remove it.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path}: others may write to it, so it is not trusted. Run chmod go-w on it."
        )


def _find(folder: Path, name: str) -> Path | None:
    """The library of that name, if there is one that is what its name says."""
    for path in folder.glob(f"{name}.*{SUFFIX}"):
        with suppress(OSError, ConfigError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                _check(path, found)
                if path.name == _full(name, path):
                    os.utime(path)  # used: not among the first to be deleted
                    return path
            path.unlink()
    return None


def _full(name: str, path: Path) -> str:
    return f"{name}.{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}{SUFFIX}"


def _make(
    folder: Path, name: str, compiler: Compiler, dtype: str, test: Callable[[Path, str], None]
) -> Kept:
    """Build in a folder of its own, test, and put the library in place."""
    work = Path(tempfile.mkdtemp(prefix="build-", dir=folder))
    try:
        started = time.monotonic()
        try:
            made = building.build(compiler, work, dtypes=(dtype,))
            made.chmod(0o700)
            path = folder / _full(name, made)
            test(made, dtype)
        except Failed:
            (work / "room").write_bytes(bytes(ROOM))  # an OSError if that is why
            raise
        made.replace(path)
        return Kept(path, time.monotonic() - started)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Delete what killed processes left behind, and what was not used for the longest time."""
    for work in folder.glob("build-*"):
        if os.name == "posix" or time.time() - work.stat().st_mtime > 3600:  # see ``held``
            shutil.rmtree(work, ignore_errors=True)
    libraries = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    for path in libraries[: -MOST + 1]:
        with suppress(OSError):  # Windows keeps what is in use
            path.unlink()


def _name(compiler: Compiler, dtype: str) -> str:
    """What a library is known by, besides its bytes."""
    parts = [
        building.fingerprint(building.sources()),
        compiler.identity,
        *building.flags_of(compiler),
        dtype,
        machine(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def machine() -> str:
    """The processor, and what of the system a library depends on."""
    return "\n".join([platform.machine(), sys.platform, str(sys.maxsize), _libc(), *_processor()])


def _libc() -> str:
    with suppress(AttributeError, ValueError, OSError):
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    return ""


def _processor() -> list[str]:
    """What tells this processor from others with other instructions."""
    if sys.platform == "win32":
        return [os.environ.get("PROCESSOR_IDENTIFIER", "")]
    if sys.platform == "darwin":
        asked = ["/usr/sbin/sysctl", "machdep.cpu.brand_string", "hw.optional"]
        with suppress(OSError, subprocess.TimeoutExpired):
            ran = subprocess.run(asked, **QUIET, timeout=10, check=False)
            return [ran.stdout.decode(errors="replace")]
        return []
    wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part", "cpu", "isa")
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            what, _, value = line.partition(":")
            if what.strip() in wanted:
                found.setdefault(what.strip(), value.strip())
    return [f"{what}: {value}" for what, value in sorted(found.items())]
