"""How to train: what ``Sequential.fit`` was told, besides the data."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from minicnn._core.arguments import boolean, whole_number
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
    """The arguments of ``fit``; raises ``ConfigError`` for those that make no sense.

    An epoch's metrics are running means while the weights move; those of the data are not
    weighted. SIGTERM ends a run with a checkpoint as Ctrl-C does, after the batch at hand: a script
    may end with ``sys.exit(history.exit_status)``.
    """

    batch_size: int
    epochs: int
    """The number of the last epoch, counted from 1."""
    verbose: str | int
    """1 or "auto": a bar in a terminal or a notebook, a line an epoch elsewhere; 2: the line."""
    callbacks: Any
    """Objects with the methods they want (``minicnn.callbacks``)."""
    shuffle: bool
    initial_epoch: int
    """How many epochs are done already."""
    steps_per_epoch: int | None
    """Batches in an epoch; the next one goes on where it ended, and the images are shuffled again
    when all have had their turn."""
    validation_steps: int | None
    """How many batches of the validation data are evaluated; None: all."""
    validation_batch_size: int
    validation_freq: int | Sequence[int]
    """Every so many epochs, or after those listed, counted from 1."""
    checkpoint: str | os.PathLike[str] | None
    """The folder in which to keep ``checkpoint.h5``, all that a run needs to be resumed, written at
    ends of epochs and in long ones every 30 seconds."""
    resume: bool
    """Go on from the checkpoint in that folder, if there is one, to the bits of a run that never
    stopped. Only ``epochs`` may be raised; another seed, setting, model or data is refused by
    name. A learning rate that is a number, and which layers are trainable, come from the
    checkpoint. Without ``resume`` a folder that has one is refused, and so is one in use."""
    distributed: bool = False
    """Whether the processes that were started together, by mpiexec, train one model."""
    checkpoint_freq: Literal["epoch"] | int | None = None
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
        boolean("fit", "distributed", self.distributed)
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

    @property
    def left(self) -> int:
        """How many epochs are to be trained."""
        return self.epochs - self.initial_epoch

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
