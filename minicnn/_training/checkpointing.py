"""The checkpoints of a run: written while it goes on, and what it is resumed from."""

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minicnn._core.console import say
from minicnn._files.checkpoint import Tree
from minicnn._parallel import blas
from minicnn._training.checkpoints import Checkpoints, damage, finite, put_back, state_of
from minicnn._training.fingerprint import described_run, given, network
from minicnn._training.model import Model
from minicnn._training.options import EXACT, FitOptions
from minicnn._training.run import Observer, Run
from minicnn.callbacks.callback_list import watched
from minicnn.data.loaders import Loader


class Record:
    """What a checkpoint keeps of a run for those who read of it."""

    def __init__(self) -> None:
        self.on = {"the processor": blas.processor(), "the system": platform.platform()}
        self.seconds: list[float] = []
        """Of each epoch, with its validation and callbacks."""
        self.asked: list[list[int]] = []
        """(the epochs that were done, the last one to be done) whenever the latter changed."""
        self.begun = time.monotonic()
        """When the epoch began, or would have without what lay between two parts of it."""
        self.before = 0.0
        """The seconds of the epoch's part before the run was resumed."""

    def begin(self) -> None:
        """An epoch begins, or what is left of one."""
        self.begun, self.before = time.monotonic() - self.before, 0.0

    def end(self) -> None:
        """The epoch is done."""
        self.seconds.append(round(time.monotonic() - self.begun, 4))

    def ask(self, done: int, last: int) -> None:
        """Note that epochs up to the last one are wanted."""
        if not self.asked or self.asked[-1][1] != last:
            self.asked.append([done, last])

    def get_state(self, step: int) -> dict[str, Any]:
        """For a checkpoint after so many batches of an epoch."""
        before = time.monotonic() - self.begun if step else 0.0
        return {"on": self.on, "seconds": self.seconds, "asked": self.asked, "before": before}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave; an older minicnn kept nothing."""
        if not state:
            return
        self.seconds = [float(one) for one in state["seconds"]]
        self.asked = [[int(done), int(last)] for done, last in state["asked"]]
        self.before = float(state["before"])


class Checkpointing(Observer):
    """Writes checkpoints into a run's folder, and has what was found there.

    Raises what ``Checkpoints.read`` does.
    """

    def __init__(
        self, model: Model, loader: Loader, validation: Loader | None, options: FitOptions
    ) -> None:
        assert options.checkpoint is not None
        settings = {name: getattr(options, name) for name in EXACT}
        settings["callbacks"] = watched(options.callbacks)
        about = described_run(model, loader, validation, settings)
        often = options.checkpoint_freq
        self.checkpoints = Checkpoints(
            options.checkpoint, about, given(model), often, network(model)
        )
        steps = options.steps_per_epoch or loader.steps
        self.found = self.checkpoints.read(options.resume, options.epochs, steps)
        self.record = Record()
        self.saved = False
        """Whether the last checkpoint that was to be written has been."""

    def epoch_begin(self, run: Run) -> None:
        self.record.begin()

    def batch_end(self, run: Run) -> None:
        if not run.ending:
            self.save(run)

    def epoch_end(self, run: Run) -> None:
        self.record.end()
        self.save(run, must=run.ending or run.epoch == run.options.epochs)

    def epoch_cut_short(self, run: Run) -> None:
        self.save(run, must=True)

    def save(self, run: Run, must: bool = False) -> None:
        """Write a checkpoint if it is time, or if it ``must`` be, but never a broken model."""
        if not (must or self.checkpoints.due(run.epoch, run.step, run.steps)):
            return
        self.saved = False
        if not finite(run.model):
            return
        self.checkpoints.write(lambda: state_of_run(run) | {"ran": self.record.get_state(run.step)})
        self.saved = not self.checkpoints.failed

    def resume(self, run: Run) -> None:
        """If a checkpoint was found, go on from it."""
        tree, self.found = self.found, None  # its arrays are not needed twice
        if tree is not None:
            with damage(self.checkpoints.path):
                self.record.set_state(tree.get("ran", {}))
            was = tree.get("network")
            go_on_from(run, tree, self.checkpoints.path)
            self.checkpoints.start_anew(was, lambda: state_of_run(run))
        self.record.ask(run.epoch, run.options.epochs)
        if tree is not None and run.options.verbose:
            say(self._resumed(run))

    def _resumed(self, run: Run) -> str:
        """What a user is told of the checkpoint that was found."""
        if run.to_do:
            batch = f", batch {run.step + 1}" * bool(run.step)
            return f"Going on from {self.checkpoints.path}: epoch {run.epoch + 1}{batch}."
        early = run.epoch < run.options.epochs
        how = "ended by a callback or a time budget" if early else "finished"
        return (
            f"{self.checkpoints.folder} holds this training, {how} after {run.epoch} epochs: "
            "nothing to do."
        )

    def left(self) -> str:
        """What a run that a signal has ended leaves."""
        if not self.saved:
            return f"{self.checkpoints.path} is of some time before"
        return f"{self.checkpoints.path} has all that it takes to resume: fit(..., resume=True)"


def state_of_run(run: Run) -> Tree:
    """What a checkpoint keeps of a run and its model; the arrays are not copies."""
    return state_of(run.model) | {
        "epoch": run.epoch,
        "step": run.step,
        "epochs": run.options.epochs,
        "running": run.metrics.get_state(),
        "stream": run.stream.get_state(),
        "history": run.history.get_state(),
        "callbacks": run.callbacks.get_state(),
    }


def go_on_from(run: Run, tree: Tree, path: Path) -> None:
    """Put all back as it was in the checkpoint at ``path``; raises ``ModelFileError`` if it fails.

    The tree belongs to the run then.
    """
    run.epoch, run.step = tree["epoch"], tree["step"]
    if run.step:
        run.callbacks("on_epoch_begin", run.epoch, {})
    with damage(path):
        if run.step:
            run.metrics.set_state(tree["running"])
        run.stream.set_state(tree["stream"])
        run.history.set_state(tree["history"])
        run.callbacks.set_state(tree["callbacks"], custom=False)
    run.callbacks.set_state(tree["callbacks"], custom=True)
    with damage(path):
        put_back(run.model, tree)
