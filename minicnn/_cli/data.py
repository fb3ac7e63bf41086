"""``minicnn data``: commands that make, check and fetch data files, a module each."""

import argparse

from minicnn._cli import (
    data_export,
    data_fetch,
    data_import,
    data_inspect,
    data_merge,
    data_split,
    data_subset,
)
from minicnn._cli.options import Commands
from minicnn._core.console import say

SUBCOMMANDS = (
    data_import,
    data_inspect,
    data_split,
    data_merge,
    data_subset,
    data_export,
    data_fetch,
)
"""Each adds itself, in the order of the help."""


def add(commands: Commands) -> None:
    """Add the group."""
    command = commands.add_parser(
        "data",
        help="make, check and fetch data files",
        description="Make, check and fetch data files.",
    )
    subcommands = command.add_subparsers(title="commands", metavar="COMMAND")
    for subcommand in SUBCOMMANDS:
        subcommand.add(subcommands)

    def run(options: argparse.Namespace) -> int:
        """Without a command, print the help."""
        say(*command.format_help().splitlines())
        return 0

    command.set_defaults(run=run)
