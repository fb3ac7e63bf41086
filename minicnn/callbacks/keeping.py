"""Callbacks that write files: the model, the logs, and checkpoints."""

import csv
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from minicnn._core.arguments import check_state, check_verbose, number, whole_number
from minicnn._core.console import say, warn
from minicnn._files.atomic import make_folder, reason, replacing
from minicnn._files.paths import path_of
from minicnn._keras.spelling import ByLog
from minicnn.callbacks.base import Callback, Logs
from minicnn.callbacks.history import cell
from minicnn.callbacks.watching import Watching
from minicnn.errors import ConfigError


class ModelCheckpoint(Watching):
    """Save the model after each epoch, or only when a metric is the best so far.

    ``filepath`` may hold the epoch, counted from 1, and the epoch's logs:
    "m-{epoch:02d}-{val_loss:.2f}.keras". Its ending says which kind of file it is, as for ``save``,
    and for ``save_weights`` with ``save_weights_only``. With a whole number as ``save_freq`` the
    model is saved after so many batches, with ``period`` only after every so many epochs.
    An epoch without validation is not saved if its metrics are asked for. If a file cannot be
    saved, as on a full drive, the run continues with a warning.

    >>> checkpoint = ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True)
    >>> checkpoint.larger_is_better
    True
    """

    first_rank_only = True

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
        period: int = 1,
    ) -> None:
        super().__init__(monitor, mode, 0)
        check_verbose("ModelCheckpoint", verbose)
        path_of("ModelCheckpoint", "filepath", filepath)
        self.filepath = os.fspath(filepath)
        ending, other = ".weights.h5", ".keras"
        if not save_weights_only:
            ending, other = other, ending
        if self.filepath.endswith(other):
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
        self.initial_value_threshold = initial_value_threshold
        self.period = whole_number("ModelCheckpoint", "period", period)
        self.best = initial_value_threshold
        self.batches = 0
        self.epoch = 0
        self._has_saved = False

    def on_train_begin(self, logs: Logs) -> None:
        """The best value so far may be that of an earlier run."""
        if self.save_best_only:
            super().on_train_begin(logs)
            self.best = self.worst if self.best is None else self.best

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Remember the epoch, for the names of files."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Save, if ``save_freq`` counts batches."""
        self.batches += 1
        if self.save_freq != "epoch" and self.batches % int(self.save_freq) == 0:
            self._save_if_wanted(self.epoch, logs, batch)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save, if ``save_freq`` is "epoch", after every ``period``-th one."""
        if self.save_freq == "epoch" and (epoch + 1) % self.period == 0:
            self._save_if_wanted(epoch, logs)

    def _save_if_wanted(self, epoch: int, logs: Logs, batch: int | None = None) -> None:
        if batch is None and "{val_" in self.filepath and self.not_evaluated(logs):
            return
        if self.save_best_only:
            value = self.monitored(logs)
            assert self.best is not None
            if value is None or not self.better(value, self.best):
                return
        else:
            value = self.best
        names = logs | {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            path = Path(self.filepath.format_map(ByLog(names)))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ConfigError(
                f"ModelCheckpoint: expected in filepath the names {', '.join(names)} alone, "
                f"got {self.filepath!r} ({error})."
            ) from None
        try:
            make_folder(path.parent)
            (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        except ConfigError as error:
            if not self._has_saved:
                raise
            warn(f"{error} The run goes on without this file.")
            return
        self.best, self._has_saved = value, True
        if self.verbose:
            say(f"Epoch {epoch + 1}: saved to {path}")


class CSVLogger(Callback):
    """Write each epoch's logs to a file, a row an epoch, during the run.

    The columns are the logs of the first epoch, and of a validation, in alphabetical order; one
    that comes later gets a column behind them. A value that an epoch lacks is NA, and one of
    several numbers is their list, in one cell. The file is closed between epochs, and its folder
    made if it is missing. ``append=True`` adds to the rows that are there, each number under its
    heading; raises ``ConfigError`` for a file that is no such table. A resumed run adds to the rows
    that were there at the checkpoint.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLogger(f"{folder}/log.csv")
    ...     log.on_train_begin({})
    ...     log.on_epoch_end(0, {"loss": 0.5})
    ...     log.on_epoch_end(1, {"loss": 0.25, "hits": 3})
    ...     log.filename.read_text().splitlines()
    ['epoch,loss,val_loss,hits', '0,0.5,NA,NA', '1,0.25,NA,3']
    """

    first_rank_only = True

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = path_of("CSVLogger", "filename", filename)
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ConfigError(f"CSVLogger: expected separator as one character, got {separator!r}.")
        self.separator = separator
        self.append = append
        self.columns: list[str] = []
        self.is_table = True
        """Whether the file begins with the heading of ``columns``, and all rows are under it."""

    def on_train_begin(self, logs: Logs) -> None:
        """Begin the file, or keep its rows."""
        make_folder(self.filename.parent)
        resumed = self.params.get("resumed", False)
        with self._opened("a" if self.append or resumed else "w"):
            pass
        self._look()
        if not self.is_table and not resumed:
            raise ConfigError(
                f"{self.filename}: expected a table to append to, with the heading epoch and the "
                f"separator {self.separator!r}, got another file. Give append=False to write over "
                "it, or another name."
            )

    def get_state(self) -> Logs:
        """The columns, and the length and CRC32 of the file."""
        rows = self.filename.read_bytes() if self.filename.is_file() else b""
        return {"columns": self.columns, "size": len(rows), "checksum": zlib.crc32(rows)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Remove the rows written after the checkpoint; warn if the file is another."""
        check_state("CSVLogger", self.get_state(), state)
        size, rows = max(int(state["size"]), 0), self.filename.read_bytes()
        if len(rows) >= size and zlib.crc32(rows[:size]) == state["checksum"]:
            with self._opened("a") as file:
                file.truncate(size)
            self._look()
            return
        warn(
            f"{self.filename}: expected the rows of the training so far, got a file without them. "
            "The rows to come are put at its end."
        )

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a row; warn if that fails, as on a full drive."""
        try:
            self._write(epoch, logs)
        except (ConfigError, OSError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error).rstrip(".")
            warn(f"CSVLogger: {why}. The run goes on without the row of epoch {epoch}.")

    def _write(self, epoch: int, logs: Logs) -> None:
        new = sorted(logs.keys() - set(self.columns))
        if new and not self.columns and not any(name.startswith("val_") for name in logs):
            # As in Keras: a later epoch may bring them.
            new += [f"val_{name}" for name in new]
        if new:
            self._widen(new)
        self._add([epoch, *(cell(logs.get(name, "NA")) for name in self.columns)])

    def _look(self) -> None:
        """Read the columns of the file."""
        rows, self.columns, self.is_table = self._rows(), [], True
        if rows is None or (rows and not _is_table(rows)):
            self.is_table = False
        elif rows:
            self.columns = rows[0][1:]

    def _rows(self) -> list[list[str]] | None:
        """All of the file; None if it is no text of cells."""
        if not self.filename.is_file():
            return []
        try:
            with self._opened("r") as file:
                return list(csv.reader(file, delimiter=self.separator))
        except (UnicodeDecodeError, csv.Error):
            return None

    def _widen(self, new: list[str]) -> None:
        """Give the table more columns, or begin one after what else is in the file."""
        rows = self._rows() if self.is_table else None
        self.columns += new
        heading = ["epoch", *self.columns]
        if not rows:
            self._add(heading)
            return
        with (
            replacing(self.filename) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = self._writer(file)
            writer.writerow(heading)
            for row in rows[1:]:
                writer.writerow(row and row + ["NA"] * (len(heading) - len(row)))

    def _add(self, row: Sequence[Any]) -> None:
        """Write a row at the end of the file, on a new line."""
        whole = not self.filename.is_file() or self.filename.read_bytes()[-1:] in (b"", b"\n")
        with self._opened("a") as file:
            file.write("" if whole else "\n")
            self._writer(file).writerow(row)

    def _writer(self, file: TextIO) -> Any:
        return csv.writer(file, delimiter=self.separator, lineterminator="\n")

    @contextmanager
    def _opened(self, mode: str) -> Iterator[TextIO]:
        """The file; raises ``ConfigError`` if it cannot be read or written."""
        # A spreadsheet program may have put a byte order mark before the heading.
        encoding = "utf-8-sig" if mode == "r" else "utf-8"
        try:
            with self.filename.open(mode, newline="", encoding=encoding) as file:
                yield file  # type: ignore[misc]
        except OSError as error:
            verb = "read" if mode == "r" else "written"
            raise ConfigError(f"{self.filename}: cannot be {verb}: {reason(error)}.") from None


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether there is one heading, which begins with the epoch, and no row is longer than it."""
    heading = rows[0]
    return (
        heading[:1] == ["epoch"]
        and len(set(heading)) == len(heading)
        and max(map(len, rows)) == len(heading)
        and all(row == heading for row in rows if row[:1] == ["epoch"])
    )


class BackupAndRestore(Callback):
    """Keep checkpoints of the run, and resume from them when the same script is run again.

    What ``fit(checkpoint=backup_dir, resume=True)`` does, under Keras' name: a resumed run ends
    with the same bits as one that was not interrupted. A checkpoint is written after each epoch, or
    after so many batches with ``save_freq``; they are deleted at the end, unless
    ``delete_checkpoint`` is False. Raises ``ModelFileError`` or ``ConfigError``, and changes
    nothing, when they are damaged, or of another model or run.

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
        self.backup_dir = path_of("BackupAndRestore", "backup_dir", backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
