"""The command line: ``minicnn train``, ``evaluate``, ``predict``, ``convert`` and others."""

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import minicnn
from minicnn._cli import (
    check_script,
    compare,
    convert,
    data,
    doctor,
    evaluate,
    explain,
    launch,
    predict,
    replay,
    report,
    run,
    summary,
    train,
)
from minicnn._cli.options import Parser
from minicnn._core import console
from minicnn._core.console import say
from minicnn._files.atomic import reason
from minicnn._parallel import blas
from minicnn._parallel.ranks import hidden
from minicnn.errors import MiniCNNError

COMPUTING = ("train", "evaluate", "compare", "predict", "replay", "report", "run")


def command() -> int:
    """The process ``minicnn``: starts again with faster BLAS kernels if it must, then ``main``.

    OpenBLAS has chosen when NumPy is imported. The user's choice stands.
    """
    with contextlib.suppress(OSError):
        # A closed stream, as after 2>&-, would lend its number to the next file that is opened.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
    if sys.argv[1:2] and sys.argv[1] in COMPUTING and not os.environ.get(blas.CORETYPE):
        better = blas.better_coretype()
        if better and sys.executable:
            with contextlib.suppress(OSError):  # slower, then
                again = [sys.executable, *sys.orig_argv[1:]]
                os.execve(sys.executable, again, os.environ | {blas.CORETYPE: better})
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for a mistake, 130 or 143 after a signal.

    Errors and warnings are a line each on standard error. Without a command there is the help.
    """
    console.unheard()  # of an earlier call
    try:
        options = _parser().parse_args(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _warn  # type: ignore[assignment]
            status: int = options.run(options)
        lost = console.unheard()
        return _not_printed(lost) if lost else status
    except MiniCNNError as error:
        return 2 if hidden(error) else _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename or 'output'}: {reason(error)}.")
    except MemoryError:
        return _complain("this does not fit in memory. Try smaller images or a smaller batch.")
    except KeyboardInterrupt:
        say("", "minicnn: stopped.", error=True)
        return 130


def _complain(message: str) -> int:
    say(f"minicnn: {' '.join(message.split())}", error=True)
    return 2


def _warn(message: Warning | str, *where: Any) -> None:
    say(f"minicnn: warning: {' '.join(str(message).split())}", error=True)


def _not_printed(error: OSError) -> int:
    """The work is done, but not all output could be written."""
    with contextlib.suppress(OSError, ValueError):  # Python tries once more at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 141  # the reader, such as head, has seen enough
    return _complain(f"output: {reason(error)}.")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minicnn", description="Train small convolutional networks.")
    parser.add_argument("--version", action="version", version=f"minicnn {minicnn.__version__}")
    parser.set_defaults(run=_help)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    others = (summary, convert, run, launch, check_script, doctor)
    every = (train, evaluate, compare, predict, explain, replay, report, data, *others)
    for command in every:
        command.add(commands)
    return parser


def _help(options: argparse.Namespace) -> int:
    say(*_parser().format_help().splitlines())
    return 0
