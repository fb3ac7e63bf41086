"""``minicnn data merge``: several HDF5 files become one."""

import argparse
from pathlib import Path

from minicnn._cli.options import Commands, add_keys
from minicnn._core.console import say
from minicnn.data.making import merge


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "merge",
        help="put HDF5 files together",
        description="Put the images of several HDF5 files into one; classes are told by their "
        "names.",
    )
    command.add_argument("out", type=Path, metavar="OUT", help="the .h5 file to make")
    command.add_argument("sources", type=Path, nargs="+", metavar="IN", help="an HDF5 file")
    add_keys(command, "--x-key", "--y-key")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Put the files together, and print what was made."""
    chosen = {name: value for name, value in vars(options).items() if name != "run"}
    for path, count in merge(**chosen).items():
        say(f"{path}: {count:,} images")
    return 0
