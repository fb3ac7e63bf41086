"""How to train: what ``Sequential.fit`` was told, besides the data."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from minicnn._core.arguments import whole_number
from minicnn._training.progress import check_verbose
from minicnn.callbacks import BackupAndRestore
from minicnn.callbacks.callback_list import flat
from minicnn.data.arrays import check_batch_size
from minicnn.errors import ConfigError

EXACT = (
    "batch_size",
    "shuffle",
    "initial_epoch",
    "steps_per_epoch",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)
"""What must be as it was for a resumed run to give the same bits."""


@dataclass(frozen=True)
class FitOptions:
    """Raises ``ConfigError`` for numbers that make no sense."""

    batch_size: int
    epochs: int
    """The number of the last epoch, counted from 1."""
    verbose: str | int
    callbacks: Any
    shuffle: bool
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int
    validation_freq: int | Sequence[int]
    checkpoint: str | os.PathLike[str] | None
    """The folder for checkpoints, if there are to be any."""
    resume: bool
    checkpoint_freq: Literal["epoch"] | int | None
    """None: as often as costs little; "epoch": after each; a number: after so many batches."""

    def __post_init__(self) -> None:
        whole = partial(whole_number, "fit")
        whole("epochs", self.epochs)
        whole("initial_epoch", self.initial_epoch, least=0)
        for name in ("steps_per_epoch", "validation_steps"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name))
        often = self.validation_freq
        for epoch in often if isinstance(often, Sequence) else [often]:
            whole("validation_freq", epoch)
        check_batch_size(self.batch_size)
        check_batch_size(self.validation_batch_size)
        check_verbose(self.verbose)
        if not isinstance(self.checkpoint, str | os.PathLike | None):
            raise ConfigError(f"fit: expected checkpoint as a folder, got {self.checkpoint!r}.")
        name = os.fspath(self.checkpoint or "")
        if name.endswith((".h5", ".keras")):
            raise ConfigError(
                f"fit: expected checkpoint as a folder, got {name!r}, the name of a file."
            )
        if self.resume and self.checkpoint is None:
            raise ConfigError(
                "fit: expected checkpoint=, the folder of the checkpoint to go on from, with "
                "resume=True, got none."
            )

    def steps(self, images: int) -> int:
        """How many batches an epoch has."""
        return self.steps_per_epoch or -(-images // self.batch_size)

    def validates(self, epoch: int) -> bool:
        """Whether the model is evaluated after that epoch, counted from 0."""
        if isinstance(self.validation_freq, Sequence):
            return epoch + 1 in self.validation_freq
        return (epoch + 1) % self.validation_freq == 0


def backed_up(options: FitOptions) -> tuple[FitOptions, BackupAndRestore | None]:
    """The options with the checkpoints that a callback asks for, and that callback, if any.

    Raises ``ConfigError`` if ``fit`` was asked for checkpoints too.
    """
    asked = (each for each in flat(options.callbacks) if isinstance(each, BackupAndRestore))
    backup = next(asked, None)
    if backup is None:
        return options, None
    if options.checkpoint is not None:
        raise ConfigError("fit: expected checkpoint= or BackupAndRestore, got both.")
    folder, often = backup.backup_dir, backup.save_freq
    return replace(options, checkpoint=folder, resume=True, checkpoint_freq=often), backup
