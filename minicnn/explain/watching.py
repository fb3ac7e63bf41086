"""The callback that records the statistics of layers over a run."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import check_state, whole_number
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn.callbacks.base import Callback, Logs, check_calls
from minicnn.errors import ConfigError
from minicnn.explain.statistics import LayerRow, Pass, layer_statistics

SHARE = 0.1
"""How much of the time the records after epochs may take, but for the first and the last."""

FIRST = 64
"""The last step of the first epochs that is recorded by itself, of 1, 2, 4, 8, ..."""


class Record(NamedTuple):
    """The layers after so many steps."""

    step: int
    layers: Pass


class LayerStatistics(Callback):
    """A callback that records activations, gradients and steps of every layer over a run.

    They are of one batch of the data, always the same: before the first step, after steps 1, 2, 4,
    ... 64, and after each epoch, less often where that would take more than a tenth of the time.
    ``records`` has a ``Record`` for each; ``table(name)`` one of the statistics as an array
    (records, layers); ``plots.plot_layer_statistics`` draws them. A checkpoint keeps them. What
    goes wrong is one warning, and never costs the run.

    >>> layers = [Input((4,)), Dense(8, activation="relu"), Dense(2, activation="softmax")]
    >>> model = Sequential(layers, seed=0)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> watch = explain.LayerStatistics()
    >>> history = model.fit(np.eye(4), np.arange(4) % 2, epochs=3, callbacks=[watch], verbose=0)
    >>> watch.layers, watch.steps[:3], watch.table("update").shape[1]
    (['dense', 'dense_1'], [0, 1, 2], 2)
    """

    def __init__(self, images: int = 32) -> None:
        self.images = whole_number("LayerStatistics", "images", images)
        self.records: list[Record] = []
        self._run: Any = None
        self._spent = 0.0
        self._started = 0.0
        self._failed = False

    def set_run(self, run: Any) -> None:
        """Called by ``fit`` with the run, which has the data."""
        self._run = run

    @property
    def steps(self) -> list[int]:
        """The steps of the optimizer before each record."""
        return [record.step for record in self.records]

    @property
    def layers(self) -> list[str]:
        """The layers in running order."""
        return [row.layer for row in self.records[0].layers.rows] if self.records else []

    def table(self, name: str) -> Array:
        """One of the statistics of ``explain.LayerRow``, as an array (records, layers)."""
        if name not in NUMBERS:
            raise ConfigError(
                f"LayerStatistics: expected one of {', '.join(NUMBERS)}, got {name!r}."
            )
        rows = [[getattr(row, name) for row in one.layers.rows] for one in self.records]
        return np.array(rows, float).reshape(len(self.records), -1)

    def on_train_begin(self, logs: Logs) -> None:
        """Look before the first step."""
        self.records, self._spent, self._failed = [], 0.0, False
        self._started = time.monotonic()
        self._record()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Look after steps 1, 2, 4, 8, ..."""
        step = self._step()
        if step <= FIRST and step & (step - 1) == 0:
            self._record()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look, if there is time."""
        if self._spent <= SHARE * (time.monotonic() - self._started):
            self._record()

    def on_train_end(self, logs: Logs) -> None:
        """Look at the end."""
        self._record()
        self._run = None

    def get_state(self) -> dict[str, Any]:
        """The records as arrays."""
        return {
            "steps": np.array(self.steps, np.int64),
            "losses": np.array([record.layers.loss for record in self.records], float),
            "layers": self.layers,
            "values": np.array(
                [[row[1:] for row in one.layers.rows] for one in self.records], float
            ),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take them over; what was recorded since is forgotten."""
        check_state("LayerStatistics", self.get_state(), state)
        self.records = []
        losses, values = state["losses"], np.asarray(state["values"])
        for step, loss, rows in zip(state["steps"], losses, values, strict=True):
            made = [
                LayerRow._make([str(name), *map(float, row[:-1]), bool(row[-1])])
                for name, row in zip(state["layers"], rows, strict=True)
            ]
            self.records.append(Record(int(step), Pass(float(loss), tuple(made))))

    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    def _record(self) -> None:
        if self._failed or self._run is None:
            return
        started = time.monotonic()
        if self.records and self.records[-1].step == self._step():
            return
        try:
            data = self._run.loader.sample
            batch = data.part(slice(min(self.images, data.samples)))
            found = layer_statistics(self.model, batch, self.model.optimizer)
            self.records.append(Record(self._step(), found))
        except Exception as error:
            self._failed = True
            why = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"LayerStatistics: nothing more is recorded: {why}")
        self._spent += time.monotonic() - started


NUMBERS = LayerRow._fields[1:-1]
"""The statistics of a layer."""

check_calls(LayerStatistics)
