"""``minicnn replay``: one step of a run again, and a branch from there with another rate."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from minicnn._cli.options import Commands, add_keys, keys_of, positive, whole
from minicnn._core.console import figure_text, say
from minicnn.callbacks.history import History
from minicnn.data import Dataset, HDF5Dataset
from minicnn.errors import ConfigError, printable
from minicnn.explain.replay import Replay
from minicnn.optimizers.schedules import CosineDecay
from minicnn.runs import RunFolder, load_run

Data = Dataset | HDF5Dataset


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "replay",
        help="do one step of a run again, and look into it",
        description="Do one step of a run again, to the bit, and print its batch, its loss and by "
        "layer the sizes of gradients and updates. With --learning-rate train on from there at "
        "another rate, beside the run. In Python, load_run(RUN).replay(STEP) has all arrays.",
    )
    command.add_argument("folder", type=Path, metavar="RUN", help="the run's folder")
    command.add_argument(
        "--step", type=whole, required=True, metavar="N", help="the batch, counted from the first"
    )
    command.add_argument(
        "--train", type=Path, metavar="FILE", help="HDF5 file; default: that of the run"
    )
    command.add_argument(
        "--test", type=Path, metavar="FILE", help="HDF5 file for the branch; default: the run's"
    )
    add_keys(command, "--x-key", "--y-key")
    command.add_argument(
        "--learning-rate",
        type=positive,
        metavar="RATE",
        help="train on from before the step, as if the run had begun with this rate",
    )
    command.add_argument("--out", type=Path, metavar="FILE.keras", help="save the branch's model")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the step, and the branch if there is to be one."""
    if options.out is not None:
        if options.learning_rate is None:
            raise ConfigError("--out is for a branch's model: give --learning-rate RATE as well.")
        _check(options.out)
    found = load_run(options.folder)
    train, test = _data(found, options)
    watched = getattr(sys.stdout, "isatty", bool)()
    replay = found.replay(options.step, train, verbose="auto" if watched else 0)
    say(*str(replay).splitlines())
    if options.learning_rate is not None:
        _branch(options, found, replay, test)
    return 0


def _check(out: Path) -> None:
    """Raise ``ConfigError`` for a file that cannot be written, before a branch is trained."""
    if out.suffix not in (".keras", ".h5") or out.name.endswith(".weights.h5"):
        raise ConfigError(f"{out}: expected a name that ends in .keras or .h5.")
    if out.is_dir():
        raise ConfigError(f"{out}: expected a file, got a folder.")
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: cannot be written. Make the folder {out.parent} first.")
    if not os.access(out.parent, os.W_OK):
        raise ConfigError(f"{out}: cannot be written: {out.parent} is read-only.")


def _data(found: RunFolder, options: argparse.Namespace) -> tuple[Data, Data | None]:
    """The run's data, or those of the files that are given; those to test on are for a branch."""
    keys = keys_of("replay", options, found.settings)
    files = [options.train or found.settings.get("train"), options.test]
    if files[0] is None:
        found.data()
    if options.train is None and options.test is None and options.learning_rate is not None:
        files[1] = found.settings.get("test")
    train, test = [None if file is None else found.open(file, *keys) for file in files]
    assert train is not None
    return train, test


def _branch(
    options: argparse.Namespace, found: RunFolder, replay: Replay, test: Data | None
) -> None:
    rate: Any = options.learning_rate
    assert replay.model.optimizer is not None
    schedule = replay.model.optimizer.schedule
    if isinstance(schedule, CosineDecay):  # as minicnn train has it
        rate = CosineDecay(rate, schedule.decay_steps, schedule.alpha)
    model = replay.branch(rate, validation_data=test, verbose="auto")
    assert model.history is not None
    say("", f"A branch from before step {replay.step} at the rate {options.learning_rate:g}:")
    say(*_beside(found.history, model.history))
    if options.out is not None:
        model.save(options.out)  # type: ignore[attr-defined]
        say(f"Written to {printable(str(options.out))}")


def _beside(run: History, branch: History) -> list[str]:
    """A line an epoch: the loss and the accuracy, or what else was measured last, of both."""
    names = [name for name in run.history if name in branch.history]
    shown = list(dict.fromkeys(["loss", *names[-1:]]))
    lines = ["epoch" + "".join(f"{title:>17}" for name in shown for title in (name, "branch"))]
    for epoch in branch.epoch:
        cells = []
        for name in shown:
            for history in (run, branch):
                there = epoch in history.epochs(name)
                at = history.epochs(name).index(epoch) if there else 0
                cells.append(figure_text(history.history[name][at]) if there else "")
        lines.append(f"{epoch + 1:>5}" + "".join(f"{cell:>17}" for cell in cells).rstrip())
    return lines
