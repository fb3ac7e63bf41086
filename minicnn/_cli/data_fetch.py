"""``minicnn data fetch``: a well-known data set, into Keras' own cache."""

import argparse
from importlib import import_module

from minicnn import datasets
from minicnn._cli.options import Commands
from minicnn._core.console import say
from minicnn.datasets.checking import folder


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "fetch",
        help="download a well-known data set",
        description="Download a well-known data set into the folder of Keras' data sets, unless "
        "it is there.",
    )
    command.add_argument(
        "name", choices=datasets.__all__, metavar="NAME", help="; ".join(datasets.__all__)
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Have the data set, and print what it is."""
    parts = import_module(f"minicnn.datasets.{options.name}").load_data()
    for part, (x, y) in zip(("train", "test"), parts, strict=True):
        say(f"{part}: {len(x):,} images {x.shape[1:]}, labels from {y.min()} to {y.max()}")
    say(f"In {folder()}; in Python: minicnn.datasets.{options.name}.load_data()")
    return 0
