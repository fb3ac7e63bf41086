"""Ranks that tests start."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn._cli.launch import OVERSUBSCRIBE

needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec") is None,
    reason="needs mpi4py and mpiexec: pip install 'minicnn[mpi]'",
)


def mpiexec(count, *arguments, cwd=None, timeout=120, **environment):
    """(exit status, standard output, standard error) of so many ranks of a Python script."""
    found = subprocess.run(
        ["mpiexec", "-n", str(count), sys.executable, *map(str, arguments)],
        env=os.environ | OVERSUBSCRIBE | {"PYTHONPATH": str(Path(__file__).parent)} | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
    )
    return found.returncode, found.stdout, found.stderr
