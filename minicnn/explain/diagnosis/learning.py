"""Ailments of the course of a run: its learning rate, what it cannot learn, and overfitting."""

import math
from collections.abc import Iterator

import numpy as np

from minicnn.explain.diagnosis.examined import FALLEN, PATIENCE, RUSHING, Examined
from minicnn.explain.diagnosis.finding import Finding
from minicnn.explain.diagnosis.trials import FEW
from minicnn.explain.statistics import is_random

HIGH, LOW = "learning rate too high", "learning rate too low"

SLOW = 1e-3
"""The update-to-weight ratio of a first step from which on a rate may be too high, else too low."""

NOTABLE = 0.03
"""The part of the first loss by which one trial must end below another, on the same batches."""

AHEAD = 0.1
"""The part of the loss of the frequencies by which a trial without noise must end below another."""

BEHIND = 0.25
"""How far the accuracy of the validation is behind that of the training where it is overfitting."""

TRAVEL = 0.02
"""How far the weights must move in a run, in parts of their size, to learn anything."""


def too_high(run: Examined) -> Iterator[Finding]:
    """A rate at which the loss does not fall, where a tenth or less of it would do."""
    ratio = run.ratio
    if ratio > RUSHING:
        yield Finding(
            HIGH,
            f"With a rate of {run.peak_rate:.2g} the first step changes the weights by {ratio:.2g} "
            "times their size; healthy steps change 1e-4 to 1e-2 of it.",
            f"Try learning_rate={run.peak_rate / ratio / 100:.1g}, or what find_learning_rate "
            "suggests.",
        )
        return
    if not run.stuck:
        return
    losses = np.nan_to_num(run.history.get("loss", [np.inf]), nan=np.inf)
    best = int(np.argmin(losses))
    if losses[best] < FALLEN * run.chance and losses[-1] > run.chance:
        yield Finding(
            HIGH,
            f"The training loss had come to {losses[best]:.3g} after epoch {best + 1}, and is "
            f"{run.history['loss'][-1]:.3g} now.",
            f"Try learning_rate={run.peak_rate / 10:.1g}, a rate that falls (CosineDecay), or "
            "global_clipnorm=1.0 for the optimizer.",
        )
        return
    if ratio < SLOW:
        return
    own = run.own
    broken = own.highest > 10 * own.start
    if own.falls(0.05) and not broken and run.steps < PATIENCE:
        return
    for factor in (0.1, 0.01, 0.001):
        other = run.tried(factor)
        better = other.end < own.end - NOTABLE * own.start
        if better and (other.falls(0.1) or (broken and other.falls(0.01))):
            yield _rate(run, HIGH, factor)
            return


def too_low(run: Examined) -> Iterator[Finding]:
    """A rate at which the weights hardly move, where a larger one brings more."""
    ratio = run.ratio
    slow = SLOW if run.steps else SLOW / 10  # before a run nobody knows how long it will be
    if not run.stuck or not 0 < ratio < slow:
        return
    own = run.own
    if own.falls(0.1) or own.highest > 1.5 * own.start:
        return
    for factor in (10, 100, 1000):
        other = run.tried(factor)
        if other.end < own.end - NOTABLE * own.start:
            yield _rate(run, LOW, factor)
            return
    if ratio < SLOW / 10 and 0 < run.steps * ratio < TRAVEL:
        yield Finding(
            LOW,
            f"A step changes the weights by {ratio:.1e} of their size, all {run.steps:,} by "
            f"{run.steps * ratio:.1e} at most: too little to learn anything.",
            "Try what find_learning_rate suggests; healthy steps change 1e-4 to 1e-2.",
        )


def _rate(run: Examined, name: str, factor: float) -> Finding:
    own, other = run.own, run.tried(factor)
    rate, better = run.peak_rate, run.peak_rate * factor
    end = f"{own.end:.3g}" if np.isfinite(own.end) else "no number any more"
    return Finding(
        name,
        f"After {len(other.losses)} steps from the start the loss goes from {own.start:.3g} to "
        f"{end} with a rate of {rate:.2g}, to {other.end:.3g} with {better:.2g}.",
        f"Try learning_rate={better:.2g}, or what find_learning_rate suggests.",
    )


def by_heart(run: Examined) -> Iterator[Finding]:
    """A network that cannot learn a few images by heart."""
    if not run.stuck or not run.chance > 0:
        return
    labels = run.labels  # of the few there are as many of each class
    nothing = run.chance if labels is None else math.log(min(len(np.unique(labels)), FEW))
    if run.heart.lowest < 0.75 * min(nothing, run.heart.start):
        return
    yield Finding(
        "cannot learn a batch by heart",
        f"After {len(run.heart.losses)} steps on the same few images, without dropout and "
        f"penalties, the loss is still {run.heart.end:.3g}, from {run.heart.start:.3g}.",
        "Look for a layer that lets nothing through or is too narrow, and check custom layers: "
        "model.check_gradients(x[:4], y[:4]).",
    )


def overfitting(run: Examined) -> Iterator[Finding]:
    """A validation that gets worse, or stays far behind, while the training gets better."""
    values = np.array(run.history.get("val_loss", ()), float)
    if len(values) < 4 or run.stuck or not np.isfinite(values).all():
        return
    best, some = int(values.argmin()), max(2, len(values) // 5)
    last, train = float(np.median(values[-some:])), run.last_loss
    if len(values) - best <= some or last < 3 * train or last - train < 0.4 * run.chance:
        return
    right, others = run.accuracies(""), run.accuracies("val_")
    behind = len(values) >= 10 and len(right) and len(others) and right[-1] > others[-1] + BEHIND
    if last < 1.4 * values[best] and not behind:
        return
    yield Finding(
        "overfitting",
        f"The loss of the validation was lowest after epoch {best + 1}, {values[best]:.3g}, and is "
        f"{last:.3g} now, that of the training {train:.3g}.",
        "Stop there (EarlyStopping(restore_best_weights=True)), take more images or augmentation "
        "(RandomFlip, RandomTranslation), Dropout, or a smaller network.",
    )


def penalties(run: Examined) -> Iterator[Finding]:
    """Regularizers that are all that counts."""
    if not run.flat or not run.first_penalty >= run.first_loss:
        return
    yield Finding(
        "penalties too large",
        f"Before the first step the regularizers add {run.first_penalty:.3g} to a loss of "
        f"{run.first_loss:.3g}: the run makes weights small, and learns nothing else.",
        "Take a tenth or a hundredth of them, such as L2(1e-4).",
    )


def noise(run: Examined) -> Iterator[Finding]:
    """Dropout, noise or augmentation that drown what there is to learn."""
    if not run.stuck or run.steps < PATIENCE:
        return  # with noise it takes longer
    if not any(is_random(node) for node in run.model.graph().nodes):
        return
    own, quiet = run.own, run.quiet
    if own.end < 0.95 * run.chance:
        return
    if own.start > 1.5 * max(run.first_loss, run.chance):
        said = (
            f"Before the first step the loss is {own.start:.3g}, without dropout, noise and "
            f"augmentation {run.first_loss:.3g}."
        )
    elif quiet.end < own.end - AHEAD * run.chance:
        said = (
            f"After {len(own.losses)} steps from the start the loss is {own.end:.3g}, without "
            f"dropout, noise and augmentation {quiet.end:.3g}."
        )
    else:
        return
    yield Finding(
        "too much dropout or noise",
        said,
        "Take a smaller rate of Dropout (0.2 to 0.5), one layer of it, or weaker augmentation.",
    )


def not_falling(run: Examined) -> Iterator[Finding]:
    """A loss that does not fall, for no reason that is known."""
    patience = 5 * PATIENCE if run.underway else PATIENCE
    if not run.stuck or run.steps < patience or run.epochs < 3:
        return
    if run.last_loss < (1 - NOTABLE) * run.chance:
        return  # little, but there may be no more to learn
    losses = run.history["loss"]
    falling = losses[-1] < losses[len(losses) // 2] - NOTABLE * run.chance
    if falling and run.last_loss < run.chance:
        return
    yield Finding(
        "loss not falling",
        f"After {run.epochs} epochs and {run.steps:,} steps the training loss is "
        f"{losses[-1]:.3g}, from {losses[0]:.3g}; knowing how often each class comes gives "
        f"{run.chance:.3g}.",
        "Take a larger network, another optimizer, or more epochs.",
    )
