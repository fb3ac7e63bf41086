"""The doctor: why a run does not learn, or learns the wrong thing; silent when all is well.

Each check is a function that looks at a run (``Examined``) and gives its findings. They run in the
order of ``CHECKS``, causes before consequences: what the run is given, how it begins, its rate, its
layers, what came of it.
"""

from collections.abc import Callable, Iterator
from typing import Any

from minicnn.explain.diagnosis import ends, given, learning, signals
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding, Findings

__all__ = ["CHECKS", "Examined", "Finding", "Findings", "diagnose", "examine"]

Check = Callable[[Examined], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    given.pixels,
    given.constant_labels,
    ends.wrong_loss,
    signals.exploding,
    ends.first_loss,
    signals.vanishing,
    learning.too_high,
    learning.too_low,
    given.shuffled_labels,
    signals.updates,
    signals.dead,
    signals.batchnorm,
    learning.by_heart,
    learning.overfitting,
    learning.not_falling,
)


def examine(run: Examined) -> Findings:
    """All findings; what only says that it does not learn is left out where the cause is found."""
    found = Findings()
    for check in CHECKS:
        if not (found and check is learning.not_falling):
            found += check(run)
    return found


def diagnose(
    model: Any, x: Any = None, y: Any = None, history: Any = None, validation_data: Any = None
) -> Findings:
    """What ails a run, causes first; an empty list when all is well.

    ``model`` is a compiled model, before or after its training, with ``x`` and ``y`` that it learns
    from as ``fit`` takes them; or the run of ``runs.load_run``, whose files are known. ``history``
    is what ``fit`` returned, by default the model's. The model stays as it is. Of a model that has
    learned nothing copies are trained for some steps, at its rate and at others; the rest costs
    three passes or so.

    >>> x = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    >>> model = Sequential([Input((8, 8, 1)), Flatten(), Dense(4, activation="softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> explain.diagnose(model, x, np.arange(64) % 4)[0].name
    'images not scaled'
    """
    if callable(getattr(model, "model", None)):  # a run
        train, test = model.data() if x is None else (x, validation_data)
        history = model.history if history is None else history
        return diagnose(model.model(), train, y, history, test)
    found: Findings = model.diagnose(x, y, history=history, validation_data=validation_data)
    return found
