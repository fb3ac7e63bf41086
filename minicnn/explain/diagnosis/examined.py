"""A run as the doctor sees it: what was given, what came of it, and what is measured when asked."""

import copy
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn._training.mistakes import Mistake, mistakes
from minicnn._training.model import Model
from minicnn._training.program import Program, at_work
from minicnn.data.fitting import Data, classes_of
from minicnn.errors import ConfigError, shown
from minicnn.explain.diagnosis.trials import Trial, by_heart, fresh_copy, mean_of_last, trial
from minicnn.explain.statistics import Pass, layer_statistics
from minicnn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Loss,
    SparseCategoricalCrossentropy,
)

MOST, WORK = 64, 2e10
"""Images of the batch that is looked at, and the multiply-adds of their forward pass, at most."""

MANY = 512
"""Images that are predicted at most."""

RUSHING = 1.0
"""The update-to-weight ratio of a first step after which nothing of the weights is left."""

PATIENCE = 100
"""Steps after which a loss should have fallen."""

RIGHT = 0.1
"""An accuracy so far above that of always naming the most frequent class says the same; or half way
from there to 1."""

ACCURACIES = (
    *("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy"),
)

FALLEN = 0.8
"""A run has learned something when its loss is below this part of that of the frequencies."""


class Examined:
    """A compiled model, the data it learns from, and the logs of its epochs.

    Nothing in it changes the model, its optimizer or its generator.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        validation: Data | None = None,
        history: Any = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.program = Program(model)
        self.raw = data
        self.data = self.program.targets(data)
        self.validation = None if validation is None else self.program.targets(validation)
        self.raw_validation = validation
        self.history = logs_of(history)
        if batch_size is not None:
            batch_size = whole_number("diagnose", "batch_size", batch_size)
        steps = getattr(history, "params", {}).get("steps") or 0
        size = batch_size or (-(-data.samples // steps) if steps else 32)
        self.batch_size = min(size, data.samples)
        self.seed = seed
        self.whole = True
        """Whether these are all data, not just the first batch of them."""
        self.underway = False
        """Whether the run goes on."""
        self.beginning = False
        """Whether it is the beginning of a run, which has had no time to learn."""

    def begun_as(self, other: "Examined") -> None:
        """Take over what the same run's beginning was found to be."""
        shared = (
            "fresh",
            "before",
            "peak_rate",
            "_trials",
            "_still",
            "quiet",
            "heart",
            "first_penalty",
        )
        vars(self).update((name, vars(other)[name]) for name in shared if name in vars(other))

    # What is given -------------------------------------------------------------------

    @property
    def loss(self) -> Loss | None:
        """The loss of a model with one output."""
        return self.program.goals[0].loss if len(self.program.goals) == 1 else None

    @cached_property
    def labels(self) -> Array | None:
        """The class numbers of a classifier of one output; None of anything else."""
        kinds = BinaryCrossentropy | CategoricalCrossentropy | SparseCategoricalCrossentropy
        if not isinstance(self.loss, kinds) or len(self.program.output_shapes[0]) != 1:
            return None
        if isinstance(self.loss, BinaryCrossentropy) and self.outputs > 1:
            return None  # an image may be of several classes, or of none
        return classes_of(self.raw.y)

    @property
    def validation_labels(self) -> Array | None:
        """Those of the validation's images that are predicted."""
        if self.labels is None or self.raw_validation is None:
            return None
        return classes_of(self.chosen(self.raw_validation, self._most(MANY)).y)

    @cached_property
    def frequencies(self) -> Array:
        """How often each class comes."""
        assert self.labels is not None
        return np.bincount(self.labels - self.labels.min()) / len(self.labels)

    @property
    def outputs(self) -> int:
        """How many numbers the first output has."""
        return int(self.program.output_shapes[0][-1])

    @cached_property
    def chance(self) -> float:
        """The loss of a model that knows how often each class comes and nothing of the images."""
        if self.labels is None:
            return self.first_loss
        weights = self.raw.weights[0]
        counts = np.bincount(self.labels - self.labels.min(), weights) / len(self.labels)
        counts = counts[counts > 0]
        return float(-(counts * np.log(counts / counts.sum())).sum())

    @cached_property
    def uniform(self) -> float | None:
        """The first loss of a model that leans to no class, ln K."""
        if self.labels is None:
            return None
        two = isinstance(self.loss, BinaryCrossentropy)
        return math.log(2 if two else self.outputs)

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """What ``fit`` warns of."""
        with at_work():
            return mistakes(self.model, self.program, self.data)

    # Batches -------------------------------------------------------------------------

    def chosen(self, data: Data, most: int) -> Data:
        """Some samples, drawn without the model's generator."""
        if data.samples <= most:
            return data
        rng = np.random.default_rng(self.seed)
        return data.part(np.sort(rng.permutation(data.samples)[:most]))

    @cached_property
    def batch(self) -> Data:
        """The batch that is looked at."""
        return self.chosen(self.data, self._most(MOST))

    def _most(self, most: int) -> int:
        """Fewer images for a network that computes long at each."""
        work = WORK * most / MOST
        return min(most, max(8, int(work / max(self.program.multiply_adds, 1))))

    # Measurements --------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """The steps that its optimizer has taken."""
        return 0 if self.model.optimizer is None else int(self.model.optimizer.iterations)

    @property
    def epochs(self) -> int:
        """The epochs in its history."""
        return len(self.history.get("loss", ()))

    @cached_property
    def fresh(self) -> Any:
        """A copy of the model before its first step: the arrays that it learns are drawn anew."""
        return fresh_copy(self.model, self.seed)

    @cached_property
    def before(self) -> Pass:
        """The batch before the first step."""
        optimizer = copy.deepcopy(self.fresh.optimizer)
        optimizer.learning_rate = self.peak_rate
        return layer_statistics(self.fresh, self.batch, optimizer)

    @property
    def ratio(self) -> float:
        """The update-to-weight ratio of the first step: the median over layers; 0 of none."""
        ratios = [row.update for row in self.before.learning() if not np.isnan(row.update)]
        return float(np.median(ratios)) if ratios else 0.0

    @cached_property
    def now(self) -> Pass:
        """The batch with the weights as they are."""
        if not self.steps or self.beginning:
            return self.before
        return layer_statistics(self.model, self.batch, self.model.optimizer)

    @property
    def first_loss(self) -> float:
        """That of the batch before the first step."""
        return self.before.loss

    @cached_property
    def predicted(self) -> tuple[float, Array]:
        """(loss, predictions) for images that it learned from, outside training."""
        return self._evaluated(self.chosen(self.data, self._most(MANY)))

    @cached_property
    def validated(self) -> tuple[float, Array] | None:
        """The same for the validation's images."""
        if self.validation is None:
            return None
        return self._evaluated(self.chosen(self.validation, self._most(MANY)))

    def _evaluated(self, data: Data) -> tuple[float, Array]:
        losses, found = [], []
        with at_work():
            for start in range(0, data.samples, MOST):
                part = data.part(slice(start, start + MOST))
                loss, _, ys = self.program.evaluate(part)
                losses.append(loss * part.samples)
                found.append(ys[0])
        return sum(losses) / data.samples, np.concatenate(found)

    # How it goes ---------------------------------------------------------------------

    @cached_property
    def penalty(self) -> float:
        """What the regularizers add to the loss now."""
        return float(self.program.penalty())

    @cached_property
    def first_penalty(self) -> float:
        """The same before the first step."""
        return float(Program(self.fresh).penalty())

    @cached_property
    def last_loss(self) -> float:
        """The training loss at the end, without the penalties."""
        if self.epochs:
            return float(min(self.history["loss"][-3:])) - self.penalty
        return self.predicted[0] if self.steps else self.own.end

    @cached_property
    def flat(self) -> bool:
        """Whether the loss has not fallen to anything of note, though the run has begun."""
        if self.beginning:
            return False
        if not math.isfinite(self.last_loss):
            return True
        if self.labels is None and self.fresh.optimizer.iterations:
            return False  # it goes on from somewhere, and nobody knows from where
        most = FALLEN * self.chance
        # Weights of classes, dropout and the like make the loss of training larger than it is.
        return self.last_loss > most and not (self.steps and self.predicted[0] < most)

    @cached_property
    def stuck(self) -> bool:
        """Whether it has learned nothing of note: the loss is flat, and no more are right."""
        right = self.accuracies("")
        if self.labels is not None and right and math.isfinite(self.last_loss):
            most = float(self.frequencies.max())
            return self.flat and right[-1] <= most + min(RIGHT, (1 - most) / 2)
        return self.flat

    def accuracies(self, prefix: str) -> list[float]:
        """The accuracy of each epoch, if it was watched; of the validation with "val_"."""
        names = [prefix + name for name in ACCURACIES if prefix + name in self.history]
        return [float(value) for value in self.history[names[0]]] if names else []

    @cached_property
    def peak_rate(self) -> float:
        """The largest learning rate of the run."""
        optimizer = self.fresh.optimizer
        rates = [float(optimizer.learning_rate)]
        rates += [float(rate) for rate in self.history.get("learning_rate", ())]
        if optimizer.schedule is not None:
            most = max(self.steps, 100)
            rates += [float(optimizer.schedule(step)) for step in range(0, most, most // 20)]
        return max(rates)

    def tried(self, factor: float) -> Trial:
        """Some steps from the beginning, at another rate."""
        if factor not in self._trials:
            self._trials[factor] = Trial(self._trial(factor), self._still)
        return self._trials[factor]

    @cached_property
    def _trials(self) -> dict[float, Trial]:
        return {}

    @property
    def own(self) -> Trial:
        """Some steps from the beginning, at its own rate."""
        return self.tried(1)

    @cached_property
    def quiet(self) -> Trial:
        """The same without dropout, noise and augmentation."""
        return Trial(self._trial(1, quiet=True), self._still)

    @cached_property
    def _still(self) -> float:
        """The loss of the last of these batches before anything is learned."""
        return mean_of_last(self._trial(1, learns=False))

    def _trial(self, factor: float, **options: bool) -> tuple[float, ...]:
        model = copy.deepcopy(self.fresh)
        model.optimizer.learning_rate = self.peak_rate * factor
        return trial(model, self.data, min(self.batch_size, 32), self.seed, **options)

    @cached_property
    def heart(self) -> Trial:
        """What became of learning a few images by heart."""
        return by_heart(self.fresh, self.data, self.labels, self.chance, self.seed)


def logs_of(history: Any) -> dict[str, Sequence[float]]:
    """The logs of a history, or of its dictionary; raises ``ConfigError`` for anything else."""
    logs = {} if history is None else getattr(history, "history", history)
    if not isinstance(logs, Mapping):
        raise ConfigError(
            "diagnose: expected history as what fit returns, or its dictionary, got "
            f"{shown(history)}."
        )
    for name, values in logs.items():
        kind = np.asarray(values).dtype.kind if isinstance(values, Sequence | np.ndarray) else ""
        if kind not in tuple("biuf"):
            raise ConfigError(
                f"diagnose: expected {name} in the history as a list of numbers, got "
                f"{shown(values)}."
            )
    return {str(name): values for name, values in logs.items()}
