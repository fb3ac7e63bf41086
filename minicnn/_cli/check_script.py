"""``minicnn check-script``: what of a Keras script will not run here."""

import argparse

from minicnn._cli.options import Commands
from minicnn._core.console import say


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "check-script",
        help="say what of a Keras script or notebook will not run here",
        description="Read a script or a notebook (.ipynb) without running it, and print line by "
        "line what minicnn has not, with the nearest thing. The exit status is 1 if there is any.",
    )
    command.add_argument("scripts", metavar="SCRIPT", nargs="+", help="a .py or .ipynb file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what will not run."""
    import minicnn.as_keras  # noqa: F401
    from minicnn.as_keras.checking import findings

    status = 0
    for script in options.scripts:
        found = findings(script)
        for finding in found:
            say(str(finding))
        if not found:
            say(f"{script}: nothing is known to stand in its way.")
        status = max(status, int(bool(found)))
    return status
