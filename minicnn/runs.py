"""The folder of a run, opened again: its network, its history and its data.

>>> x, y = np.zeros((8, 8, 8, 3), np.uint8), np.arange(8) % 2
>>> model = Sequential([Input((8, 8, 3)), Flatten(), Dense(2, activation="softmax")], seed=0)
>>> model.compile("sgd", "sparse_categorical_crossentropy")
>>> import tempfile
>>> folder = tempfile.mkdtemp()
>>> history = model.fit(x, y, epochs=2, checkpoint=folder, verbose=0)
>>> found = runs.load_run(folder)
>>> found.epochs, found.history.history == history.history
(2, True)
>>> bool((found.model().predict(x) == model.predict(x)).all())
True
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn._core.signatures import checked
from minicnn._files import checkpoint
from minicnn._files.archive import json_object
from minicnn._files.checkpoint import Tree
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.paths import path_of
from minicnn._training.checkpoints import NEWEST, PREVIOUS, damage, put_back, put_weights
from minicnn.callbacks.history import History
from minicnn.data import Dataset, HDF5Dataset, load_hdf5
from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers.registry import with_custom_objects
from minicnn.models.configs import custom_classes
from minicnn.models.model import Model
from minicnn.models.sequential import Sequential

if TYPE_CHECKING:
    from minicnn.explain.replay import Replay

__all__ = ["RunFolder", "load_run"]

SETTINGS = "settings.json"
"""The options of ``minicnn train``, in the folder of the run."""


@checked
def load_run(folder: str | os.PathLike[str]) -> "RunFolder":
    """The run in a folder that ``fit(..., checkpoint=folder)`` or ``minicnn train`` has written.

    Raises ``ConfigError`` for a folder without a checkpoint, ``ModelFileError`` for damaged ones.
    """
    path = path_of("load_run", "folder", folder)
    there = [path / name for name in (NEWEST, PREVIOUS) if (path / name).exists()]
    if not there:
        kind = "a folder without" if path.is_dir() else "none" if not path.exists() else "a file"
        raise ConfigError(
            f"{path}: expected the folder of a run, with {NEWEST}, got {kind}. fit(..., "
            "checkpoint=folder) and minicnn train write one."
        )
    return RunFolder(path, _newest(there))


class RunFolder:
    """A run as its newest checkpoint has it."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        self.folder = folder
        self.tree = tree
        """All that the checkpoint holds: see ``minicnn/_training/checkpoints.py``."""

    def __repr__(self) -> str:
        """The folder, and how far the run has come."""
        return f"RunFolder({str(self.folder)!r}, {self.epochs} epochs)"

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return int(self.tree["epoch"])

    @cached_property
    def history(self) -> History:
        """What each epoch brought."""
        history = History()
        with damage(self.folder / NEWEST):
            history.set_state(self.tree["history"])
        return history

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The options that ``minicnn train`` was given; none of a run of a script."""
        path = self.folder / SETTINGS
        if not path.exists():
            return {}
        regular_file_size(path, ConfigError)
        return json_object(str(path), path.read_bytes(), ConfigError)

    def model(self, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Model:
        """The run's model, compiled as it was, with the weights of the checkpoint.

        ``custom_objects`` has custom classes by their names; without ``compile`` those of the loss,
        the optimizer and the metrics are not needed. Raises ``ConfigError`` where one is
        missing, ``ModelFileError`` for a damaged checkpoint.
        """
        found = self.tree.get("network")
        if not isinstance(found, Mapping):
            raise ConfigError(
                f"{self.folder}: expected a checkpoint that says how to make its network, got one "
                "of an older minicnn. Make the model as its script does, and load_weights."
            )
        custom = custom_classes("load_run", custom_objects)
        try:
            with damage(self.folder / NEWEST):
                model = _made(found, custom)
                if compile:
                    _compile(model, found, custom)
                    put_back(model, self.tree)
                else:
                    put_weights(model, self.tree)
        except ModelFileError as error:
            if isinstance(error.__cause__, ConfigError):  # a custom class is missing
                raise error.__cause__ from None
            raise
        return model

    def replay(
        self,
        step: int,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        callbacks: Any = None,
        verbose: str | int = 0,
        custom_objects: Mapping[str, Any] | None = None,
    ) -> "Replay":
        """A step of the run, done again to the bit, to look into: see ``Model.replay``.

        Without ``x`` the data are those of a run of ``minicnn train``. Raises what ``model``,
        ``data`` and ``Model.replay`` raise.
        """
        given = (self._read("train") if x is None else x), y, sample_weight, class_weight
        model = self.model(custom_objects)
        return model.replay(self.folder, step, *given, callbacks, verbose)

    def data(
        self,
        train: str | os.PathLike[str] | None = None,
        test: str | os.PathLike[str] | None = None,
    ) -> tuple[Dataset | HDF5Dataset, Dataset | HDF5Dataset | None]:
        """What the run learned from and what it was tested on: its files, or those given.

        A run that streamed has them as streams, which stay on the disk.

        Raises ``ConfigError`` for a run of a script, whose data are not known, without a file.
        """
        known = self._read("train", train)
        tested = test or self.settings.get("test")
        return known, self._read("test", test) if tested else None

    def _read(
        self, part: str, given: str | os.PathLike[str] | None = None
    ) -> Dataset | HDF5Dataset:
        file = given or self.settings.get(part)
        if file is None:
            raise ConfigError(
                f"{self.folder}: expected a run of minicnn train, which knows its files, got one "
                "of a script. Give its files: --train FILE --test FILE."
            )
        return self.open(file, self.settings.get("x_key"), self.settings.get("y_key"))

    def open(
        self, file: str | os.PathLike[str], x_key: str | None = None, y_key: str | None = None
    ) -> Dataset | HDF5Dataset:
        """An HDF5 file as the run reads its own: in memory, or as a stream."""
        return (HDF5Dataset if self.settings.get("stream") else load_hdf5)(file, x_key, y_key)


def _newest(there: list[Path]) -> Tree:
    """The first that can be read."""
    for path in there[:-1]:
        try:
            return checkpoint.read(path)
        except ModelFileError as error:
            if error.passing:
                raise
    return checkpoint.read(there[-1])


def _made(found: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> Model:
    """The network with new weights."""
    kind = Sequential if found["class_name"] == "Sequential" else Model
    model = kind.from_config(found["config"], custom_objects)
    if not model.built:
        model.build(tuple(found["input_shape"]))
    model.class_names = tuple(found["class_names"])
    return model


def _compile(model: Model, found: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> None:
    model.compile(**with_custom_objects(found["compile"], custom_objects, "load_run"))
