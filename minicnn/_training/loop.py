"""The loop behind ``fit``.

``fit`` puts a run together: the program that computes, the data with their metrics, and what is
attached to it. ``train`` is the loop: epochs, their batches, the validation. One step is
``Run.train``: forward and backward passes, here and on other ranks, and the update.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from minicnn._core.console import say
from minicnn._parallel import blas
from minicnn._parallel.ranks import world
from minicnn._training.checkpointing import Checkpointing, go_on_from
from minicnn._training.checkpoints import NEWEST, reserved
from minicnn._training.distributed import Joint, of_rank
from minicnn._training.kept import Kept
from minicnn._training.mistakes import advise
from minicnn._training.model import Model
from minicnn._training.observers import (
    Callbacks,
    FiniteNumbers,
    Programs,
    ProgressBar,
    Recorder,
)
from minicnn._training.options import FitOptions, backed_up
from minicnn._training.program import Program, at_work
from minicnn._training.run import Run
from minicnn._training.signals import STOPPED, signals_set_a_flag
from minicnn._training.spoiled import advise_of
from minicnn.callbacks.history import History
from minicnn.data.loaders import Loader
from minicnn.errors import ConfigError, DivergenceError


def train(run: Run) -> None:
    """Epoch after epoch, until all are done or the run is asked to end."""
    while run.to_do:
        done = train_epoch(run)
        if run.ending or not done:
            return


def train_epoch(run: Run) -> bool:
    """Train for an epoch, or for what is left of one; False if a signal cut it short."""
    run.tell("epoch_begin")
    for batch in run.batches():
        run.tell("batch_begin")
        run.train(batch)
        run.tell("batch_end")
    run.logs = run.metrics.logs()
    run.agree()
    done = bool(run.step) and (not run.stop or run.step == run.steps)
    if done and run.validates:
        run.validate()
        done = not run.stop
    if done and run.joint is not None:
        run.logs = run.joint.epoch_end(run.model, run.logs)
    run.tell("epoch_end" if done else "epoch_cut_short")
    run.agree()
    return done


def fit(
    model: Model,
    program: Program,
    loader: Loader,
    validation: Loader | None,
    options: FitOptions,
    begin: Callable[[Run], None] | None = None,
) -> History:
    """Train as the options say. A signal ends it after a batch; such an epoch is not recorded.

    ``begin`` puts a run back to where it is to go on from, where that is no checkpoint's matter.
    Raises ``ConfigError`` for a model that is being trained already.
    """
    prepared = program.prepared(model, loader)
    held_out = None
    if validation is not None:
        held_out = program.prepared(model, validation, "fit, validation_data: ")
    held_out_data = None if held_out is None else held_out[0]
    advise(model, program, prepared[0].sample, loader.batch_size)
    advise_of(loader, validation, options.shuffle)
    if options.verbose:
        blas.advise_once()
    sigterm = options.checkpoint is not None
    options, backup = backed_up(options)
    ranks = world("fit") if options.distributed else None
    options = of_rank(options, ranks)
    with (
        _alone_with(model),
        reserved(options.checkpoint),
        signals_set_a_flag(sigterm) as stop,
        at_work(),
    ):
        model.stop_training = False
        model.kept = Kept()  # the memory of other plans
        joint = None
        if ranks is not None:
            joint = Joint(ranks, stop)
            joint.begin(model, prepared[0], held_out_data, options)
        checkpointing = None
        if options.checkpoint is not None:
            checkpointing = Checkpointing(model, prepared[0], held_out_data, options)
        found = checkpointing and checkpointing.found
        if ranks is not None:
            found = ranks.first(found)
            if found is not None and checkpointing is None:
                begin = partial(go_on_from, tree=found, path=Path(NEWEST))
        resumed = found is not None or begin is not None
        run = Run(model, program, prepared, held_out, options, stop, resumed, joint)
        run.observers = [FiniteNumbers(), ProgressBar(options.verbose), Programs(), Callbacks()]
        run.observers += [Recorder(), *([checkpointing] if checkpointing else [])]
        with run:
            if joint is not None:
                joint.begin_stream(run.stream, run.callbacks.of_batches)
            _train_all(run, checkpointing, begin)
        complete = model.stop_training or run.epoch >= options.epochs
        if complete and backup and backup.delete_checkpoint and checkpointing:
            checkpointing.checkpoints.delete()
        if stop:
            _note_signal(run, checkpointing)
    return run.history


def _train_all(
    run: Run, checkpointing: Checkpointing | None, begin: Callable[[Run], None] | None
) -> None:
    """From ``on_train_begin`` to ``on_train_end``, which comes however the run ends."""
    run.callbacks("on_train_begin", {})
    if begin is not None:
        begin(run)
    if checkpointing is not None:
        checkpointing.resume(run)
    try:
        if checkpointing is not None and not run.resumed:
            checkpointing.save(run, must=True)
        train(run)
    except DivergenceError as error:
        if not run.callbacks.end_on_nan:
            raise
        if run.options.verbose:
            say(f"{error} Training ends here.")
    finally:
        run.callbacks("on_train_end", run.recorded)


def _note_signal(run: Run, checkpointing: Checkpointing | None) -> None:
    """Record that a signal has ended the run, and say what is kept."""
    stop = run.stop
    stop.told = True
    run.history.interrupted, run.history.exit_status = True, STOPPED + stop.number
    if run.options.verbose:
        kept = "what was learned is kept" if checkpointing is None else checkpointing.left()
        say(f"Stopped by {stop.name}; {kept}.")


_under_way: set[int] = set()
"""The identities of the models that are being trained."""


@contextmanager
def _alone_with(model: Model) -> Iterator[None]:
    """Raise ``ConfigError`` if a callback of a model's ``fit``, or a thread, trains it again."""
    if id(model) in _under_way:
        raise ConfigError(
            "fit: expected a model that is not being trained, got one in the middle of its fit. "
            "Train a copy in a callback: copy.deepcopy(model)."
        )
    _under_way.add(id(model))
    try:
        yield
    finally:
        _under_way.discard(id(model))
