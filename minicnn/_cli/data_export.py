"""``minicnn data export``: the images of an HDF5 file as a folder of PNGs."""

import argparse
from pathlib import Path

from minicnn._cli.options import Commands, add_keys
from minicnn._core.console import say
from minicnn.data.making import export


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "export",
        help="write an HDF5 file's images as a folder of PNGs",
        description="Write the images of an HDF5 file as PNGs, in a folder for each class.",
    )
    command.add_argument("source", type=Path, metavar="IN", help="the HDF5 file to read")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="the new folder")
    add_keys(command, "--x-key", "--y-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, and print what was written."""
    counts = export(options.source, options.folder, x_key=options.x_key, y_key=options.y_key)
    for name, count in counts.items():
        say(f"{options.folder / name}: {count:,} images")
    return 0
