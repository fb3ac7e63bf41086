"""``minicnn doctor``: which BLAS NumPy uses, and how fast it is."""

import argparse

import minicnn
from minicnn._cli.options import Commands
from minicnn._core.console import say
from minicnn._parallel import blas


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "doctor",
        help="show which BLAS NumPy uses, and how fast it is",
        description="Show the versions, the processor, the BLAS that scripts get here and how "
        "fast it is, and how to make it faster.",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the versions, the BLAS, its speed and how to make it faster."""
    say(f"{'minicnn':<18}{minicnn.__version__}")
    for label, value in blas.report():
        say(f"{label:<18}{value}")
    say(blas.verdict())
    return 0
