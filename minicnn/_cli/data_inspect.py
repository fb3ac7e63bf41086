"""``minicnn data inspect``: what would spoil a training, found before it."""

import argparse
from pathlib import Path

from minicnn._cli.options import Commands, add_keys, seed
from minicnn._core.console import say
from minicnn.errors import ConfigError, printable


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "inspect",
        help="say what is wrong with data before a network learns from them",
        description="Look at an HDF5 file, or at a folder with a folder of pictures for each "
        "class: what is in it, what a network must beat, and what is wrong, each with its remedy. "
        "The exit status is 0 when nothing of weight was found, 1 when there is an error or a "
        "warning, and 2 when the data cannot be read.",
    )
    command.add_argument("train", type=Path, metavar="DATA", help="the file or folder")
    command.add_argument(
        *("test",),
        type=Path,
        nargs="?",
        metavar="TEST",
        help="those to test on, which are compared with the first",
    )
    command.add_argument(
        *("--html",),
        type=Path,
        metavar="PAGE.html",
        help="write it, with pictures, as a page for any browser",
    )
    command.add_argument(
        *("--seed",),
        type=seed,
        default=0,
        metavar="N",
        help="draws the sample of more than 10,000 images; default: 0",
    )
    add_keys(command, "--x-key", "--y-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was found, and write the page."""
    from minicnn.data.doctor import inspect
    from minicnn.pages import inspection_page

    if options.html is not None and options.html.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{options.html}: expected a name that ends in .html, got another.")
    found = inspect(
        options.train,
        options.test,
        x_key=options.x_key,
        y_key=options.y_key,
        seed=options.seed,
    )
    say(*str(found).splitlines())
    if options.html is not None:
        inspection_page(found, options.html)
        say(f"{printable(str(options.html))}: open it in a browser.")
    return int(not found.sound)
