"""The checks in their order."""

from collections.abc import Callable, Iterator

from minicnn.explain.diagnosis import ends, given, learning, signals
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding, Findings

Check = Callable[[Examined], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    given.pixels,
    given.constant_labels,
    given.no_numbers,
    ends.wrong_loss,
    signals.exploding,
    ends.first_loss,
    signals.vanishing,
    signals.born_dead,
    learning.noise,
    learning.too_high,
    learning.too_low,
    learning.penalties,
    signals.batchnorm,
    given.shuffled_labels,
    signals.updates,
    signals.dead,
    learning.by_heart,
    learning.overfitting,
    learning.not_falling,
)

ALONE = {
    learning.too_high,
    learning.too_low,
    learning.noise,
    given.shuffled_labels,
    learning.by_heart,
    learning.overfitting,
    learning.not_falling,
}
"""The checks that are only made where nothing before them was found: they take time, or would only
repeat what follows from it."""


def examine(run: Examined) -> Findings:
    """All findings, causes first."""
    found = Findings()
    for check in CHECKS:
        if not (found and check in ALONE):
            found += check(run)
    return found
