"""``minicnn predict``: the classes that a saved model sees on pictures."""

import argparse
from pathlib import Path

import numpy as np

from minicnn._cli.classifying import check_images, classes, load
from minicnn._cli.options import MODEL_HELP, Commands, add_keys
from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn.data import load_images
from minicnn.data.images import load_image
from minicnn.errors import printable

HDF5_ENDINGS = (".h5", ".hdf5")


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("predict", help="say what is on pictures")
    command.add_argument("model", type=Path, help=MODEL_HELP)
    command.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE-OR-H5", help="pictures or HDF5 files"
    )
    add_keys(command, "--x-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a line for each picture: its name, the class, the probability."""
    model = load(options.model)
    # All files are read before the first line is printed: after a mistake nothing is printed.
    names: list[str] = []
    pictures: list[Array] = []
    for path in options.images:
        if path.suffix.lower() in HDF5_ENDINGS:
            x = load_images(path, options.x_key)
            check_images(model, path, x)
            names += [f"{path}[{i}]" for i in range(len(x))]
            pictures.append(x)
        else:
            names.append(str(path))
            pictures.append(load_image(path, model.input_shape)[None])
    found, sure = classes(model, np.concatenate(pictures))
    labels = dict(enumerate(model.class_names))
    lines = zip(names, (labels.get(number, str(number)) for number in found), sure, strict=True)
    say(*(f"{printable(name)}\t{printable(label)}\t{p:.3f}" for name, label, p in lines))
    return 0
