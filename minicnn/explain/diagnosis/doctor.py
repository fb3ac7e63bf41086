"""The doctor beside a run: it looks at the beginning, at each epoch and at the end."""

import copy
import sys
from typing import Any

from minicnn._core.console import say, warn
from minicnn._training.spoiled import spoiled
from minicnn.callbacks.base import Callback, Logs, check_calls
from minicnn.callbacks.history import History
from minicnn.errors import DivergenceError
from minicnn.explain.diagnosis.checks import examine
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding, Findings

SOON = 100
"""Steps after which a run that has learned nothing is looked into."""


class Doctor(Callback):
    """A callback that says what ails a run, each finding once, in a line; else it is silent.

    It looks before the first step, after an epoch when 100 steps are done, and twice as many, and
    so on, and at the end, also where the loss is no number any more; ``findings`` has all that it
    found. See ``explain.diagnose``. Where nothing is learned it trains copies for some steps. It
    keeps a copy of the model's beginning. What goes wrong with it is one warning, and never costs
    the run.

    >>> x = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    >>> layers = [Input((8, 8, 1)), Rescaling(1 / 255), Flatten(), Dense(4, "softmax")]
    >>> model = Sequential(layers, seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> history = model.fit(x, np.full(64, 3), callbacks=[explain.Doctor()], verbose=0)
    labels constant: All 64 labels are 3: there is nothing to tell apart. Look at how the labels \
are read: print(np.unique(y, return_counts=True)).
    """

    def __init__(self) -> None:
        self.findings = Findings()
        self.history = History()
        self._run: Any = None
        self._begun: Examined | None = None
        self._steps, self._next = 0, SOON
        self._failed = False

    def set_run(self, run: Any) -> None:
        """Called by ``fit`` with the run, which has the data."""
        self._run = run

    def on_train_begin(self, logs: Logs) -> None:
        """Look at the data, the network and its first gradients."""
        self.findings, self.history = Findings(), History()
        self._steps, self._next = 0, SOON
        self._begun, self._failed = None, False
        self._look(begin=True)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look at what was learned, if it is time."""
        self.history.append(dict(logs), epoch)
        self._steps += self.params.get("steps") or 1
        if self._steps >= self._next:
            self._next = 2 * self._steps
            self._look()

    def on_train_end(self, logs: Logs) -> None:
        """Look at what came of it."""
        error = sys.exc_info()[1]
        if isinstance(error, DivergenceError):
            self.history.append({"loss": float("nan")})
        elif error is not None:
            self._leave()
            return
        self._look(end=True)
        self._leave()

    def _leave(self) -> None:
        self._run = self._begun = None

    def _look(self, begin: bool = False, end: bool = False) -> None:
        if self._failed or self._run is None:
            return
        try:
            found = self._examined(begin)
            found.underway = not end
            self._say(examine(found))
        except Exception as error:
            self._failed = True
            why = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"Doctor: nothing more is looked at: {why}")

    def _examined(self, begin: bool) -> Examined:
        run = self._run
        validation = None if run.validation is None else run.validation[0].sample
        size = run.loader.batch_size
        found = Examined(run.model, run.loader.sample, validation, self.history, size)
        found.beginning, found.whole = begin, run.loader.in_memory
        if begin:
            found.fresh = copy.deepcopy(run.model)
            self._begun = found
        elif self._begun is not None:
            found.begun_as(self._begun)
            self._begun = found
        return found

    def _say(self, findings: Findings) -> None:
        known = {one.name for one in self.findings}
        for one in findings:
            if one.name not in known:
                self.findings.append(one)
                if not self._told(one):
                    say(str(one))

    def _told(self, finding: Finding) -> bool:
        """Whether ``fit`` has warned of it already."""
        assert self._begun is not None
        known = [*self._begun.mistakes, *spoiled(self._run.loader, None, shuffle=True)]
        return any(one.remedy == finding.remedy for one in known)


check_calls(Doctor)
