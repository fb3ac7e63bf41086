"""``minicnn doctor``: what ails a run; without one, which BLAS and kernels, and how fast."""

import argparse
import textwrap
from itertools import chain
from pathlib import Path

import minicnn
from minicnn._cli import doctor_mpi
from minicnn._cli.options import Commands, add_keys, keys_of
from minicnn._core.console import say
from minicnn._parallel import blas
from minicnn.data import load_hdf5
from minicnn.errors import ConfigError, printable
from minicnn.kernels.report import report as kernels_report
from minicnn.runs import load_run

WIDTH = 79


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "doctor",
        help="say why a run does not learn; without one, how fast this machine is",
        description="Say what ails a run, causes first, each with its remedy; the exit status is 1 "
        "if there is anything. Without a run: show the versions, the processor, the BLAS and the "
        "kernels that scripts get here and how fast they are, and how to make them faster.",
    )
    command.add_argument(
        "folder", type=Path, nargs="?", metavar="RUN", help="a run's folder, with a checkpoint"
    )
    command.add_argument(
        "--train", type=Path, metavar="FILE", help="HDF5 file it learned from; default: the run's"
    )
    command.add_argument(
        "--test", type=Path, metavar="FILE", help="HDF5 file to test on; default: the run's"
    )
    add_keys(command, "--x-key", "--y-key")
    command.add_argument(
        "--mpi",
        action="store_true",
        help="show the MPI that is here, its latency and bandwidth, and what scaling to expect",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was found of a run, or of the machine."""
    if options.folder is not None:
        return _diagnose(options)
    if options.mpi:
        return doctor_mpi.report()
    for name in ("train", "test", "x_key", "y_key"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"doctor: expected a run's folder with --{name.replace('_', '-')}, got none."
            )
    say(f"{'minicnn':<18}{minicnn.__version__}")
    for label, value in chain(blas.report(), kernels_report()):
        say(f"{label:<18}{value}")
    say(blas.verdict())
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    from minicnn.explain import diagnose

    found = load_run(options.folder)
    keys = keys_of("doctor", options, found.settings)
    if options.train is None:
        train, test = found.data(test=options.test)
    else:
        train, test = load_hdf5(options.train, *keys), None
    if options.test is not None:
        test = load_hdf5(options.test, *keys)
    findings = diagnose(found, train, validation_data=test)
    for one in findings:
        say(f"{one.name}:")
        for text in (one.sentence, one.remedy):
            say(*textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  "))
    if not findings:
        say(f"{printable(str(options.folder))}: nothing found after {found.epochs} epochs.")
    return int(bool(findings))
