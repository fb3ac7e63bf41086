"""``minicnn data subset``: some of the images of an HDF5 file."""

import argparse
from pathlib import Path

from minicnn._cli.options import Commands, add_keys, seed, whole
from minicnn._core.console import say
from minicnn.data.making import subset


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "subset",
        help="take some images of an HDF5 file",
        description="Write some of the images of an HDF5 file into another one.",
    )
    command.add_argument("source", type=Path, metavar="IN", help="the HDF5 file to read")
    command.add_argument("out", type=Path, metavar="OUT", help="the .h5 file to make")
    command.add_argument(
        "--classes", nargs="+", metavar="NAME", help="keep these classes, counted anew from 0"
    )
    command.add_argument("--per-class", type=whole, metavar="N", help="keep N of each class")
    command.add_argument("--every", type=whole, metavar="N", help="keep each N-th image")
    command.add_argument("--seed", type=seed, default=0, help="of what is drawn; default: 0")
    add_keys(command, "--x-key", "--y-key")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Take the images, and print what was made."""
    chosen = {name: value for name, value in vars(options).items() if name != "run"}
    for path, count in subset(**chosen).items():
        say(f"{path}: {count:,} images")
    return 0
