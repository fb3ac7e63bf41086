"""``minicnn data import``: pictures or arrays as an HDF5 file to train on."""

import argparse
import re
from pathlib import Path

from minicnn._cli.options import Commands, add_keys, fraction, seed
from minicnn._core.console import say
from minicnn.data.making import import_images


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "import",
        help="make an HDF5 file of pictures or arrays",
        description="Make an HDF5 file to train on of pictures in folders, or named by a CSV, or "
        "of arrays in another file. After a kill the same command goes on where it was.",
    )
    command.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a folder with a folder for each class; a CSV of paths and labels; a .npz, .npy, IDX, "
        "CIFAR .bin, .mat or HDF5 file",
    )
    command.add_argument("out", type=Path, metavar="OUT", help="the .h5 file to make")
    command.add_argument(
        "--size", type=size, metavar="HxW", help="default: 64x64 for pictures, as is for arrays"
    )
    command.add_argument("--color", choices=("rgb", "grey"), help="default: rgb for pictures")
    fits = command.add_mutually_exclusive_group()
    for fit, what in (("crop", "take the middle of"), ("pad", "add black edges to")):
        fits.add_argument(
            f"--{fit}",
            dest="fit",
            action="store_const",
            const=fit,
            default="stretch",
            help=f"{what} pictures of another ratio; default: stretch them",
        )
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
        help="a column of the CSV, or a regular expression for the files' names: images with the "
        "same there are not divided between training and test",
    )
    command.add_argument("--labels", type=Path, metavar="FILE", help="the labels of a .npy or IDX")
    add_keys(command, "--x-key", "--y-key")
    command.add_argument("--seed", type=seed, default=0, help="of the images' order; default: 0")
    command.add_argument("--gzip", action="store_true", help="compress: smaller, slower to read")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Import, and print what was made."""
    chosen = {name: value for name, value in vars(options).items() if name != "run"}
    made = import_images(**chosen, verbose=True)
    say(*str(made).splitlines())
    return 0


def size(text: str) -> tuple[int, int]:
    """A height and a width, or one number for both."""
    found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a size such as 64x64, got {text!r}")
    return int(found[1]), int(found[2] or found[1])
