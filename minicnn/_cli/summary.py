"""``minicnn summary``: the layers of a saved model."""

import argparse
from pathlib import Path

from minicnn._cli.convert import read_model
from minicnn._cli.options import MODEL_HELP, Commands


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("summary", help="show the layers of a saved model")
    command.add_argument("model", type=Path, help=MODEL_HELP)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table of the layers."""
    read_model(options.model).summary()
    return 0
