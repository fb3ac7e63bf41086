"""The C compilers of this machine."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from minicnn.errors import printable

NAMES = ("cc", "gcc", "clang")

ANSWERS = 10
"""Seconds within which a compiler says its version."""

QUIET: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.STDOUT,
}
"""How programs are run: what they say is read."""

X86 = platform.machine().lower() in ("x86_64", "amd64")


class Failed(Exception):  # noqa: N818
    """Why a compiler, or what it made, cannot be used."""


class Compiler(NamedTuple):
    """A compiler that answers."""

    command: tuple[str, ...]
    version: str
    """The first line of what it says of itself."""
    identity: str
    """Where it really is, and all that it says."""

    @property
    def zig(self) -> bool:
        """Whether it is ``zig cc``."""
        return self.command[-1] == "cc" and Path(self.command[0]).stem == "zig"

    @property
    def flags(self) -> tuple[str, ...]:
        """What it needs so as to compile like the others."""
        found: tuple[str, ...] = ()
        if X86 and ("clang" in self.identity or self.zig):
            found += ("-mprefer-vector-width=512",)  # else it cuts vectors of 64 bytes in two
        if self.zig:
            found += ("-g0", "-fno-sanitize=undefined")  # it adds both by itself
        return found


def candidates() -> Iterator[tuple[str, ...]]:
    """The commands to try: ``$CC``, cc, gcc, clang, and ``zig cc`` from PyPI's ziglang."""
    if given := _split(os.environ.get("CC", "")):
        yield given
    for name in NAMES:
        found = shutil.which(name)
        if found and not _here(found) and not _asks_to_be_installed(found):
            yield (found,)
    if zig := _zig():
        yield (zig, "cc")


@cache
def identify(command: tuple[str, ...]) -> Compiler:
    """What a compiler says of itself; raises ``Failed`` if it says nothing."""
    name = printable(" ".join(command))
    try:
        ran = subprocess.run([*command, "--version"], **QUIET, timeout=ANSWERS, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{name} does not answer") from None
    except (OSError, ValueError) as error:
        raise Failed(f"{name} cannot be run: {printable(str(error))}") from None
    if ran.returncode:
        raise Failed(f"{name} --version ended with status {ran.returncode}")
    said = ran.stdout.decode(errors="replace").strip()
    version = printable(said.partition("\n")[0]) or "a compiler that says nothing of itself"
    where = os.path.realpath(shutil.which(command[0]) or command[0])
    return Compiler(command, version, "\n".join([where, *command[1:], said]))


def _split(text: str) -> tuple[str, ...]:
    if shutil.which(text):  # a path may have spaces
        return (text,)
    try:
        return tuple(shlex.split(text))
    except ValueError:  # a quotation mark too many
        return (text,)


def _here(path: str) -> bool:
    """Whether Windows found it in the current folder, where anybody may have put it."""
    return os.name == "nt" and Path(path).resolve().parent == Path.cwd()


def _asks_to_be_installed(path: str) -> bool:
    """Whether it is only macOS' stand-in, which opens a window that offers to install one."""
    if sys.platform != "darwin" or not path.startswith("/usr/bin/"):
        return False
    return subprocess.run(["/usr/bin/xcode-select", "-p"], **QUIET, check=False).returncode != 0


def _zig() -> str | None:
    """The program in the package ziglang, if that is installed."""
    try:
        spec = find_spec("ziglang")
    except (ImportError, ValueError):
        return None
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / ("zig.exe" if os.name == "nt" else "zig")
        if path.is_file():
            return str(path)
    return None
