"""``minicnn compare``: whether one of two runs or models is better on the same images."""

import argparse
from pathlib import Path

from minicnn._cli.classifying import check_images, check_names, load
from minicnn._cli.options import Commands, add_keys
from minicnn._core.console import say
from minicnn.data import Dataset, load_hdf5
from minicnn.errors import ConfigError
from minicnn.evaluation import compare
from minicnn.models.model import Model
from minicnn.runs import load_run


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "compare",
        help="say whether one of two runs or models is better",
        description="Compare two runs, or saved models, on the same images by McNemar's exact test "
        "and the paired bootstrap.",
    )
    command.add_argument("first", type=Path, help="a run's folder, or a saved model")
    command.add_argument("second", type=Path, help="another")
    command.add_argument(
        "--test", type=Path, metavar="FILE", help="HDF5 file; default: that of the runs"
    )
    add_keys(command, "--x-key", "--y-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparison."""
    paths = options.first, options.second
    first, second = (_model(path) for path in paths)
    data = _data(options)
    for path, model in zip(paths, (first, second), strict=True):
        check_images(model, options.test or path, data.x)
        check_names(path, model.class_names, options.test or path, data.class_names)
    names = [path.parent.name if path.is_file() else path.name for path in paths]
    if names[0] == names[1] or "" in names:
        names = [str(path) for path in paths]
    say(*str(compare(first, second, data, names=names)).splitlines())
    return 0


def _model(path: Path) -> Model:
    if path.is_dir():
        whole = path / "model.keras"
        return load(whole) if whole.exists() else load_run(path).model()
    return load(path)


def _data(options: argparse.Namespace) -> Dataset:
    """The images to compare on: those given, or those that both runs were tested on."""
    if options.test is not None:
        return load_hdf5(options.test, options.x_key, options.y_key)
    found = {}
    for path in (options.first, options.second):
        settings = load_run(path).settings if path.is_dir() else {}
        if not settings.get("test"):
            raise ConfigError(
                f"{path}: expected a run of minicnn train, which knows its test file, got another. "
                "Give the images to compare on: --test FILE."
            )
        found[settings["test"]] = settings.get("x_key"), settings.get("y_key")
    if len(found) > 1:
        raise ConfigError(
            "compare: expected runs that were tested on one file, got "
            f"{' and '.join(found)}. Give the images to compare on: --test FILE."
        )
    ((file, keys),) = found.items()
    return load_hdf5(file, *keys)
