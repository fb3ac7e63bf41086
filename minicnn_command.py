"""The process ``minicnn`` from its first moment: Ctrl-C is one line, also while NumPy is imported.

It lies beside the package, which would be imported first of all.
"""

import os
import signal
from contextlib import suppress
from typing import Any, NoReturn


def command() -> int:
    """See ``minicnn._cli.main.command``, which answers Ctrl-C once it is there."""
    before = signal.getsignal(signal.SIGINT)
    try:
        if before is signal.default_int_handler:
            # An exception might become another one within a module that is being imported.
            signal.signal(signal.SIGINT, _stop)
        from minicnn._cli.main import command

        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
        return command()
    except KeyboardInterrupt:
        _stop()


def _stop(*signal_and_frame: Any) -> NoReturn:
    with suppress(OSError):
        os.write(2, b"\nminicnn: stopped.\n")
    os._exit(130)
