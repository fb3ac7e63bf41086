"""From C pages to a library: of floats, or of doubles, or of both; the pages side by side."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import printable
from minicnn.kernels.compiled.compilers import X86, Compiler, Failed

PAGES = Path(__file__).parent / "c"

TO_THE_BIT = ("affine", "optimizers", "resize")
"""Pages whose every operation is rounded by itself, as NumPy does it."""

ONCE = ("replay", "threads")
"""Pages that have nothing to do with the type of numbers."""

PATIENCE = 120
"""Seconds in which a build must end. The first one of ``zig cc`` on Windows takes over a minute."""

A_LOOK = 0.005
"""Seconds between looks at which of the compilers at work has ended."""

SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")

FLAGS = ("-O3", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=hidden")
"""Nothing that changes what is computed of NaN, infinity or -0."""

NATIVE = ("-march=native" if X86 else "-mcpu=native",)

BOTH = ("float32", "float64")
"""The types of numbers that a library may be for."""


def sources() -> list[Path]:
    """The pages and what they include, the longest first."""
    pages = [page for page in PAGES.iterdir() if page.suffix in (".c", ".h")]
    return sorted(pages, key=lambda page: (-page.stat().st_size, page.name))


def fingerprint(pages: Sequence[Path]) -> str:
    """What the text of the pages is known by."""
    found = hashlib.sha256()
    for page in sorted(pages):
        found.update(f"{page.name} {page.stat().st_size}\n".encode() + page.read_bytes())
    return found.hexdigest()


def flags_of(compiler: Compiler, processor: Sequence[str] = NATIVE) -> tuple[str, ...]:
    """All flags to compile with."""
    position = () if sys.platform == "win32" and not _crosses(processor) else ("-fPIC",)
    return (*FLAGS, *position, *processor, *compiler.flags)


def build(
    compiler: Compiler,
    folder: Path,
    processor: Sequence[str] = NATIVE,
    dtypes: Sequence[str] = BOTH,
) -> Path:
    """Compile and link in an empty folder; raises ``Failed``."""
    flags = flags_of(compiler, processor)
    objects, commands = [], []
    for page in sources():
        if page.suffix != ".c":
            continue
        for dtype in dtypes[:1] if page.stem in ONCE else dtypes:
            objects.append(str(folder / f"{page.stem}.{dtype}.o"))
            double = f"-DDOUBLE={int(dtype == 'float64')}"
            command = [*compiler.command, *flags, double, "-c", str(page)]
            command += ["-ffp-contract=off"] * (page.stem in TO_THE_BIT)
            commands.append([*command, "-o", objects[-1]])
    library = folder / f"library{SUFFIX}"
    end = time.monotonic() + PATIENCE
    _run(commands, folder, end)
    target = processor if _crosses(processor) else ()
    link = [*compiler.command, *target, "-shared", *objects, "-o", str(library)]
    _run([[*link, *_libraries(compiler, processor)]], folder, end)
    if not library.is_file():
        raise Failed(f"{compiler.command[0]} says that all went well, but made no library")
    return library


def _crosses(processor: Sequence[str]) -> bool:
    return "-target" in processor


def _libraries(compiler: Compiler, processor: Sequence[str]) -> list[str]:
    """What to link with. Where it can, zig is kept from first building libraries of its own."""
    target = " ".join(processor) if _crosses(processor) else sys.platform
    if "win" in target and "darwin" not in target:
        return ["-static-libgcc"] * (not compiler.zig)
    if "darwin" in target or "macos" in target:
        return ["-nostdlib", "-lSystem"] * compiler.zig
    return ["-nostdlib"] * compiler.zig + ["-lm", "-lpthread", "-lc"]


def _run(commands: Sequence[Sequence[str]], folder: Path, end: float) -> None:
    """Run commands, as many at a time as there are cores; raises ``Failed`` if one fails."""
    cores = os.cpu_count() or 1
    waiting, running = list(enumerate(commands)), list[Running]()
    surroundings = os.environ | {"LC_ALL": "C", "TMPDIR": str(folder)}
    if sys.platform != "win32":  # where zig needs libraries that it builds once and keeps
        surroundings |= {f"ZIG_{which}_CACHE_DIR": str(folder) for which in ("LOCAL", "GLOBAL")}
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                number, command = waiting.pop(0)
                running.append(_started(command, folder / f"{number}.said", surroundings))
            ended = next((one for one in running if one.process.poll() is not None), None)
            if ended is not None:
                running.remove(ended)
                if ended.process.returncode:
                    what = _gist(ended.said.read_bytes(), ended.process.returncode)
                    raise Failed(f"{ended.name} failed: {what}")
            elif time.monotonic() < end:
                time.sleep(A_LOOK)
            else:
                raise Failed(f"{running[0].name} was not done after {PATIENCE} seconds")
    except (OSError, ValueError) as error:
        raise Failed(f"a compiler cannot be run: {printable(str(error))}") from None
    finally:
        for one in running:
            _end(one.process)


class Running(NamedTuple):
    """A compiler at work."""

    name: str
    process: "subprocess.Popen[bytes]"
    said: Path
    """The file of what it says."""


def _started(command: Sequence[str], said: Path, surroundings: dict[str, str]) -> Running:
    apart = os.name == "posix"  # so that all of it can be ended
    with said.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            env=surroundings, cwd=said.parent, start_new_session=apart,
        )  # fmt: skip
    return Running(command[0], process, said)


def _gist(said: bytes, code: int) -> str:
    """The first error in what a compiler said."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return printable((errors or lines or [f"exit status {code}"])[0])[:200]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a compiler, with what it has started."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
