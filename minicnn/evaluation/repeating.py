"""The same training with other seeds, and on other parts of the data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.console import figure_text, html_table, text_table
from minicnn._core.shapes import Array
from minicnn.callbacks.history import History
from minicnn.errors import ConfigError, DataError, shown
from minicnn.evaluation.intervals import mean_interval
from minicnn.evaluation.predicting import class_numbers, pairs, probabilities
from minicnn.metrics import wilson_interval
from minicnn.models.model import Model

Build = Callable[[int], Model]


@dataclass(frozen=True)
class Repeats:
    """Trainings of one kind; printed, they are a table of what they came to."""

    histories: tuple[History, ...]
    ends: dict[str, tuple[float, ...]]
    """The last value of each log, of each training."""
    scores: Array | None = field(default=None, repr=False)
    """Of ``cross_validate``: the probabilities of each sample by the model that had not seen it."""
    right: int = 0
    """How many of these name the right class."""

    def __len__(self) -> int:
        return len(self.histories)

    def _rows(self) -> Iterator[list[str]]:
        yield ["", "mean", "95% interval", "lowest", "highest"]
        for name, values in self.ends.items():
            low, high = mean_interval(values)
            interval = f"{figure_text(low)} to {figure_text(high)}"
            ends = [figure_text(min(values)), figure_text(max(values))]
            yield [name, figure_text(float(np.mean(values))), interval, *ends]

    def _below(self) -> str:
        if self.scores is None:
            return f"{len(self)} trainings."
        low, high = wilson_interval(self.right, len(self.scores))
        return (
            f"{len(self)} folds. Of samples not learned from {self.right:,} of "
            f"{len(self.scores):,} are right: {self.right / len(self.scores):.3f} "
            f"(95% interval {low:.3f} to {high:.3f})."
        )

    def __str__(self) -> str:
        """A line for each log: the mean of the trainings, its interval, the lowest and highest."""
        return "\n".join([*text_table(list(self._rows())), self._below()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return html_table(list(self._rows()), self._below())


def repeat(build: Build, x: Any, y: Any = None, *, seeds: int = 5, **fit: Any) -> Repeats:
    """Train anew with the seeds 0, 1, ... and say how far the results lie apart.

    ``build(seed)`` returns a new compiled model; ``x``, ``y`` and ``fit`` are what its ``fit``
    takes. The interval is that of the mean over seeds: see ``mean_interval``. Raises
    ``ConfigError`` where ``build`` returns one model twice, whose weights would go on learning.

    >>> def build(seed):
    ...     model = Sequential([Input((2,)), Dense(2, activation="softmax")], seed=seed)
    ...     model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> found = evaluation.repeat(build, x, (x[:, 0] > 0).astype(int), seeds=3, verbose=0)
    >>> len(found), sorted(found.ends)
    (3, ['accuracy', 'loss'])
    """
    whole_number("repeat", "seeds", seeds, 2)
    made: list[Model] = []
    histories = []
    for seed in range(seeds):
        model = _new("repeat", build, seed, made)
        arguments = (x,) if y is None else (x, y)
        histories.append(model.fit(*arguments, **fit))
        if histories[-1].interrupted:
            break
    return Repeats(tuple(histories), _ends("repeat", histories))


def cross_validate(
    build: Build, x: Any, y: Any = None, *, folds: int = 5, seed: int = 0, **fit: Any
) -> Repeats:
    """Train ``folds`` times, each time on all samples but one part, and test on that part.

    The parts hold the classes as the whole does. ``build(number)`` returns a new compiled model for
    each; ``x`` and ``y`` are arrays or a data set; ``fit`` is what its ``fit`` takes. Raises
    ``DataError`` for a class with fewer samples than folds, ``ConfigError`` where ``build`` returns
    one model twice.
    """
    x, y = pairs("cross_validate", x, y)
    parts = stratified_folds(y, folds, seed)
    made: list[Model] = []
    histories, scores = [], None
    for number in range(folds):
        model = _new("cross_validate", build, number, made)
        held, others = parts == number, parts != number
        data = (x[held], y[held])
        histories.append(model.fit(x[others], y[others], validation_data=data, **fit))
        found = probabilities(model, x[held])
        scores = np.zeros((len(y), found.shape[1]), found.dtype) if scores is None else scores
        scores[held] = found
    assert scores is not None
    right = int((scores.argmax(axis=1) == y).sum())
    return Repeats(tuple(histories), _ends("cross_validate", histories), scores, right)


def stratified_folds(y: Any, folds: int = 5, seed: int = 0) -> Array:
    """The number of the part, from 0, to which each sample belongs: each class is spread evenly.

    >>> parts = stratified_folds([0, 0, 0, 0, 1, 1], 2)
    >>> [int(((np.array([0, 0, 0, 0, 1, 1]) == 0) & (parts == i)).sum()) for i in (0, 1)]
    [2, 2]
    """
    whole_number("stratified_folds", "folds", folds, 2)
    y = class_numbers("stratified_folds", y)
    rng = np.random.default_rng(seed)
    parts, first = np.empty(len(y), np.intp), 0
    for one in np.unique(y):
        places = rng.permutation(np.flatnonzero(y == one))
        if len(places) < folds:
            raise DataError(
                f"stratified_folds: expected at least {folds} samples of each class, one for each "
                f"fold, got {len(places)} of class {one}. Take fewer folds."
            )
        parts[places] = (np.arange(len(places)) + first) % folds
        first = (first + len(places)) % folds
    return parts


def _new(who: str, build: Build, number: int, made: list[Model]) -> Model:
    if not callable(build) or isinstance(build, Model):
        raise ConfigError(
            f"{who}: expected build as a function of a seed that returns a compiled model, got "
            f"{shown(build)}."
        )
    try:
        model = build(number)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise ConfigError(
            f"{who}: expected build to take a seed, as in def build(seed): ...; {error}."
        ) from None
    if not isinstance(model, Model):
        raise ConfigError(f"{who}: expected build to return a model, got {shown(model)}.")
    if any(model is one for one in made):
        raise ConfigError(
            f"{who}: expected build to return a new model each time, got the same again, which "
            "would go on learning. Make it within build."
        )
    made.append(model)
    return model


def _ends(who: str, histories: Sequence[History]) -> dict[str, tuple[float, ...]]:
    """The last value of each log."""
    if len(histories) < 2 or not all(one.epoch for one in histories):
        raise ConfigError(f"{who}: expected trainings of an epoch or more, got one without.")
    return {
        name: tuple(float(one.history[name][-1]) for one in histories)
        for name, values in histories[0].history.items()
        if np.ndim(values[-1]) == 0 and all(name in one.history for one in histories)
    }
