"""The command line: ``minicnn train``, ``evaluate``, ``predict``, ``convert`` and others."""

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import minicnn
from minicnn._cli import train
from minicnn._cli.convert import ENDINGS, convert, read_model
from minicnn._cli.evaluation import check_names, check_range, classes, judge, scales_bytes
from minicnn._core import console
from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn._files.atomic import reason
from minicnn._parallel import blas
from minicnn.applications import NETWORKS
from minicnn.data import load_hdf5, load_images
from minicnn.data.images import load_image
from minicnn.errors import ConfigError, DataError, MiniCNNError, printable
from minicnn.models.sequential import Sequential

HDF5_ENDINGS = (".h5", ".hdf5")
COMPUTING = ("train", "evaluate", "predict")


def command() -> int:
    """The process ``minicnn``: starts again with faster BLAS kernels if it must, then ``main``.

    OpenBLAS has chosen when NumPy is imported. A choice of the user's stands.
    """
    with contextlib.suppress(OSError):
        # What is closed, as after 2>&-, would else be the number of the next file that is opened.
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
        return _complain(str(error))
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
    """The work is done, but not all that was said has been heard."""
    with contextlib.suppress(OSError, ValueError):  # Python tries once more at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 141  # the reader, such as head, has seen enough
    return _complain(f"output: {reason(error)}.")


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see '{self.prog} --help').")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="minicnn", description="Train small convolutional networks.")
    parser.add_argument("--version", action="version", version=f"minicnn {minicnn.__version__}")
    parser.set_defaults(run=_help)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train a network on HDF5 images",
        description="Train a network and write a folder with the model and its curves. Without "
        "--train and --test it learns to count fingers on pictures that it draws itself.",
    )
    train.add_argument("--train", type=Path, metavar="FILE", help="HDF5 file to learn from")
    train.add_argument("--test", type=Path, metavar="FILE", help="HDF5 file to be judged on")
    _add_keys(train, "--x-key", "--y-key")
    train.add_argument(
        "--model",
        choices=NETWORKS,
        metavar="NAME",
        help=f"{', '.join(NETWORKS)}; default: small",
    )
    train.add_argument("--epochs", type=_whole, metavar="N", help="default: 20")
    train.add_argument("--batch-size", type=_whole, metavar="N", help="default: 64")
    train.add_argument(
        "--learning-rate",
        type=_positive,
        metavar="RATE",
        help="at the start; it falls to 0 along a cosine; default: 0.004, but 0.001 for "
        "lenet5, resnet50 and vgg",
    )
    train.add_argument("--seed", type=_seed, metavar="N", help="default: 0")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: the next runs/NAME-N")
    train.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on with the run in that folder from its last checkpoint; with --epochs to another "
        "end, towards which the learning rate falls from then on",
    )
    train.add_argument("--quiet", action="store_true", help="say nothing but the result")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="judge a saved model on HDF5 images")
    evaluate.add_argument("model", type=Path, help="a .keras, .h5 or .onnx file")
    evaluate.add_argument("file", type=Path, help="an HDF5 file")
    _add_keys(evaluate, "--x-key", "--y-key")
    evaluate.set_defaults(run=_evaluate)

    predict = commands.add_parser("predict", help="say what is on pictures")
    predict.add_argument("model", type=Path, help="a .keras, .h5 or .onnx file")
    predict.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE-OR-H5", help="pictures or HDF5 files"
    )
    _add_keys(predict, "--x-key")
    predict.set_defaults(run=_predict)

    summary = commands.add_parser("summary", help="show the layers of a saved model")
    summary.add_argument("model", type=Path, help="a .keras, .h5 or .onnx file")
    summary.set_defaults(run=_summary)

    converter = commands.add_parser(
        "convert",
        help="write a model as a file of another kind",
        description=f"Write a model as a file of another kind, as the endings of the names say: "
        f"{', '.join(ENDINGS)}. ONNX has neither loss nor optimizer.",
    )
    converter.add_argument("source", type=Path, metavar="IN", help="the file to read")
    converter.add_argument("target", type=Path, metavar="OUT", help="the file to write")
    converter.add_argument(
        "--model", type=Path, metavar="FILE", help="the layers, if IN is weights alone"
    )
    converter.add_argument(
        "--layout",
        choices=("NHWC", "NCHW"),
        help="the order of the axes of the images that an .onnx file takes; default: NHWC",
    )
    converter.add_argument("--force", action="store_true", help="replace OUT if it is there")
    converter.set_defaults(run=_convert)

    doctor = commands.add_parser(
        "doctor",
        help="show which BLAS NumPy uses, and how fast it is",
        description="Show the versions, the processor, the BLAS that scripts get here and how "
        "fast it is, and what would make it faster.",
    )
    doctor.set_defaults(run=_doctor)
    return parser


def _add_keys(command: argparse.ArgumentParser, *options: str) -> None:
    for option in options:
        what = "images" if option == "--x-key" else "labels"
        default = f"*_set_{option[2]}"
        command.add_argument(
            option, metavar="NAME", help=f"the HDF5 dataset with the {what}; default: {default}"
        )


def _whole(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def _help(options: argparse.Namespace) -> int:
    say(*_parser().format_help().splitlines())
    return 0


def _train(options: argparse.Namespace) -> int:
    run = options.resume
    if run is not None:
        given = [name for name in (*train.OPTIONS, "out") if getattr(options, name) is not None]
        for name in given:
            if name != "epochs":
                raise ConfigError(
                    "--resume takes all options but --epochs from the run, got "
                    f"--{name.replace('_', '-')} as well."
                )
        epochs, quiet = options.epochs, options.quiet
        arguments = train.arguments_of(run)
        try:
            options = _parser().parse_args(["train", *arguments])
        except ConfigError as error:
            raise ConfigError(f"{run / train.SETTINGS}: {error}") from None
        options.resume, options.epochs = run, epochs or options.epochs
        options.quiet = quiet
    return train.train(options)


def _evaluate(options: argparse.Namespace) -> int:
    model = _load(options.model)
    data = load_hdf5(options.file, options.x_key, options.y_key)
    _check_images(model, options.file, data.x)
    check_names(options.model, model.class_names, options.file, data.class_names)
    if model.loss is None:
        raise ConfigError(
            f"{options.model}: expected a model saved with its loss, got none, as from an .onnx "
            "file. Compile it and save it."
        )
    say(judge(model, data).line("Accuracy"))
    return 0


def _predict(options: argparse.Namespace) -> int:
    model = _load(options.model)
    # All files are read before the first line is printed: a mistake costs no half answer.
    names: list[str] = []
    pictures: list[Array] = []
    for path in options.images:
        if path.suffix.lower() in HDF5_ENDINGS:
            x = load_images(path, options.x_key)
            _check_images(model, path, x)
            names += [f"{path}[{i}]" for i in range(len(x))]
            pictures.append(x)
        else:
            names.append(str(path))
            pictures.append(load_image(path, model.input_shape)[None])
    found, sure = classes(model, np.concatenate(pictures))
    labels = dict(enumerate(model.class_names))
    lines = zip(names, (labels.get(number, str(number)) for number in found), sure, strict=True)
    say(*(f"{printable(name)}\t{printable(label)}\t{p:.3f}" for name, label, p in lines))
    return 0


def _summary(options: argparse.Namespace) -> int:
    read_model(options.model).summary()
    return 0


def _convert(options: argparse.Namespace) -> int:
    model = convert(options.source, options.target, options.model, options.layout, options.force)
    say(f"{options.target}: {len(model.layers)} layers, {model.count_params():,} parameters")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    say(f"{'minicnn':<18}{minicnn.__version__}")
    for what, value in blas.report():
        say(f"{what:<18}{value}")
    say(blas.verdict())
    return 0


def _load(path: Path) -> Sequential:
    """A saved model that classifies images."""
    model = read_model(path)
    if len(model.input_shape) != 3 or len(model.output_shape) != 1:
        raise ConfigError(
            f"{path}: expected a model that classifies images (H, W, C), "
            f"got {model.input_shape} to {model.output_shape}."
        )
    return model


def _check_images(model: Sequential, path: Path, x: Array) -> None:
    if x.shape[1:] != model.input_shape:
        raise DataError(
            f"{path}: expected images of shape {model.input_shape}, as the model was trained on, "
            f"got {x.shape[1:]}."
        )
    if scales_bytes(model.layers):
        check_range(path, x)
