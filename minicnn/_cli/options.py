"""Common parts of the commands' arguments."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from minicnn._parallel.ranks import launched_first
from minicnn.errors import ConfigError

Commands: TypeAlias = "argparse._SubParsersAction[Any]"

MODEL_HELP = "a .keras, .h5 or .onnx file"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are raised, and which takes no abbreviations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.register("type", Path, path)

    def error(self, message: str) -> NoReturn:
        """Raise ``ConfigError`` that names the command's help.

        Of several ranks, which all have the same arguments, the first alone says so.
        """
        if not launched_first():
            raise SystemExit(2)
        raise ConfigError(f"{message} (see '{self.prog} --help').")

    def _print_message(self, message: str, file: Any = None) -> None:
        if launched_first():
            super()._print_message(message, file)


def path(text: str) -> Path:
    """A path, which "" is not: it would be the folder that one is in."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got ''")
    return Path(text)


def add_keys(command: argparse.ArgumentParser, *options: str) -> None:
    """Add options that name datasets in an HDF5 file: ``--x-key`` and ``--y-key``."""
    for option in options:
        content = "images" if option == "--x-key" else "labels"
        default = f"*_set_{option[2]}"
        command.add_argument(
            option, metavar="NAME", help=f"the HDF5 dataset with the {content}; default: {default}"
        )


def keys_of(who: str, options: Any, settings: Mapping[str, Any]) -> list[str | None]:
    """The names of a run's datasets: those given with its files, or its own."""
    keys = ("x_key", "y_key")
    if options.train is None and options.test is None:
        for key in keys:
            if getattr(options, key) is not None:
                raise ConfigError(
                    f"{who}: expected --train FILE or --test FILE beside "
                    f"--{key.replace('_', '-')}, got neither."
                )
    return [getattr(options, key) or settings.get(key) for key in keys]


def whole(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text) if text.isascii() and text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def seed(text: str) -> int:
    """A whole number of 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def fraction(text: str) -> float:
    """A number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a fraction between 0 and 1, got {text!r}")
    return value
