"""``minicnn train``: from two HDF5 files to a folder with a model, its curves and a checkpoint.

model.keras   history.csv   curves.png    written at the end, also after Ctrl-C and SIGTERM
settings.json                             the options, written at the beginning
checkpoint.h5 (and the one before it)     where ``minicnn train --resume RUN`` continues
checkpoint.start.h5                       from where ``minicnn replay RUN`` replays steps

Ctrl-C and SIGTERM end the run after the batch at hand. A later one, while the results are written,
ends the command at once; ``--resume`` then writes them again.
"""

import argparse
import contextlib
import itertools
import json
import os
import platform
import shlex
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn._cli.classifying import check_names, check_range, scored
from minicnn._cli.options import Commands, add_keys, positive, seed, whole
from minicnn._cli.reading import read, some
from minicnn._core.console import say
from minicnn._core.shapes import Shape
from minicnn._files.archive import json_object
from minicnn._files.atomic import clear, make_folder, replacing
from minicnn._files.hdf5 import regular_file_size
from minicnn._parallel.ranks import Ranks, launched, show_error
from minicnn._training import checkpoints
from minicnn._training.distributed import together
from minicnn.applications import NETWORKS, RATES
from minicnn.callbacks.history import History
from minicnn.data import Dataset, HDF5Dataset
from minicnn.errors import ConfigError, DataError, MiniCNNError, ShapeError
from minicnn.models.model import Model
from minicnn.optimizers import Adam
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_history
from minicnn.runs import SETTINGS

DEFAULTS = {"model": "small", "epochs": 20, "batch_size": 64, "seed": 0}

OPTIONS = (
    *("train", "test", "x_key", "y_key"),
    *("model", "epochs", "batch_size", "learning_rate", "seed", "stream"),
)
"""The settings that define a run."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "train",
        help="train a network on HDF5 images",
        description="Train a network and write a folder with the model and its curves. Without "
        "--train and --test it learns to count fingers on pictures that it draws itself.",
    )
    command.add_argument("--train", type=Path, metavar="FILE", help="HDF5 file to learn from")
    command.add_argument("--test", type=Path, metavar="FILE", help="HDF5 file to test on")
    add_keys(command, "--x-key", "--y-key")
    command.add_argument(
        "--model",
        choices=NETWORKS,
        metavar="NAME",
        help=f"{', '.join(NETWORKS)}; default: small",
    )
    command.add_argument("--epochs", type=whole, metavar="N", help="default: 20")
    command.add_argument("--batch-size", type=whole, metavar="N", help="default: 64")
    command.add_argument(
        "--learning-rate",
        type=positive,
        metavar="RATE",
        help="at the start; it falls to 0 along a cosine; default: 0.004, but 0.001 for "
        "lenet5, resnet50 and vgg",
    )
    command.add_argument("--seed", type=seed, metavar="N", help="default: 0")
    command.add_argument(
        "--stream",
        action="store_true",
        default=None,
        help="read the images while the network trains, as is done anyway where they would take "
        "half of the free memory",
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="default: the next runs/NAME-N")
    command.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="resume the run in that folder from its last checkpoint; with --epochs to another "
        "end, towards which the learning rate falls from then on",
    )
    command.add_argument("--quiet", action="store_true", help="say nothing but the result")
    command.set_defaults(run=partial(run, command))


def run(command: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Begin a run, or resume one with the options in its settings."""
    folder = options.resume
    if folder is not None:
        given = [name for name in (*OPTIONS, "out") if getattr(options, name) is not None]
        for name in given:
            if name != "epochs":
                raise ConfigError(
                    "--resume takes all options but --epochs from the run, got "
                    f"--{name.replace('_', '-')} as well."
                )
        epochs, quiet = options.epochs, options.quiet
        arguments = arguments_of(folder)
        try:
            options = command.parse_args(arguments)
        except ConfigError as error:
            raise ConfigError(f"{folder / SETTINGS}: {error}") from None
        options.resume, options.epochs = folder, epochs or options.epochs
        options.quiet = quiet
    return train(options)


def train(options: argparse.Namespace) -> int:
    """Begin a run, or resume that in the folder ``options.resume``; returns the exit status.

    Where it was started by mpiexec, the processes train together.
    """
    with together(launched(), _show) as ranks:
        return _train(options, ranks)


def _show(error: BaseException) -> int:
    """Print the error of one rank of several; returns the exit status."""
    if isinstance(error, MiniCNNError | OSError):
        say(f"minicnn: {' '.join(str(error).split())}", error=True)
        return 2
    return show_error(error)


def _train(options: argparse.Namespace, ranks: Ranks | None) -> int:
    started = time.perf_counter()
    first = ranks is None or not ranks.number
    for name, value in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if first:
        options.train, options.test = _data_files(options)
        if options.resume is None:
            _check_folder(options.out)
    if ranks is not None:
        options.train, options.test = ranks.first((options.train, options.test))
    train, test = read(options.train, options), read(options.test, options)
    classes = _check_pair(options.train, train, options.test, test)
    model = _network(options, options.train, _shape(train), classes)
    # The rate falls to 0: with full steps to the end, the last epoch's result would be random.
    steps = options.epochs * -(-len(train) // options.batch_size)
    options.learning_rate = options.learning_rate or RATES.get(options.model, 1e-3)
    rate = CosineDecay(options.learning_rate, steps)
    model.compile(Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    if not options.quiet:
        say(
            f"{len(train):,} images to learn from, {len(test):,} to test on, {classes} classes; "
            f"network {options.model}, seed {options.seed}"
        )
    with _folder(options, model) if first else nullcontext(None) as folder:
        if folder is not None:
            _write_settings(folder, options)
        if ranks is not None:
            folder = ranks.first(folder)
        history = model.fit(
            train,
            batch_size=options.batch_size,
            epochs=options.epochs,
            verbose=0 if options.quiet else "auto",
            validation_data=test,
            checkpoint=folder,
            resume=options.resume is not None,
            distributed=ranks is not None,
        )
    if not first:
        return history.exit_status
    assert folder is not None
    score = scored(model, test)
    _write_results(folder, model, history)
    _write_settings(folder, options, epochs_done=len(history.epoch))
    complete = len(history.epoch) >= options.epochs
    if complete:
        (folder / checkpoints.PREVIOUS).unlink(missing_ok=True)
    say(score.line("Test accuracy"))
    files = ", ".join(sorted(path.name for path in folder.iterdir()))
    say(f"Written to {folder} after {time.perf_counter() - started:.0f} s: {files}")
    if not complete:
        say(f"To resume: minicnn train --resume {shlex.quote(str(folder))}")
    return history.exit_status


def arguments_of(run: Path) -> list[str]:
    """The options of the run in that folder, as they are given to the command.

    Raises ``ConfigError`` for a folder that has no run to resume.
    """
    path = run / SETTINGS
    if run.is_dir() and not path.exists():
        raise ConfigError(
            f"{run}: expected the folder of a run, such as runs/fingers-1, got one without "
            f"{SETTINGS}."
        )
    regular_file_size(path, ConfigError)
    text = path.read_bytes()
    if not any((run / name).exists() for name in (checkpoints.NEWEST, checkpoints.PREVIOUS)):
        raise ConfigError(f"{run}: expected a run with a checkpoint, got one without.")
    settings = json_object(str(path), text, ConfigError)
    known = {name: settings.get(name) for name in OPTIONS}
    optional = ("x_key", "y_key", "stream")
    missing = [name for name, value in known.items() if value is None and name not in optional]
    if missing:
        raise ConfigError(f"{path}: expected the settings of a run, got none of {missing[0]}.")
    return [
        f"--{name.replace('_', '-')}" + f"={value}" * (value is not True)
        for name, value in known.items()
        if value is not None
    ]


@contextlib.contextmanager
def _folder(options: argparse.Namespace, model: Model) -> Iterator[Path]:
    """The folder of the run; a new one is gone again if the run fails in its first epoch."""
    if options.resume is not None:
        before = (options.resume / SETTINGS).read_bytes()
        try:
            yield options.resume
        except MiniCNNError:
            _write(options.resume / SETTINGS, before)
            raise
        return
    wanted = Path("runs") if options.out is None else options.out
    made = [path for path in (wanted, *wanted.parents) if not path.exists()]
    folder = _new_folder(options.out, options.train)
    if folder != wanted:
        made.insert(0, folder)
    try:
        yield folder
    except MiniCNNError:
        if model.history is None or not model.history.epoch:
            for path in (folder / SETTINGS, *checkpoints.files(folder)):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another run may have begun in runs/
                for path in made:
                    path.rmdir()
        raise


def _network(
    options: argparse.Namespace, train_file: Path, input_shape: Shape, classes: int
) -> Model:
    try:
        return NETWORKS[options.model](input_shape, classes, options.seed)
    except ShapeError:
        raise DataError(
            f"{train_file}: expected larger images for the network {options.model}, "
            f"got {input_shape}. Try --model small."
        ) from None


def _shape(data: Dataset | HDF5Dataset) -> Shape:
    """That of an image."""
    return (data.x if isinstance(data, Dataset) else data).shape[1:]


def _check_pair(
    train_file: Path,
    train: Dataset | HDF5Dataset,
    test_file: Path,
    test: Dataset | HDF5Dataset,
) -> int:
    """The number of classes of two files; raises ``DataError`` if they do not go together."""
    if _shape(train) != _shape(test):
        raise DataError(
            f"{test_file}: expected images of shape {_shape(train)}, as in {train_file}, "
            f"got {_shape(test)}."
        )
    check_names(train_file, train.class_names, test_file, test.class_names)
    check_range(train_file, some(train))
    check_range(test_file, some(test))
    classes = max(train.classes, test.classes)
    if classes < 2:
        raise DataError(f"{train_file}: expected images of two classes or more, got {classes}.")
    return classes


def _write_settings(folder: Path, options: argparse.Namespace, **results: Any) -> None:
    settings = {
        name: os.path.abspath(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name in OPTIONS
    }
    settings |= results | {
        "versions": {
            "minicnn": minicnn.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
    }
    _write(folder / SETTINGS, (json.dumps(settings, indent=2) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def _write_results(folder: Path, model: Model, history: History) -> None:
    clear(folder, "model", "history", "curves", "settings")  # left half written by a kill
    model.save(folder / "model.keras")
    history.to_csv(folder / "history.csv")
    if history.epoch:
        try:
            plot_history(history, folder / "curves.png")
        except Exception as error:  # the run is done, even if Matplotlib fails
            why = " ".join(f"{type(error).__name__}: {error}".split())
            say(f"minicnn: warning: curves.png is left out: {why}", error=True)


def _data_files(options: argparse.Namespace) -> tuple[Path, Path]:
    if (options.train is None) != (options.test is None):
        missing = "--test" if options.test is None else "--train"
        raise ConfigError(f"expected --train and --test together, got no {missing}.")
    if options.train is not None:
        return options.train, options.test
    from minicnn.data.synthetic import write_fingers

    files = Path("datasets/train_fingers.h5"), Path("datasets/test_fingers.h5")
    if not all(file.exists() for file in files):
        if not options.quiet:
            say("Drawing pictures of hands into datasets/ ...")
        write_fingers("datasets")
    return files


def _check_folder(wanted: Path | None) -> None:
    """Raise ``ConfigError`` before the run, not after it, if its folder cannot be used."""
    folder = Path("runs") if wanted is None else wanted
    if wanted is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: expected a new or empty folder for --out, got one in use.")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"{folder}: cannot be made: {there} is not a folder to write to.")


def _new_folder(wanted: Path | None, train_file: Path) -> Path:
    if wanted is not None:
        make_folder(wanted)
        return wanted
    name = train_file.stem.removeprefix("train_")
    make_folder(Path("runs"))
    for n in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            folder = Path(f"runs/{name}-{n}")
            folder.mkdir()
            return folder
    raise AssertionError("there is always a next number")
