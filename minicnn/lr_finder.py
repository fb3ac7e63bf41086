"""Find a learning rate: try all on a few batches, from far too small to far too large."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn.callbacks import Callback
from minicnn.errors import ConfigError
from minicnn.models.model import Model
from minicnn.optimizers import Optimizer

__all__ = ["RateSweep", "find_learning_rate"]

MEMORY = 0.9
"""The fraction of the running mean of the loss that is kept from one batch to the next."""

HOPELESS = 4.0
"""The sweep ends at this many times the lowest loss."""


class RateSweep(NamedTuple):
    """The rates tried, the loss of the batch before each step, smoothed, and the rate to take."""

    rates: Array
    losses: Array
    suggestion: float
    """Two thirds of the way along the longest fall of the loss, in steps or in loss."""

    def __repr__(self) -> str:
        """The suggested rate, and the range that was tried."""
        rates, losses = self.rates, self.losses
        return (
            f"RateSweep(suggestion={self.suggestion:.2g}, {len(rates)} rates from {rates[0]:.2g} "
            f"to {rates[-1]:.2g}, losses from {losses[0]:.4f} down to {min(losses):.4f})"
        )


class _Sweep(Callback):
    """Set the next rate before each step."""

    ends_on_nan = True
    foreign = False

    def __init__(self, rates: Array) -> None:
        self.rates = np.asarray(rates)
        self.losses: list[float] = []
        self.mean = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:
        self.model.optimizer.learning_rate = float(self.rates[epoch])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.mean = MEMORY * self.mean + (1 - MEMORY) * logs["loss"]
        smoothed = self.mean / (1 - MEMORY ** (len(self.losses) + 1))
        self.losses.append(smoothed)
        if smoothed > HOPELESS * min(self.losses):
            self.model.stop_training = True

    def result(self) -> RateSweep:
        """The sweep so far, and the rate two thirds of the way along the longest fall."""
        losses = np.array(self.losses)
        fall = _longest_fall(self.losses)
        fallen = (losses[fall[0]] - losses[fall]) / (losses[fall[0]] - losses[fall[-1]] or 1)
        two_thirds = min(2 * len(fall) // 3, int(np.argmax(fallen >= 2 / 3)))
        rates = self.rates[: len(losses)]
        return RateSweep(rates, losses, float(rates[fall[two_thirds]]))


def find_learning_rate(
    model: Model,
    x: Any,
    y: Any = None,
    batch_size: int = 32,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
) -> RateSweep:
    """Train for ``steps`` batches while the rate climbs, and restore everything.

        rate of step i = lowest * (highest / lowest) ^ (i / (steps - 1))

    The rate to take is two thirds of the way along the longest row of ever smaller smoothed losses,
    between which others may lie, as in fastai's "valley": a slope alone may be noise. It is two
    thirds of the steps or of the loss, whichever comes first: the running mean of a loss near 0
    falls at any rate, however large. ``minicnn.plots.plot_learning_rates`` shows the curve. The
    model, which must be compiled, is afterwards as it was: weights, optimizer, generator; then
    Ctrl-C raises ``KeyboardInterrupt``, as it does anywhere else. Smith (2017), section 3.3.

    >>> model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> found = find_learning_rate(model, np.eye(4), np.array([0, 1, 0, 1]), steps=20)
    >>> 1e-6 < found.suggestion <= 1
    True
    """
    who = "find_learning_rate"
    number(who, "lowest", lowest, above=0)
    number(who, "highest", highest, above=lowest)
    whole_number(who, "steps", steps, least=10)
    optimizer = model.optimizer
    if optimizer is None:
        raise ConfigError(f"{who}: expected a compiled model. Call compile(optimizer, loss) first.")
    if not model.built:
        raise ConfigError(f"{who}: expected a model that begins with Input(shape).")
    sweep = _Sweep(np.geomspace(lowest, highest, steps))
    with _put_back(model, optimizer):
        swept = model.fit(
            x,
            y,
            batch_size=batch_size,
            epochs=steps,
            steps_per_epoch=1,
            verbose=0,
            callbacks=[sweep],
        )
    if swept.interrupted:
        raise KeyboardInterrupt
    if len(sweep.losses) < 3:
        raise ConfigError(
            f"{who}: expected a loss that is a number for the smallest rates, got one that was not "
            f"after {len(sweep.losses)} steps from {lowest:g}. Try a smaller lowest."
        )
    return sweep.result()


@contextmanager
def _put_back(model: Model, optimizer: Optimizer) -> Iterator[None]:
    """Afterwards weights, optimizer, generator and history are as they were before."""
    weights, history = model.get_weights(), model.history
    decay, optimizer.decay = optimizer.decay, 0.0
    rate, state = optimizer.argument("learning_rate"), optimizer.get_state(model.params)
    state = [array.copy() for array in state]
    generator = model.rng.bit_generator.state
    try:
        yield
    finally:
        model.set_weights(weights)
        optimizer.learning_rate = rate
        optimizer.set_state(model.params, state)
        optimizer.decay = decay
        model.rng.bit_generator.state = generator
        model.history = history


def _longest_fall(losses: Sequence[float]) -> list[int]:
    """The steps of the longest row of ever smaller losses, between which others may lie.

    >>> _longest_fall([3.0, 4.0, 2.0, 9.0, 1.0, 5.0])
    [0, 2, 4]
    """
    falls: list[list[int]] = []  # the longest that ends at each step
    for step, loss in enumerate(losses):
        before = (fall for fall in falls if losses[fall[-1]] > loss)
        falls.append([*max(before, key=len, default=[]), step])
    return max(falls, key=len)
