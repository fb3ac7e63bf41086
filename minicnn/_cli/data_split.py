"""``minicnn data split``: one HDF5 file becomes one to train on and one to test on."""

import argparse
from pathlib import Path

from minicnn._cli.options import Commands, add_keys, fraction, seed
from minicnn._core.console import say
from minicnn.data.making import split


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "split",
        help="divide an HDF5 file into training and test",
        description="Divide an HDF5 file: each class in proportion, and images that show the same "
        "on one side.",
    )
    command.add_argument("source", type=Path, metavar="IN", help="the HDF5 file to read")
    command.add_argument("out", type=Path, metavar="OUT", help="the .h5 file to make")
    for part in ("validation", "test"):
        command.add_argument(
            f"--{part}",
            type=fraction,
            default=0.0,
            metavar="FRACTION",
            help=f"how many of the images go into OUT's neighbour ..._{part}.h5",
        )
    command.add_argument(
        "--group-by",
        metavar="PATTERN",
        help="a regular expression for the images' names: those with the same there are not "
        "divided",
    )
    command.add_argument("--seed", type=seed, default=0, help="of the division; default: 0")
    add_keys(command, "--x-key", "--y-key")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Divide the file, and print what was made."""
    chosen = {name: value for name, value in vars(options).items() if name != "run"}
    for path, count in split(**chosen).items():
        say(f"{path}: {count:,} images")
    return 0
