"""Which BLAS multiplies for NumPy, and whether it uses what the processor has.

OpenBLAS holds kernels for many processors and chooses some when NumPy is imported. On some
processors with AVX-512 it chooses kernels for AVX2, which take up to twice as long for a
product. OPENBLAS_CORETYPE, set before Python starts, chooses others. It is the user's:
nothing here changes it, and the command line sets it for itself only where it is not set.
"""

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.console import say
from minicnn._parallel.threads import chosen_threads, controller

__all__ = [
    *("CORETYPE", "advice", "advise_once", "better_coretype"),
    *("processor", "report", "verdict"),
]

CORETYPE = "OPENBLAS_CORETYPE"

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells about the processor. Elsewhere nothing is known, and nothing advised."""

SKYLAKEX = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
"""The processor's flags without which OpenBLAS' kernels named SkylakeX cannot run."""

COOPERLAKE = SKYLAKEX | {"avx512_bf16"}

WITH_AVX512 = {"SkylakeX", "Cooperlake", "SapphireRapids"}
WITHOUT = {"Nehalem", "Sandybridge", "Haswell", "Zen"}

NAMES = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS", "flexiblas": "FlexiBLAS"}

ENOUGH = 0.05
"""Seconds from which a product is large enough to be measured."""

_told = False


def better_coretype() -> str | None:
    """What OPENBLAS_CORETYPE should be, or None when nothing is known to be better.

    Of two names it is the one that OpenBLAS itself has for such a processor.

    >>> better_coretype() in ("Cooperlake", "SkylakeX", None)
    True
    """
    flags = set(_processor("flags").split())
    if not flags >= SKYLAKEX or _blas().get("architecture") not in WITHOUT:
        return None
    if os.environ.get(CORETYPE, "").lower() in {name.lower() for name in WITH_AVX512}:
        return None  # asked for in vain: this OpenBLAS was built without them
    return "Cooperlake" if flags >= COOPERLAKE else "SkylakeX"


def advice() -> str | None:
    """What the user can set to have faster products, in one line, or None.

    >>> advice() is None or "OPENBLAS_CORETYPE" in advice()
    True
    """
    better = better_coretype()
    if better is None:
        return None
    if chosen := os.environ.get(CORETYPE):
        return (
            f"{CORETYPE}={chosen} keeps OpenBLAS from this processor's AVX-512, with which "
            f"products are up to twice as fast. Unset it, or set it to {better}."
        )
    return (
        f"OpenBLAS chose its {_blas()['architecture']} kernels and leaves out this processor's "
        f"AVX-512, with which products are up to twice as fast. Set {CORETYPE}={better} before "
        "Python starts."
    )


def advise_once() -> None:
    """Print the advice on standard error, if there is any and this process has not asked yet.

    >>> advise_once()
    """
    global _told
    if not _told:
        _told = True
        if line := advice():
            say(f"minicnn: {line}", error=True)


def verdict() -> str:
    """What ``minicnn doctor`` ends with.

    >>> verdict().endswith(".")
    True
    """
    if line := advice():
        alone = "" if os.environ.get(CORETYPE) else " The command line does so for itself."
        return line + alone
    if _blas().get("architecture") in WITH_AVX512:
        return "OpenBLAS uses this processor's AVX-512."
    return "No advice."


def report() -> Iterator[tuple[str, str]]:
    """(what, its value): NumPy, processor, BLAS and threads, and how fast a product is.

    >>> next(report())[0]
    'Python'
    """
    yield "Python", platform.python_version()
    yield "NumPy", np.__version__
    yield "processor", processor()
    blas = _blas()
    kind = blas.get("internal_api", "unknown")
    yield "BLAS", " ".join([NAMES.get(kind, kind), blas.get("version") or ""]).strip()
    yield "kernels", blas.get("architecture") or "unknown"
    if chosen := os.environ.get(CORETYPE):
        yield CORETYPE, chosen
    threads, source = chosen_threads()
    yield "threads", f"{threads}, {source}"
    n = _fair_size()
    speeds = []
    for count in sorted({1, threads}):
        with controller().limit(limits=count, user_api="blas"):
            speed = 2 * n**3 / _seconds(n, 3) / 1e9
        speeds.append(f"{speed:.0f} GFLOP/s on {count} thread{'s' if count > 1 else ''}")
    yield "product", f"{', '.join(speeds)} (float32, {n} x {n})"


def processor() -> str:
    """The processor's name, and how many cores there are.

    >>> processor().endswith("s")
    True
    """
    name = _processor("model name") or platform.processor() or platform.machine() or "unknown"
    return f"{name}, {os.cpu_count()} cores"


def _processor(name: str) -> str:
    """What Linux tells of the first core under that name; nothing on other systems."""
    try:
        with CPUINFO.open(encoding="utf-8", errors="replace") as lines:
            return next((line.partition(":")[2].strip() for line in lines if _is(line, name)), "")
    except OSError:
        return ""


def _is(line: str, name: str) -> bool:
    return line.partition(":")[0].strip() == name


def _blas() -> dict[str, Any]:
    """What threadpoolctl finds out about the BLAS that was loaded first, which is NumPy's."""
    return next((pool for pool in controller().info() if pool["user_api"] == "blas"), {})


def _fair_size() -> int:
    """The n of an n x n product to measure: 2048, or less where BLAS is slow."""
    n = 256
    while n < 2048 and _seconds(n, 1) < ENOUGH:
        n *= 2
    return n


def _seconds(n: int, tries: int) -> float:
    """The fewest seconds that a float32 product of two n x n matrices took."""
    x = np.random.default_rng(0).random((n, n), np.float32)
    out = np.empty_like(x)
    best = float("inf")
    for _ in range(tries):
        started = time.perf_counter()
        np.matmul(x, x, out=out)
        best = min(best, time.perf_counter() - started)
    return best
