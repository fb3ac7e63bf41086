"""Checkpoints: all that a run needs to be resumed to the bit.

``Sequential.fit(checkpoint=folder)`` keeps three files in the folder: ``checkpoint.h5``; in case
that one gets damaged, the one before it; and the run's start, from which steps can be replayed (one
more where it was resumed with another schedule of the learning rate).
Each holds a tree (``minicnn._files.checkpoint``):

    about       the model's layers and how it was compiled, the run's settings, what the data
                are: a resumed run must have the same
    given       what the script may change: a resumed run takes what stands here
    network     the network and how it was compiled, from which ``load_run`` makes the model anew
    machine     versions and BLAS: with others the bits may differ
    ran         for reports: where, the seconds that each epoch took, and how many were asked for
    epoch, step how many epochs are done, and how many batches of the next one
    epochs      how many there are to be
    stopped     whether a callback has ended the run
    generator   the state of the model's generator
    stream      how many batches of the present pass over the images were taken, and the state of
                the generator from which its order came
    model       arrays, and which layers are trainable
    optimizer   iterations, the learning rate if it is a number, slots
    running     the sums of the epoch so far: loss and metrics
    history     what each epoch brought
    callbacks   what each of them remembers
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.console import warn
from minicnn._files import checkpoint
from minicnn._files.atomic import clear, make_folder, try_folder
from minicnn._files.checkpoint import Tree
from minicnn._files.lock import held
from minicnn._training.fingerprint import differences, machine, other_bits, other_run
from minicnn._training.model import Model
from minicnn.errors import ConfigError, MiniCNNError, ModelFileError
from minicnn.layers.building import walk

NEWEST, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"

START = "checkpoint.start.h5"
"""The one of before the first step."""


def files(folder: Path) -> list[Path]:
    """All checkpoints that are there, the newest first."""
    newest = [path for name in (NEWEST, PREVIOUS) if (path := folder / name).exists()]
    return newest + sorted(folder.glob(f"{Path(START).stem}*{Path(START).suffix}"))


EVERY = 30.0
"""Seconds after which a checkpoint is written in mid-epoch."""

FRACTION = 0.05
"""How much of the time may go into checkpoints, but for those at the end and after a signal."""


Often = Literal["epoch"] | int | None
"""After each epoch, after so many batches, or as often as costs little."""


class Checkpoints:
    """The checkpoints of one run: when they are written, and which one is good.

    ``about`` says what must be the same for a run to be resumed, ``given`` what the script gave of
    the arguments that a resumed run takes from the checkpoint, ``network`` how to make its model.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        about: Mapping[str, Any],
        given: Mapping[str, Any],
        often: Often,
        network: Mapping[str, Any],
    ) -> None:
        self.folder = Path(folder)
        self.often = often
        self.about = about
        self.given = given
        self.network = network
        self.machine = machine(about)
        self.cost = 0.0
        """Seconds that the last one took."""
        self.last = time.monotonic()
        self.path = self.folder / NEWEST
        """The one that was read, or the newest one."""
        self.written = False
        self.failed = False
        self.newest_is_good = True

    def due(self, epoch: int, step: int, steps: int | None) -> bool:
        """Whether it is time for one after so many epochs, and batches of those in the next."""
        if self.often is None:
            since = time.monotonic() - self.last
            return since >= max(self.cost / FRACTION, EVERY if step else 0)
        done = epoch * (steps or 0) + step
        return not step if self.often == "epoch" else done % self.often == 0

    def write(self, state: Callable[[], Tree]) -> None:
        """Write one. The first must succeed: raises ``ConfigError``; of later failures it warns."""
        started = time.monotonic()
        newest, previous = self.folder / NEWEST, self.folder / PREVIOUS
        try:
            make_folder(self.folder)
            tree = self._kept | state()
            checkpoint.write(newest, tree, previous if self.newest_is_good else None)
        except ConfigError as error:
            if not self.written:
                raise
            if not self.failed:
                warn(f"{error} The training goes on; the checkpoint before stays as it was.")
            self.failed = True
        else:
            if not self.written:
                self._write_start(START, tree)
            self.written = self.newest_is_good = True
            self.failed = False
            self.path = newest
        self.last = time.monotonic()
        self.cost = self.last - started

    @property
    def _kept(self) -> Tree:
        """What each has besides the state."""
        return {
            "about": self.about,
            "given": self.given,
            "network": self.network,
            "machine": self.machine,
        }

    def start_anew(self, was: Any, state: Callable[[], Tree]) -> None:
        """Keep the state as another start, if the network that was had another schedule."""
        then, now = schedule(was), schedule(self.network)
        if then is not None and then != now:
            path, count = Path(START), len(list(self.folder.glob(f"{Path(START).stem}*")))
            self._write_start(f"{path.stem}.{count}{path.suffix}", self._kept | state())

    def _write_start(self, name: str, tree: Tree) -> None:
        with suppress(ConfigError):  # only steps to replay are lost
            checkpoint.write(self.folder / name, tree, None)

    def delete(self) -> None:
        """Delete all."""
        for path in files(self.folder):
            path.unlink(missing_ok=True)

    def read(self, resume: bool, epochs: int, steps: int | None) -> Tree | None:
        """The newest good one, or None if there is none.

        Raises ``ConfigError`` when there is one that is not to be used, when it is of another
        training, when there are to be fewer ``epochs`` than it has, and when there is none and none
        can be written; ``ModelFileError`` when all are damaged. ``steps`` are those of an epoch, if
        known.
        """
        there = [path for name in (NEWEST, PREVIOUS) if (path := self.folder / name).exists()]
        if there and not resume:
            raise ConfigError(
                f"fit: expected a folder without a checkpoint, got {there[0]}. Give resume=True "
                "to go on from it, or take another folder."
            )
        clear(self.folder, Path(NEWEST).stem)
        if not there:
            try_folder(self.folder)
            return None
        self.written = True
        tree = self._newest(there)
        different = next(other_run(tree.get("about"), self.about), None)
        if different is not None:
            what, then, now = different
            raise ConfigError(
                f"{self.path}: expected a training like the one to go on with, but {what} was "
                f"{then} and is now {now}. Make it what it was, or take another folder."
            )
        with damage(self.path):
            epoch, step = tree["epoch"], tree["step"]
            most = step if steps is None else steps
            if not (epoch >= 0 and 0 <= step <= most and isinstance(epoch + step, int)):
                raise ValueError
            rate, trainable = tree["optimizer"]["learning_rate"], tree["model"]["trainable"]
        begun = epoch + (step > 0)
        if begun > epochs:
            raise ConfigError(
                f"{self.path}: expected epochs of at least {begun}, which are "
                f"{'begun' if step else 'done'}, got {epochs}."
            )
        self._tell(tree, {"learning_rate": rate, "trainable": trainable})
        self.given = tree.get("given", self.given)
        return tree

    def _newest(self, there: list[Path]) -> Tree:
        """The first of those that can be read."""
        errors: list[str] = []
        for self.path in there:
            try:
                tree = checkpoint.read(self.path)
            except ModelFileError as error:
                if error.passing:
                    raise  # it may be as good as it was
                errors.append(str(error).removesuffix(" Copy or download it again."))
                self.newest_is_good = False
                continue
            if errors:
                warn(f"{errors[0]} Going on from the one before, {self.path}.")
            return tree
        raise ModelFileError(f"{' '.join(errors)} Take another folder, or delete what is damaged.")

    def _tell(self, tree: Tree, kept: Mapping[str, Any]) -> None:
        """Warn of differences that do not keep the run from being resumed."""
        # What a callback has set, or an earlier run in this program, is no news.
        holds = {what: value for what, value, _ in differences(kept, self.given)}
        ignored = [
            f"{what} was {then} and is now {now}; going on with {holds[what]}"
            for what, then, now in differences(tree.get("given"), self.given)
            if what in holds
        ]
        if ignored:
            warn(f"{self.path}: {'; '.join(ignored)}.")
        changed = [
            f"{what} was {then} and is now {now}"
            for what, then, now in islice(other_bits(tree, self.about, self.machine), 8)
        ]
        if changed:
            warn(
                f"{self.path}: {'; '.join(changed)}. The training goes on, but its bits may differ "
                "from those of one left alone."
            )


def schedule(network: Any) -> Mapping[str, Any] | None:
    """That of the learning rate in a network as a checkpoint has it; None if there is none."""
    try:
        found = network["compile"]["optimizer"]["config"]["learning_rate"]
    except (LookupError, TypeError):  # of an older version, or damaged: nothing depends on it
        return None
    return found if isinstance(found, Mapping) else None


@contextmanager
def reserved(folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """Within, the folder is there, and is no other training's.

    Raises ``ConfigError`` in one line if that cannot be. Without a folder it does nothing.
    """
    if folder is None:
        yield
        return
    folder = Path(folder)
    make_folder(folder)
    with held(folder):
        yield


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Within, whatever goes wrong is the checkpoint's fault: ``ModelFileError`` in one line."""
    try:
        yield
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, MiniCNNError) else ""
        raise ModelFileError(
            f"{path}: expected a checkpoint of this training, got a damaged one{why}."
        ) from error


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
    _check_weights(model, state)
    params = {f"{name}.{key}": a for name, x in layers.items() for key, a in x.params.items()}
    slots, counters = state["optimizer"]["slots"], state["optimizer"]["counters"]
    _check({name: dict.fromkeys(optimizer.slot_names, params[name]) for name in slots}, slots)
    _check(dict(enumerate(optimizer.get_state({}))), dict(enumerate(counters)))
    trainable = [bool(value) for value in state["model"]["trainable"]]
    stopped = bool(state["stopped"])
    rate = state["optimizer"]["learning_rate"]
    if optimizer.schedule is None:
        number(type(optimizer).__name__, "learning_rate", rate, least=0)

    optimizer.set_state({}, counters)
    optimizer.slots = slots
    if optimizer.schedule is None:
        optimizer.learning_rate = rate
    for layer, value in zip(walk(model.stack), trainable, strict=True):
        layer.trainable = value
    put_weights(model, state)
    model.rng.bit_generator.state = generator.state
    model.stop_training = stopped


def put_weights(model: Model, state: Tree) -> None:
    """Take over the weights alone; raises as ``put_back`` does."""
    _check_weights(model, state)
    for layer in model.stack:
        for key, array in layer.arrays().items():
            array[...] = state["model"]["weights"][str(layer.name)][key]


def _check_weights(model: Model, state: Tree) -> None:
    _check({str(layer.name): layer.arrays() for layer in model.stack}, state["model"]["weights"])


def _check(expected: Any, found: Any) -> None:
    """Raise ``ValueError`` unless two trees have arrays of the same names, shapes and dtypes."""
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping) or expected.keys() != found.keys():
            raise ValueError
        for key in expected:
            _check(expected[key], found[key])
    elif (np.shape(found), np.asarray(found).dtype) != (expected.shape, expected.dtype):
        raise ValueError
