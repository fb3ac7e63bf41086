"""``minicnn launch``: a script or a command on several processes, by mpiexec if need be."""

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from minicnn._cli.options import Commands, whole
from minicnn._parallel.ranks import launched, launched_first
from minicnn.errors import ConfigError

OVERSUBSCRIBE = {
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}
"""Lets Open MPI start more processes than there are cores, as MPICH does."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "launch",
        help="run a script, or a command such as train, on several processes",
        description="Run a script whose fit has distributed=True, or a command of minicnn such as "
        "train, on so many processes of this machine: mpiexec -n N for those who have not used it. "
        "An exception of one process ends all. Under mpiexec or srun, which know how many there "
        "are, it needs no -n.",
    )
    command.add_argument("-n", type=whole, metavar="N", help="how many processes")
    command.add_argument("script", metavar="SCRIPT", help="a .py file, or a command")
    command.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help="what it is given"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Become mpiexec, or what it has started; it does not come back."""
    path = Path(options.script)
    if path.suffix == ".py":
        if not path.is_file():
            raise ConfigError(f"{path}: expected a script, got no such file.")
        what = ["-m", "minicnn._cli.ranked", str(path)]
    else:
        what = ["-m", "minicnn", options.script]
    if launched():
        if options.n is not None:
            if not launched_first():
                return 2
            raise ConfigError(
                f"launch: expected no -n where mpiexec or srun say how many there are, got -n "
                f"{options.n}. Leave it out."
            )
        os.execv(sys.executable, [sys.executable, *what, *options.arguments])
    if options.n is None:
        raise ConfigError("launch: expected -n N, the number of processes, got none.")
    become(options.n, [*what, *options.arguments])
    return 0


def become(count: int, arguments: Sequence[str]) -> None:
    """Put so many processes of this Python in the place of this one.

    Raises ``ConfigError`` where there is no MPI.
    """
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.is_file() else shutil.which("mpiexec")
    missing = "mpiexec" if mpiexec is None else "mpi4py"
    if mpiexec is None or importlib.util.find_spec("mpi4py") is None:
        raise ConfigError(
            f"expected MPI to run {count} processes, got no {missing}. Install it: "
            "pip install 'minicnn[mpi]'."
        )
    sys.stdout.flush()
    command = [mpiexec, "-n", str(count), sys.executable, *arguments]
    os.execve(mpiexec, command, os.environ | OVERSUBSCRIBE)
