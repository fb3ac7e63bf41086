"""A run of several ranks: what they must have in common, and what they agree upon.

All ranks run the same loop on the same batches, of which each computes its part; logs, callbacks
and updates are the same everywhere. Files, lines and bars come from rank 0 alone.
"""

import os
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np

from minicnn._core.console import Logs
from minicnn._core.shapes import Array
from minicnn._parallel import blas
from minicnn._parallel.ranks import Ranks, world
from minicnn._training.checkpoints import put_back, state_of
from minicnn._training.divergence import NOWHERE
from minicnn._training.fingerprint import described_run, differences, machine
from minicnn._training.model import Model
from minicnn._training.options import EXACT, FitOptions
from minicnn._training.signals import Stop
from minicnn.data.loaders import Batch, BatchStream, Loader
from minicnn.errors import ConfigError, DivergenceError

MUST_BE_ALIKE = ("the version of minicnn", "the version of NumPy", "the version of Python")
"""Of the facts about a machine; where others differ, the bits of an update may."""


@contextmanager
def together(
    distributed: bool, show: Callable[[BaseException], int] | None = None
) -> Iterator[Ranks | None]:
    """Within, the ranks that were started together, or None; those but the first are quiet."""
    ranks = world("fit") if distributed else None
    if ranks is None:
        yield None
        return
    with ranks.together(show):
        if not ranks.number or ranks.quiet:
            yield ranks
            return
        ranks.quiet = True
        try:
            with (
                open(os.devnull, "w") as nowhere,
                redirect_stdout(nowhere),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield ranks
        finally:
            ranks.quiet = False


class Joint:
    """What the ranks of a run agree upon. ``stop`` is what this rank has heard of signals."""

    def __init__(self, ranks: Ranks, stop: Stop) -> None:
        self.ranks = ranks
        self.stop = stop
        stop.alone = False
        ranks.heard = None
        self.unlike = False
        """Whether machines differ, so that the same update may have other last bits."""
        self.asks = True
        """Whether callbacks of a batch may ask for an end, of which the others then must hear."""
        self.late = False
        """Whether something else has, of which they hear with the next batch."""

    def begin(
        self, model: Model, loader: Loader, validation: Loader | None, options: FitOptions
    ) -> None:
        """Raise ``ConfigError`` unless all ranks are about to do the same; begin as rank 0 does."""
        self.ranks.meet()
        settings = {name: getattr(options, name) for name in EXACT}
        run = described_run(model, loader, validation, settings | {"epochs": options.epochs})
        run.pop("seed")
        facts = machine(run) | {"the processor": blas.processor()}
        must = {name: facts.pop(name) for name in MUST_BE_ALIKE}
        found = self.ranks.collected((must | {"the script": _script()}, run, facts))
        for number, other in enumerate(found):
            for part in (0, 1):
                for what, wanted, got in differences(found[0][part], other[part]):
                    raise ConfigError(
                        f"fit: expected the same on all ranks, but {what} is {wanted} on "
                        f"{self.ranks.named(0)} and {got} on {self.ranks.named(number)}."
                    )
        self.unlike = any(other[2] != found[0][2] for other in found)
        state = self.ranks.first(state_of(model))
        if self.ranks.number:
            put_back(model, state)

    def begin_stream(self, stream: BatchStream, asks: bool) -> None:
        """Let batches come in the order of rank 0, also where no seed says which.

        ``asks`` says whether callbacks are called with each batch.
        """
        state, self.asks = self.ranks.first((stream.get_state(), asks))
        if self.ranks.number:
            stream.set_state(state)

    def diagnosis(self, error: DivergenceError) -> DivergenceError:
        """The error that all ranks raise: of one that found the layer in its part of the batch."""
        found = self.ranks.collected(str(error))
        return DivergenceError(next((text for text in found if NOWHERE not in text), found[0]))

    def tell(self, stop_training: bool, time_is_up: bool, batch: Batch | None) -> None:
        """Let the others know along with the gradients of the batch; see ``agree``."""
        sum_ = 0 if batch is None else _sum_of(batch)
        asked = self.stop.heard, stop_training or self.late, time_is_up, sum_
        self.ranks.told = np.array(asked, np.int64)

    def agree(
        self, stop_training: bool, time_is_up: bool, batch: Batch | None
    ) -> tuple[bool, bool]:
        """Both as rank 0 has them; a signal that any rank has heard counts for all.

        After a batch that is what all told with its gradients, unless a callback may have asked for
        an end since. Raises ``ConfigError`` if the ranks had other batches.
        """
        found, self.ranks.heard = self.ranks.heard, None
        if found is None or self.asks:
            self.tell(stop_training, time_is_up, batch)
            found = self.ranks.gathered(self.ranks.told)
            stop_training = False  # it is told
        self.late = stop_training
        self.stop.number = int(found[:, 0].max())
        others = np.flatnonzero(found[:, 3] != found[0, 3])
        if len(others):
            raise ConfigError(
                "fit: expected the same batches on all ranks, got others on "
                f"{self.ranks.named(int(others[0]))} than on rank 0. Give what draws them a seed."
            )
        return bool(found[0, 1]), bool(found[0, 2])

    def update(self, params: Mapping[str, Array]) -> None:
        """Take over rank 0's parameters where the update may have had other bits."""
        if self.unlike:
            for array in params.values():
                array[...] = self.ranks.first(array)

    def epoch_end(self, model: Model, logs: Logs) -> Logs:
        """Rank 0's logs; raises ``ConfigError`` if the weights are no longer the same."""
        found = self.ranks.gathered(np.array([digest(model)], np.int64)).ravel()
        others = np.flatnonzero(found != found[0])
        if len(others):
            raise ConfigError(
                "fit: expected the same weights on all ranks, got others on "
                f"{self.ranks.named(int(others[0]))} than on rank 0. A callback or a layer there "
                "changes or draws something by itself."
            )
        shared: Logs = self.ranks.first(logs)
        return shared


def of_rank(options: FitOptions, ranks: Ranks | None) -> FitOptions:
    """The options of a rank: only the first says and writes something."""
    if ranks is None or not ranks.number:
        return options
    return replace(options, verbose=0, checkpoint=None, resume=False)


def digest(model: Model) -> int:
    """A checksum of all arrays and of the generator."""
    found = zlib.crc32(repr(model.rng.bit_generator.state).encode())
    for layer in model.stack:
        for array in layer.arrays().values():
            found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found


def _sum_of(batch: Batch) -> int:
    """A checksum of the labels and, where this rank has all images, of the first and the last."""
    part = batch.data.answers(batch.samples)
    ends = () if batch.own else batch.numbers[[0, -1]]
    images = [x[i] for x in batch.data.xs for i in ends]
    found = 0
    for array in (*part.ys, *images):
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found


def _script() -> int | None:
    """A checksum of the script that runs."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        return zlib.crc32(Path(path).read_bytes()) if path else None
    except OSError:
        return None
