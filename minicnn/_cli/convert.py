"""``minicnn convert``: models from one kind of file to another."""

import argparse
import os
from pathlib import Path

from minicnn._cli.options import Commands
from minicnn._core.console import say
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError
from minicnn.models.loading import load_model
from minicnn.models.model import Model
from minicnn.onnx import export_onnx, import_onnx

ENDINGS = (".keras", ".weights.h5", ".h5", ".hdf5", ".onnx")


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "convert",
        help="write a model as a file of another kind",
        description=f"Write a model as a file of another kind, as the endings of the names say: "
        f"{', '.join(ENDINGS)}. ONNX has neither loss nor optimizer.",
    )
    command.add_argument("source", type=Path, metavar="IN", help="the file to read")
    command.add_argument("target", type=Path, metavar="OUT", help="the file to write")
    command.add_argument(
        "--model", type=Path, metavar="FILE", help="the layers, if IN is weights alone"
    )
    command.add_argument(
        "--layout",
        choices=("NHWC", "NCHW"),
        help="the order of the axes of the images that an .onnx file takes; default: NHWC",
    )
    command.add_argument("--force", action="store_true", help="replace OUT if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert, and print what was written."""
    model = convert(options.source, options.target, options.model, options.layout, options.force)
    say(f"{options.target}: {len(model.layers)} layers, {model.count_params():,} parameters")
    return 0


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    layout: str | None = None,
    force: bool = False,
) -> Model:
    """Write the model in ``source`` as a file of the kind that the ending of ``target`` names.

    Weights alone, ``.weights.h5``, are read into the layers of the file ``model``. ``layout`` is
    that of an ONNX file's input. A file that is there is replaced only with ``force``. Raises
    ``ConfigError`` for that, for other endings and for arguments without a meaning here, before
    anything is read.
    """
    source, target = (path_of("convert", "each file", path) for path in (source, target))
    model = None if model is None else path_of("convert", "model", model)
    kinds = {path: _ending(path) for path in (source, target)}
    if kinds[source] == ".weights.h5" and model is None:
        raise ConfigError(
            f"{source}: expected the layers to these weights, got none. Name a file that has them: "
            "--model FILE."
        )
    if kinds[source] != ".weights.h5" and model is not None:
        raise ConfigError(f"{source}: already has layers. Leave --model {model} out.")
    if target.exists() and not force:
        raise ConfigError(
            f"{target}: expected a new file, got one that is there. Take another name, or replace "
            "it with --force."
        )
    if layout is not None and kinds[target] != ".onnx":
        raise ConfigError(f"{target}: expected --layout beside an .onnx file alone, got {layout}.")
    if model is not None:
        _ending(model)
    read = read_model(source if model is None else model)
    if model is not None:
        read.load_weights(source)
    if kinds[target] == ".onnx":
        export_onnx(read, target, layout or "NHWC")
    elif kinds[target] == ".weights.h5":
        read.save_weights(target)
    else:
        read.save(target)
    return read


def read_model(path: Path) -> Model:
    """The model in a file of any kind."""
    return import_onnx(path) if _ending(path) == ".onnx" else load_model(path)


def _ending(path: Path) -> str:
    """The first of ``ENDINGS`` that the path has."""
    for ending in ENDINGS:
        if path.name.endswith(ending):
            return ending
    raise ConfigError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}.")
