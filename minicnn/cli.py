"""The command line: ``minicnn train``, ``evaluate``, ``predict``, ``summary`` and ``doctor``."""

import argparse
import contextlib
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import minicnn
from minicnn import blas
from minicnn.activations import ACTIVATIONS
from minicnn.applications import NETWORKS, RATES
from minicnn.data import Dataset, load_hdf5, load_images
from minicnn.data.images import load_image
from minicnn.errors import ConfigError, DataError, MiniCNNError, ShapeError
from minicnn.files.atomic import make_folder, reason, replacing
from minicnn.history import History
from minicnn.metrics import wilson_interval
from minicnn.optimizers import Adam
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_history
from minicnn.saving import load_model
from minicnn.sequential import Sequential
from minicnn.shapes import Array, Shape

HDF5_ENDINGS = (".h5", ".hdf5")
COMPUTING = ("train", "evaluate", "predict")


def command() -> int:
    """The process ``minicnn``: starts again with faster BLAS kernels if it must, then ``main``.

    OpenBLAS has chosen when NumPy is imported. A choice of the user's stands.
    """
    if sys.argv[1:2] and sys.argv[1] in COMPUTING and not os.environ.get(blas.CORETYPE):
        better = blas.better_coretype()
        if better and sys.executable:
            with contextlib.suppress(OSError):  # slower, then
                again = [sys.executable, *sys.orig_argv[1:]]
                os.execve(sys.executable, again, os.environ | {blas.CORETYPE: better})
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for a mistake, 130 after Ctrl-C."""
    try:
        options = _parser().parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()  # a full disk or a closed pipe should be met here, not at exit
        return status
    except MiniCNNError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # The reader, such as head, has seen enough; nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _complain(f"{error.filename or 'output'}: {reason(error)}.")
    except MemoryError:
        return _complain("this does not fit in memory. Try smaller images or a smaller batch.")
    except KeyboardInterrupt:
        print("\nminicnn: stopped.", file=sys.stderr)
        return 130


def _complain(message: str) -> int:
    print("minicnn:", " ".join(message.split()), file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see '{self.prog} --help').")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="minicnn", description="Train small convolutional networks.")
    parser.add_argument("--version", action="version", version=f"minicnn {minicnn.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train a network on HDF5 images",
        description="Train a network and write a folder with the model and its curves. Without "
        "--train and --test it learns to count fingers on pictures that it draws itself.",
    )
    train.add_argument("--train", type=Path, metavar="FILE", help="HDF5 file to learn from")
    train.add_argument("--test", type=Path, metavar="FILE", help="HDF5 file to be judged on")
    _add_keys(train, "--x-key", "--y-key")
    train.add_argument("--model", choices=NETWORKS, default="small", help="default: small")
    train.add_argument("--epochs", type=_whole, default=20, help="default: 20")
    train.add_argument("--batch-size", type=_whole, default=64, help="default: 64")
    train.add_argument(
        "--learning-rate",
        type=_positive,
        help="at the start; it falls to 0 along a cosine; default: 0.004, but 0.001 for "
        "lenet5, resnet50 and vgg",
    )
    train.add_argument("--seed", type=_seed, default=0, help="default: 0")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: the next runs/NAME-N")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="judge a saved model on HDF5 images")
    evaluate.add_argument("model", type=Path, help="a .keras file")
    evaluate.add_argument("file", type=Path, help="an HDF5 file")
    _add_keys(evaluate, "--x-key", "--y-key")
    evaluate.set_defaults(run=_evaluate)

    predict = commands.add_parser("predict", help="say what is on pictures")
    predict.add_argument("model", type=Path, help="a .keras file")
    predict.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE-OR-H5", help="pictures or HDF5 files"
    )
    _add_keys(predict, "--x-key")
    predict.set_defaults(run=_predict)

    summary = commands.add_parser("summary", help="show the layers of a saved model")
    summary.add_argument("model", type=Path, help="a .keras file")
    summary.set_defaults(run=_summary)

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


def _train(options: argparse.Namespace) -> int:
    started = time.perf_counter()
    train_file, test_file = _data_files(options)
    _check_folder(options.out)
    train = load_hdf5(train_file, options.x_key, options.y_key)
    test = load_hdf5(test_file, options.x_key, options.y_key)
    classes = _check_pair(train_file, train, test_file, test)
    model = _network(options, train_file, train.x.shape[1:], classes)
    # The rate falls to 0: with steps of full size to the end, the last epoch would be a lottery.
    steps = options.epochs * -(-len(train) // options.batch_size)
    options.learning_rate = options.learning_rate or RATES.get(options.model, 1e-3)
    rate = CosineDecay(options.learning_rate, steps)
    model.compile(Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    print(
        f"{len(train):,} images to learn from, {len(test):,} to be judged on, {classes} classes; "
        f"network {options.model}, seed {options.seed}"
    )
    history = model.fit(
        train, batch_size=options.batch_size, epochs=options.epochs, validation_data=test
    )
    judgement = _judge(model, test)
    folder = _new_folder(options.out, train_file)
    settings = {"train": str(train_file), "test": str(test_file)} | {
        name: getattr(options, name)
        for name in ("x_key", "y_key", "model", "epochs", "batch_size", "learning_rate", "seed")
    }
    _write_run(folder, model, history, settings)
    print(f"{judgement.line('Test accuracy')}, after {time.perf_counter() - started:.0f} s")
    print(f"Written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return 130 if history.interrupted else 0


def _network(
    options: argparse.Namespace, train_file: Path, input_shape: Shape, classes: int
) -> Sequential:
    try:
        return NETWORKS[options.model](input_shape, classes, options.seed)
    except ShapeError:
        raise DataError(
            f"{train_file}: expected larger images for the network {options.model}, "
            f"got {input_shape}. Try --model small."
        ) from None


def _check_pair(train_file: Path, train: Dataset, test_file: Path, test: Dataset) -> int:
    """How many classes two files have; raises ``DataError`` if they do not go together."""
    if train.x.shape[1:] != test.x.shape[1:]:
        raise DataError(
            f"{test_file}: expected images of shape {train.x.shape[1:]}, as in {train_file}, "
            f"got {test.x.shape[1:]}."
        )
    _check_names(train_file, train.class_names, test_file, test.class_names)
    for file, data in ((train_file, train), (test_file, test)):
        if data.x.dtype.kind == "f" and data.x.max() <= 1:
            raise DataError(
                f"{file}: expected images from 0 to 255, got floating-point numbers up to "
                f"{data.x.max():.3g}. Store them as uint8."
            )
    classes = max(train.classes, test.classes)
    if classes < 2:
        raise DataError(f"{train_file}: expected images of two classes or more, got {classes}.")
    return classes


def _check_names(
    known_by: Path, known: tuple[str, ...], path: Path, names: tuple[str, ...]
) -> None:
    if known and names and known != names:
        raise DataError(
            f"{path}: expected the classes {', '.join(known)}, as in {known_by}, "
            f"got {', '.join(names)}."
        )


def _write_run(folder: Path, model: Sequential, history: History, settings: dict[str, Any]) -> None:
    model.save(folder / "model.keras")
    history.to_csv(folder / "history.csv")
    if history.epoch:
        plot_history(history, folder / "curves.png")
    settings |= {
        "epochs_done": len(history.epoch),
        "versions": {
            "minicnn": minicnn.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
    }
    with replacing(folder / "settings.json") as unfinished:
        unfinished.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _data_files(options: argparse.Namespace) -> tuple[Path, Path]:
    if (options.train is None) != (options.test is None):
        missing = "--test" if options.test is None else "--train"
        raise ConfigError(f"expected --train and --test together, got no {missing}.")
    if options.train is not None:
        return options.train, options.test
    from minicnn.data.synthetic import write_fingers

    files = Path("datasets/train_fingers.h5"), Path("datasets/test_fingers.h5")
    if not all(file.exists() for file in files):
        print("Drawing pictures of hands into datasets/ ...")
        write_fingers("datasets")
    return files


def _check_folder(wanted: Path | None) -> None:
    """Find out before the training, not after it, that the run has nowhere to go."""
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


@dataclass
class _Judgement:
    loss: float
    right: int
    total: int

    def line(self, what: str) -> str:
        low, high = wilson_interval(self.right, self.total)
        return (
            f"{what} {self.right / self.total:.3f} ({self.right} of {self.total}; "
            f"95% interval {low:.3f} to {high:.3f}), loss {self.loss:.4f}"
        )


def _judge(model: Sequential, data: Dataset) -> _Judgement:
    figures = model.evaluate(data, return_dict=True)
    assert isinstance(figures, dict)
    guesses, _ = _classes(model, data.x)
    return _Judgement(figures["loss"], int(np.sum(guesses == data.y)), len(data))


def _classes(model: Sequential, x: Array) -> tuple[Array, Array]:
    """(class, its probability) for each image; a single output is the probability of class 1."""
    outputs = model.predict(x)
    if model.loss is not None and getattr(model.loss, "from_logits", False):
        outputs = ACTIVATIONS[model.loss.activation].forward(outputs)
    if outputs.shape[-1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs.argmax(axis=-1), outputs.max(axis=-1)


def _evaluate(options: argparse.Namespace) -> int:
    model = _load(options.model)
    data = load_hdf5(options.file, options.x_key, options.y_key)
    _check_images(model, options.file, data.x)
    _check_names(options.model, model.class_names, options.file, data.class_names)
    if model.loss is None:
        raise ConfigError(f"{options.model}: expected a model saved with its loss, got none.")
    print(_judge(model, data).line("Accuracy"))
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
    found, sure = _classes(model, np.concatenate(pictures))
    for name, number, probability in zip(names, found, sure, strict=True):
        label = model.class_names[number] if number < len(model.class_names) else number
        print(f"{name}\t{label}\t{probability:.3f}")
    return 0


def _summary(options: argparse.Namespace) -> int:
    load_model(options.model).summary()
    return 0


def _doctor(options: argparse.Namespace) -> int:
    print(f"{'minicnn':<18}{minicnn.__version__}")
    for what, value in blas.report():
        print(f"{what:<18}{value}", flush=True)
    print(blas.verdict())
    return 0


def _load(path: Path) -> Sequential:
    """A saved model that classifies images."""
    model = load_model(path)
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
