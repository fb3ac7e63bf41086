"""Checkpoints: all that a training needs to go on, to the bit, from where it was ended.

``Sequential.fit(checkpoint=folder)`` keeps two files in the folder: ``checkpoint.h5`` and, in case
that one gets damaged, the one before it. Each holds a tree (``minicnn.files.checkpoint``):

    about       the model's layers and how it was compiled, the training's settings, what the data
                are: a training that goes on must be of the same
    machine     versions, BLAS and threads: with others the bits may differ
    epoch, step how many epochs are done, and how many batches of the next one
    stopped     whether a callback has ended the training
    generator   the state of the model's generator
    stream      how many batches of the present pass over the images were taken, and the state of
                the generator from which its order came
    model       arrays, and which layers are trainable
    optimizer   iterations, the learning rate if it is a number, slots
    running     the sums of the epoch so far: loss and metrics
    history     what each epoch brought
    callbacks   what each of them remembers
"""

import json
import os
import platform
import reprlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from minicnn import threads
from minicnn.config import number, save_config
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError, MiniCNNError, ModelFileError
from minicnn.files import checkpoint
from minicnn.files.atomic import make_folder
from minicnn.files.checkpoint import Tree
from minicnn.layers import Layer
from minicnn.layers.base import walk
from minicnn.layers.saving import described
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer
from minicnn.shapes import Array, DType

NEWEST, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"

EVERY = 30.0
"""Seconds after which a checkpoint is written in mid-epoch."""

SHARE = 0.05
"""How much of the time may go into checkpoints, but for those at the end and after a signal."""


Often = Literal["epoch"] | int | None
"""After each epoch, after so many batches, or as often as costs little."""


class Model(Protocol):
    """What a checkpoint keeps of a model that is built and compiled."""

    @property
    def stack(self) -> Sequence[Layer]: ...  # noqa: D102

    dtype: DType
    kernels: str
    fuse: bool
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: Sequence[str | Metric]
    stop_training: bool


class Checkpoints:
    """The checkpoints of one training: when they are written, and which one is good.

    ``about`` says what must be the same for a training to go on.
    """

    def __init__(
        self, folder: str | os.PathLike[str], about: Mapping[str, Any], often: Often
    ) -> None:
        self.folder = Path(folder)
        self.often = often
        self.about = about
        self.machine = machine()
        self.cost = 0.0
        """Seconds that the last one took."""
        self.last = time.monotonic()
        self.written = False
        self.failed = False
        self.newest_is_good = True

    def due(self, epoch: int, step: int, steps: int) -> bool:
        """Whether it is time for one after so many epochs, and batches of those in the next."""
        if self.often is None:
            since = time.monotonic() - self.last
            return since >= max(self.cost / SHARE, EVERY if step else 0)
        return not step if self.often == "epoch" else (epoch * steps + step) % self.often == 0

    def write(self, state: Callable[[], Tree]) -> None:
        """Write one. The first must succeed: raises ``ConfigError``; of later failures it warns."""
        started = time.monotonic()
        newest, previous = self.folder / NEWEST, self.folder / PREVIOUS
        try:
            make_folder(self.folder)
            tree = {"about": self.about, "machine": self.machine} | state()
            checkpoint.write(newest, tree, previous if self.newest_is_good else None)
        except ConfigError as error:
            if not self.written:
                raise
            if not self.failed:
                warnings.warn(
                    f"{error} The training goes on; the checkpoint before stays as it was.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            self.failed = True
        else:
            self.written = self.newest_is_good = True
            self.failed = False
        self.last = time.monotonic()
        self.cost = self.last - started

    def delete(self) -> None:
        """Delete both."""
        for name in (NEWEST, PREVIOUS):
            (self.folder / name).unlink(missing_ok=True)

    def read(self, resume: bool, epochs: int, steps: int) -> Tree | None:
        """The newest good one, or None if there is none.

        Raises ``ConfigError`` when there is one that is not to be used, when it is of another
        training, and when there are to be fewer ``epochs`` than it has; ``ModelFileError`` when all
        are damaged. ``steps`` are those of an epoch.
        """
        there = [path for name in (NEWEST, PREVIOUS) if (path := self.folder / name).exists()]
        if there and not resume:
            raise ConfigError(
                f"fit: expected a folder without a checkpoint, got {there[0]}. Give resume=True "
                "to go on from it, or take another folder."
            )
        for unfinished in self.folder.glob(f".{Path(NEWEST).stem}-*"):
            unfinished.unlink(missing_ok=True)  # a process that was killed while writing left it
        if not there:
            return None
        self.written = True
        path = there[0]
        try:
            tree = checkpoint.read(path)
        except ModelFileError as error:
            if len(there) == 1:
                raise
            path = there[1]
            tree = checkpoint.read(path)
            self.newest_is_good = False
            warnings.warn(f"{error} Going on from {path}.", RuntimeWarning, stacklevel=2)
        self._compare(path, tree)
        with damage(self.folder):
            epoch, step = tree["epoch"], tree["step"]
            if not (epoch >= 0 and 0 <= step <= steps and isinstance(epoch + step, int)):
                raise ValueError
        if epoch > epochs:
            raise ConfigError(
                f"{path}: expected epochs of at least {epoch}, which are done, got {epochs}."
            )
        return tree

    def _compare(self, path: Path, tree: Tree) -> None:
        different = next(differences(tree.get("about"), self.about), None)
        if different is not None:
            what, then, now = different
            raise ConfigError(
                f"{path}: expected a training like the one to go on with, but {what} was {then} "
                f"and is now {now}. Make it what it was, or take another folder."
            )
        changed = [
            f"{what} was {then} and is now {now}"
            for what, then, now in differences(tree.get("machine"), self.machine)
        ]
        if changed:
            warnings.warn(
                f"{path}: {'; '.join(changed)}. The training goes on, but its bits may differ from "
                "those of one left alone.",
                RuntimeWarning,
                stacklevel=2,
            )


@contextmanager
def damage(folder: Path | str | os.PathLike[str] | None) -> Iterator[None]:
    """Within, whatever goes wrong is the checkpoint's fault: ``ModelFileError`` in one line."""
    try:
        yield
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, MiniCNNError) else ""
        raise ModelFileError(
            f"{folder}: expected a checkpoint of this training, got a damaged one{why}."
        ) from error


def described_training(
    model: Model, data: Data, validation: Data | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What must be the same for a training to go on, as JSON has it.

    A learning rate may be another: a number comes from the checkpoint, a schedule from the script.
    """
    assert model.optimizer is not None
    assert model.loss is not None
    optimizer = save_config(model.optimizer)
    rate = "a number" if model.optimizer.schedule is None else "a schedule"
    optimizer["config"]["learning_rate"] = rate
    about = {
        "model": {"dtype": model.dtype.name, "kernels": model.kernels, "fuse": model.fuse},
        "layers": [described(layer) for layer in model.stack],
        "optimizer": optimizer,
        "loss": save_config(model.loss),
        "metrics": [m if isinstance(m, str) else save_config(m) for m in model.metrics],
        "data": _described_data(data),
        "validation": None if validation is None else _described_data(validation),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about | dict(settings), default=_plain))
    return plain


def _plain(value: Any) -> Any:
    """What stands for an argument that JSON does not know: its numbers, or its name."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return getattr(value, "__qualname__", type(value).__name__)


def _described_data(data: Data) -> dict[str, Any]:
    return {
        name: {"shape": array.shape, "dtype": array.dtype.name, "checksum": _checksum(array)}
        for name, array in (("x", data.x), ("y", data.y), ("sample_weight", data.weights))
        if array is not None
    }


def _checksum(array: Array) -> int:
    found = 0
    for start in range(0, len(array), 1024):  # a view may not lie in one piece in memory
        found = checkpoint.checksum(array[start : start + 1024], found)
    return found


def machine() -> dict[str, Any]:
    """What the bits depend on, besides the training."""
    blas = [
        [pool["internal_api"], pool.get("version"), pool.get("architecture")]
        for pool in threads.controller().info()
        if pool["user_api"] == "blas"
    ]
    return {
        # Not imported: the package is above all of its modules.
        "the version of minicnn": sys.modules["minicnn"].__version__,
        "the version of NumPy": np.__version__,
        "the version of Python": platform.python_version(),
        "the processor": platform.machine(),
        "the BLAS": blas,
        "the number of threads": threads.get_threads(),
    }


def differences(then: Any, now: Any, what: str = "") -> Iterator[tuple[str, str, str]]:
    """(what, as it was, as it is) for each place in which two trees differ.

    >>> list(differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}))
    [('a[1].b', '2', '3')]
    """
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*now, *then)):
            inner = f"{what}.{key}" if what else str(key)
            yield from differences(then.get(key), now.get(key), inner)
    elif isinstance(then, list) and isinstance(now, list):
        if len(then) != len(now):
            yield f"the number of {what}", str(len(then)), str(len(now))
        for i, (one, other) in enumerate(zip(then, now, strict=False)):
            yield from differences(one, other, f"{what}[{i}]")
    elif then != now:
        yield what, reprlib.repr(then), reprlib.repr(now)


def finite(model: Model) -> bool:
    """Whether all arrays of the model are numbers."""
    return all(np.isfinite(a).all() for layer in model.stack for a in layer.arrays().values())


def state_of(model: Model) -> Tree:
    """What a checkpoint keeps of a model."""
    optimizer = model.optimizer
    assert optimizer is not None
    return {
        "stopped": model.stop_training,
        "generator": model.rng.bit_generator.state,
        "model": {
            "weights": {str(layer.name): layer.arrays() for layer in model.stack},
            "trainable": [layer.trainable for layer in walk(model.stack)],
        },
        "optimizer": {
            "learning_rate": None if optimizer.schedule else float(optimizer.learning_rate),
            "counters": optimizer.get_state({}),
            "slots": optimizer.slots,
        },
    }


def put_back(model: Model, state: Tree) -> None:
    """Take over what ``state_of`` gave for such a model.

    Raises ``ValueError``, ``TypeError`` or ``KeyError``, and changes nothing, if it does not fit.
    """
    optimizer = model.optimizer
    assert optimizer is not None
    generator = type(model.rng.bit_generator)()
    generator.state = state["generator"]
    layers = {str(layer.name): layer for layer in model.stack}
    arrays = {name: layer.arrays() for name, layer in layers.items()}
    weights = state["model"]["weights"]
    _check(arrays, weights)
    params = {f"{name}.{key}": a for name, x in layers.items() for key, a in x.params.items()}
    slots, counters = state["optimizer"]["slots"], state["optimizer"]["counters"]
    _check({name: dict.fromkeys(optimizer.slot_names, params[name]) for name in slots}, slots)
    _check(dict(enumerate(optimizer.get_state({}))), dict(enumerate(counters)))
    trainable = [bool(value) for value in state["model"]["trainable"]]
    rate = state["optimizer"]["learning_rate"]
    if optimizer.schedule is None:
        number(type(optimizer).__name__, "learning_rate", rate, least=0)

    optimizer.set_state({}, counters)
    optimizer.slots = slots
    if optimizer.schedule is None:
        optimizer.learning_rate = rate
    for layer, value in zip(walk(model.stack), trainable, strict=True):
        layer.trainable = value
    for name, found in arrays.items():
        for key, array in found.items():
            array[...] = weights[name][key]
    model.rng.bit_generator.state = generator.state
    model.stop_training = bool(state["stopped"])


def _check(expected: Any, found: Any) -> None:
    """Raise ``ValueError`` unless two trees have arrays of the same names, shapes and dtypes."""
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping) or expected.keys() != found.keys():
            raise ValueError
        for key in expected:
            _check(expected[key], found[key])
    elif (np.shape(found), np.asarray(found).dtype) != (expected.shape, expected.dtype):
        raise ValueError
