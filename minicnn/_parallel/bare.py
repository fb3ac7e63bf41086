"""How a process apart begins: a Python that loads of this package what its work needs, no more.

Run as a script with the name of a module, whose ``serve(requests, answers)`` it calls with its
standard input and output; see ``apart``. It imports nothing of the package itself: what a user's
``import minicnn`` loads besides takes longer than all that is needed to decode pictures.
"""

import importlib
import os
import sys
import types
from typing import BinaryIO

BARE = ("minicnn", "minicnn.data", "minicnn.data.making")
"""Packages of which the modules are found, but nothing is run."""


def main(module: str) -> None:
    """Serve as that module says, until nobody asks any more."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for name in BARE:
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(root, *name.split("."))]
        sys.modules.setdefault(name, package)
    answers = _own_output()
    importlib.import_module(module).serve(sys.stdin.buffer, answers)


def _own_output() -> BinaryIO:
    """The output for answers alone: what anything prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


if __name__ == "__main__":
    main(sys.argv[1])
