"""``minicnn run``: a Keras script or notebook, unchanged, on minicnn."""

import argparse

from minicnn._cli.options import Commands
from minicnn._core.console import say


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "run",
        help="run a Keras script or notebook, unchanged, on minicnn",
        description="Run a Python script or a notebook (.ipynb) in which keras and tensorflow are "
        "minicnn. Nothing that is installed is changed. check-script says beforehand what "
        "will not run.",
    )
    command.add_argument("script", metavar="SCRIPT", help="a .py or .ipynb file")
    command.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help="what the script is given"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the script; its exit status is the command's."""
    import minicnn.as_keras
    from minicnn.as_keras.scripts import run as run_script

    say(f"{options.script}: keras and tensorflow are minicnn {minicnn.__version__}.", error=True)
    return run_script(options.script, options.arguments)
