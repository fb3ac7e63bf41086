"""Callbacks that write files: the model, its figures, and what a training needs to go on."""

import csv
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from minicnn.callbacks.base import Callback, Logs
from minicnn.callbacks.watching import Watching
from minicnn.config import check_state, number, whole_number
from minicnn.console import say, warn
from minicnn.errors import ConfigError
from minicnn.files.atomic import make_folder, reason
from minicnn.history import cell


class ModelCheckpoint(Watching):
    """Save the model after each epoch, or only when a figure is the best so far.

    ``filepath`` may hold the epoch, counted from 1, and the epoch's figures:
    "m-{epoch:02d}-{val_loss:.2f}.keras". With ``save_weights_only`` it must end in .weights.h5,
    else in .keras. With a whole number as ``save_freq`` the model is saved after so many batches.
    An epoch without validation, where its figures are asked for, is not saved.

    >>> checkpoint = ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True)
    >>> checkpoint.larger_is_better
    True
    """

    kept = ("best", "batches", "epoch")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0)
        self.filepath = os.fspath(filepath)
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            raise ConfigError(
                f"ModelCheckpoint: expected a filepath that ends in {ending} with "
                f"save_weights_only={save_weights_only}, got {self.filepath!r}."
            )
        if save_freq != "epoch":
            whole_number("ModelCheckpoint", "save_freq", save_freq)
        if initial_value_threshold is not None:
            number("ModelCheckpoint", "initial_value_threshold", initial_value_threshold)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self.batches = 0
        self.epoch = 0

    def on_train_begin(self, logs: Logs) -> None:
        """The best so far is that of an earlier training, too."""
        if self.save_best_only:
            super().on_train_begin(logs)
            self.best = self.worst if self.best is None else self.best

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Note the epoch, for the name of a file written in it."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Save, if it is after batches that is asked for."""
        self.batches += 1
        if self.save_freq != "epoch" and self.batches % int(self.save_freq) == 0:
            self._save_if_wanted(self.epoch, logs, batch)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save, if it is after epochs that is asked for."""
        if self.save_freq == "epoch":
            self._save_if_wanted(epoch, logs)

    def _save_if_wanted(self, epoch: int, logs: Logs, batch: int | None = None) -> None:
        if batch is None and "{val_" in self.filepath and self.not_judged(logs):
            return
        if self.save_best_only:
            value = self.figure(logs)
            assert self.best is not None
            if value is None or not self.better(value, self.best):
                return
            self.best = value
        names = logs | {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            path = Path(self.filepath.format(**names))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ConfigError(
                f"ModelCheckpoint: expected in filepath the names {', '.join(names)} alone, "
                f"got {self.filepath!r} ({error})."
            ) from None
        make_folder(path.parent)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            say(f"Epoch {epoch + 1}: saved to {path}")


class CSVLogger(Callback):
    """Write each epoch's figures to a file, a row an epoch, as the training goes on.

    The columns are the figures of the first epoch, and of a validation, in the order of the
    alphabet; one that an epoch does not bring is NA, and one of several numbers is their list, in
    one cell. The file is closed between epochs, and its folder made if it is missing.
    ``append=True`` goes on after the rows that are there. A training that goes on from a checkpoint
    goes on after the rows that were there then.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLogger(f"{folder}/log.csv")
    ...     log.on_train_begin({})
    ...     log.on_epoch_end(0, {"loss": 0.5})
    ...     log.filename.read_text().splitlines()
    ['epoch,loss,val_loss', '0,0.5,NA']
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = Path(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ConfigError(f"CSVLogger: expected separator as one character, got {separator!r}.")
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs: Logs) -> None:
        """Begin the file, or leave what is there."""
        self.columns: list[str] = []
        make_folder(self.filename.parent)
        goes_on = self.append or self.params.get("resumed", False)
        with self._opened("a" if goes_on else "w"):
            pass

    def get_state(self) -> Logs:
        """Its columns, and what the file holds: its length, and the CRC32 of that."""
        rows = self.filename.read_bytes() if self.filename.is_file() else b""
        return {"columns": self.columns, "size": len(rows), "checksum": zlib.crc32(rows)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take back the rows that are going to come again; warn if the file is not the one."""
        check_state("CSVLogger", self.get_state(), state)
        self.columns = list(map(str, state["columns"]))
        size, rows = max(int(state["size"]), 0), self.filename.read_bytes()
        if len(rows) >= size and zlib.crc32(rows[:size]) == state["checksum"]:
            with self._opened("a") as file:
                file.truncate(size)
            return
        warn(
            f"{self.filename}: expected the rows of the training so far, got a file without them. "
            "The rows to come are put at its end."
        )

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a row."""
        with self._opened("a") as file:
            writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if not self.columns:
                self.columns = sorted(logs)
                if not any(name.startswith("val_") for name in logs):
                    # As in Keras: a later epoch may bring them.
                    self.columns += [f"val_{name}" for name in self.columns]
            if file.tell() == 0:
                writer.writerow(["epoch", *self.columns])
            writer.writerow([epoch, *(cell(logs.get(name, "NA")) for name in self.columns)])

    @contextmanager
    def _opened(self, mode: str) -> Iterator[TextIO]:
        """The file; raises ``ConfigError`` if it cannot be written."""
        try:
            with self.filename.open(mode, newline="", encoding="utf-8") as file:
                yield file  # type: ignore[misc]
        except OSError as error:
            raise ConfigError(f"{self.filename}: cannot be written: {reason(error)}.") from None


class BackupAndRestore(Callback):
    """Keep checkpoints of the training, and go on from them when the same script is run again.

    What ``fit(checkpoint=backup_dir, resume=True)`` does, under Keras' name: the training ends in
    the bits of one left alone. A checkpoint is written after each epoch, or after so many batches
    with ``save_freq``; they are deleted at the end, unless ``delete_checkpoint`` is False. Raises
    ``ModelFileError`` or ``ConfigError``, and changes nothing, when they are damaged, or of
    another model or training.

    >>> BackupAndRestore("backup").backup_dir
    PosixPath('backup')
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int = "epoch",
        delete_checkpoint: bool = True,
    ) -> None:
        if save_freq != "epoch":
            whole_number("BackupAndRestore", "save_freq", save_freq)
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
