"""Trying a library in a process of its own, which it may bring down."""

import os
import subprocess
import sys
from pathlib import Path

from minicnn.errors import printable
from minicnn.kernels.compiled.compilers import QUIET, Failed

AGREEMENT = "minicnn.kernels.compiled.agreement"
"""The program that tries it."""

PATIENCE = 60
"""Seconds in which the process must answer."""


def require(library: Path, *dtypes: str) -> None:
    """Raise ``Failed`` unless the library's functions of these dtypes give what NumPy gives."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise Failed("they cannot be tested in a process of their own here")
    # Modules are looked for where this process finds them, and not in the current folder.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    surroundings = os.environ | {"PYTHONPATH": paths}
    command = [sys.executable, "-P", "-m", AGREEMENT, str(library), *dtypes]
    try:
        ran = subprocess.run(
            command, **QUIET, env=surroundings, timeout=PATIENCE, check=False, cwd=library.parent
        )
    except subprocess.TimeoutExpired:
        raise Failed("what was compiled was not done with its test") from None
    if ran.returncode:
        said = ran.stdout.decode(errors="replace").strip().splitlines() or [""]
        how = f"signal {-ran.returncode}" if ran.returncode < 0 else printable(said[-1])[:200]
        raise Failed(f"what was compiled fails its test: {how}")
