"""``minicnn evaluate``: how often a saved model is right on HDF5 images."""

import argparse
from pathlib import Path

from minicnn._cli.classifying import check_images, check_names, load, scored
from minicnn._cli.options import MODEL_HELP, Commands, add_keys
from minicnn._core.console import say
from minicnn.data import load_hdf5
from minicnn.errors import ConfigError


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("evaluate", help="evaluate a saved model on HDF5 images")
    command.add_argument("model", type=Path, help=MODEL_HELP)
    command.add_argument("file", type=Path, help="an HDF5 file")
    add_keys(command, "--x-key", "--y-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the accuracy, its interval and the loss."""
    model = load(options.model)
    data = load_hdf5(options.file, options.x_key, options.y_key)
    check_images(model, options.file, data.x)
    check_names(options.model, model.class_names, options.file, data.class_names)
    if model.loss is None:
        raise ConfigError(
            f"{options.model}: expected a model saved with its loss, got none, as from an .onnx "
            "file. Compile it and save it."
        )
    say(scored(model, data).line("Accuracy"))
    return 0
