"""What one fit of one batch with validation does before its first batch, and how often.

    python benchmarks/trace_fit.py

Counts calls of the functions that put a run together, over the whole fit, and the changes of module
before the first batch: calls from a function of one of minicnn's modules into another's. Functions
are found by the patterns in ``COUNTED``, which know the names of earlier versions as well.
"""

import re
import sys
from collections import Counter

import numpy as np

from minicnn import Conv2D, Dense, Flatten, Input, MaxPool, ReLU, Sequential
from minicnn.callbacks import Callback

COUNTED = {
    "metrics built": r"(inference\.Running|_training\.metrics\.RunningMetrics)\.__init__",
    "steps fused": r"(layers\.fusion|models\.fusing)\.fused",
    "objective taken": r"(inference|_training\.program)\.objective",
    "asked to be built": r".*\._require_built",
}


def network():
    layers = [Input((8, 8, 3)), Conv2D(4, 3), ReLU(), MaxPool(2), Flatten()]
    model = Sequential([*layers, Dense(3, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def main():
    model, rng = network(), np.random.default_rng(0)
    x, y = rng.random((8, 8, 8, 3)), rng.integers(0, 3, 8)
    counts, changes, begun = Counter(), 0, []

    def module(frame):
        name = frame.f_globals.get("__name__") or ""
        return name.removeprefix("minicnn.") if name.startswith("minicnn") else None

    def profile(frame, event, argument):
        nonlocal changes
        if event != "call" or (here := module(frame)) is None:
            return
        name = f"{here}.{frame.f_code.co_qualname}"
        counts.update(what for what, pattern in COUNTED.items() if re.fullmatch(pattern, name))
        caller = frame.f_back and module(frame.f_back)
        if not begun and caller is not None and caller != here:
            changes += 1

    class Begins(Callback):
        foreign = False  # it changes no layer

        def on_train_batch_begin(self, batch, logs):
            begun.append(batch)

    def fit():
        model.fit(x, y, 8, verbose=0, callbacks=[Begins()], validation_data=(x, y))

    fit()  # imports and caches
    counts.clear()
    begun.clear()
    changes = 0
    sys.setprofile(profile)
    try:
        fit()
    finally:
        sys.setprofile(None)
    for what in COUNTED:
        print(f"{what:<41}{counts[what]}")
    print(f"{'changes of module before the first batch':<41}{changes}")


if __name__ == "__main__":
    main()
