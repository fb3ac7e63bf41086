"""Ailments of the course of a run: its learning rate, what it cannot learn, and overfitting."""

from collections.abc import Iterator

import numpy as np

from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding

HIGH, LOW = "learning rate too high", "learning rate too low"

PATIENCE = 100
"""Steps after which a loss should have fallen."""


def too_high(run: Examined) -> Iterator[Finding]:
    """A rate at which the loss does not fall, where a tenth or a hundredth of it would do."""
    if not run.stuck:
        return
    own = run.own
    if own.falls(0.05) and own.highest < 3 * own.start:
        return
    for factor in (0.1, 0.01, 0.001):
        other = run.tried(factor)
        if other.falls(0.1) and other.end < 0.9 * own.end:
            yield _rate(run, HIGH, factor)
            return
    if own.highest > 10 * own.start:
        yield _rate(run, HIGH, 0.1)


def too_low(run: Examined) -> Iterator[Finding]:
    """A rate at which the loss hardly moves, where ten or a hundred times as much would do."""
    if not run.stuck:
        return
    own = run.own
    if own.falls(0.1) or own.highest > 1.5 * own.start:
        return
    ratios = [row.update for row in run.before.learning() if np.isfinite(row.update)]
    if not ratios or np.median(ratios) > 1e-3:
        return
    for factor in (10, 100, 1000):
        other = run.tried(factor)
        if other.falls(0.15) and other.end < 0.9 * own.end:
            yield _rate(run, LOW, factor)
            return


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
    if not run.stuck:
        return
    best = min(run.heart.losses)
    if best < 0.5 * min(run.chance, run.heart.start):
        return
    yield Finding(
        "cannot learn a batch by heart",
        f"After {len(run.heart.losses)} steps on the same few images, without dropout and "
        f"penalties, the loss is still {run.heart.end:.3g}, from {run.heart.start:.3g}.",
        "Look for a layer that lets nothing through or is too narrow, and check custom layers: "
        "model.check_gradients(x[:4], y[:4]).",
    )


def overfitting(run: Examined) -> Iterator[Finding]:
    """A validation that gets worse while the training goes on getting better."""
    values = np.array(run.history.get("val_loss", ()), float)
    if len(values) < 4 or run.stuck or not np.isfinite(values).all():
        return
    best = int(values.argmin())
    last, train = float(values[-2:].mean()), run.last_loss
    if last < 1.5 * values[best] or last < 3 * train or last - train < 0.5 * run.chance:
        return
    yield Finding(
        "overfitting",
        f"The loss of the validation was lowest after epoch {best + 1}, {values[best]:.3g}, and is "
        f"{last:.3g} now, that of the training {train:.3g}.",
        "Stop there (EarlyStopping(restore_best_weights=True)), take more images or augmentation "
        "(RandomFlip, RandomTranslation), Dropout, or a smaller network.",
    )


def not_falling(run: Examined) -> Iterator[Finding]:
    """A loss that does not fall, for no reason that is known."""
    if not run.stuck or run.steps < PATIENCE or run.epochs < 3:
        return
    losses = run.history["loss"]
    yield Finding(
        "loss not falling",
        f"After {run.epochs} epochs and {run.steps:,} steps the training loss is "
        f"{losses[-1]:.3g}, from {losses[0]:.3g}; knowing how often each class comes gives "
        f"{run.chance:.3g}.",
        "Take less dropout and smaller penalties, a larger network, or more epochs.",
    )
