"""``minicnn data fetch``: a well-known data set, into Keras' own cache."""

import argparse
from importlib import import_module
from pathlib import Path

from minicnn import datasets
from minicnn._cli.options import Commands
from minicnn._core.console import say
from minicnn.data.making.writing import check_target, target_of, writing
from minicnn.datasets.checking import folder

CLASS_NAMES = {
    "cats": ("non-cat", "cat"),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    "fashion_mnist": (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
}
"""What the labels stand for; those of the others are numbers."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "fetch",
        help="download a well-known data set",
        description="Download a well-known data set into the folder of Keras' data sets, unless "
        "it is there.",
    )
    names = sorted(datasets.__all__)
    command.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))
    command.add_argument(
        "out",
        type=Path,
        nargs="?",
        metavar="OUT",
        help="an .h5 file to write, to train on; the images to test on go into ..._test.h5 beside",
    )
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Have the data set, and print what it is."""
    paths: tuple[Path, ...] = ()
    if options.out is not None:
        paths = options.out, target_of(options.out, "test")
        for path in paths:
            check_target(path, options.overwrite)
    loaded = import_module(f"minicnn.datasets.{options.name}").load_data()
    parts = dict(zip(("train", "test"), loaded, strict=True))
    for part, (x, y) in parts.items():
        say(f"{part}: {len(x):,} images {x.shape[1:]}, labels from {y.min()} to {y.max()}")
    say(f"In {folder()}; in Python: minicnn.datasets.{options.name}.load_data()")
    for path, (part, (x, y)) in zip(paths, parts.items(), strict=False):
        x = x if x.ndim == 4 else x[..., None]
        names = CLASS_NAMES.get(options.name) or [str(i) for i in range(int(y.max()) + 1)]
        with writing(path, part, x.shape[1:], y.reshape(-1), names) as writer:
            writer.add(x)
        say(f"{path}: {len(x):,} images")
    return 0
