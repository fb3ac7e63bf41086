"""The curves of one run or several."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.callbacks.history import History
from minicnn.errors import ConfigError, printable
from minicnn.plots.drawing import DARK, LIGHT, finished, literal, matplotlib_ready, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNS = ("#4477aa", "#cc3311", "#228833", "#aa3377", "#ccaa22", "#33aacc", "#777777", "#222222")
"""Tol's colours, which the colour-blind can tell apart, for several runs."""

RATES = ("learning_rate", "lr")
"""Logs that belong to neither training nor validation, and fall by powers of ten."""

COLUMNS = 3
"""Panels beside each other."""

LONGEST_LINE = 26
"""Characters of a name beside an axis."""


class _Curve(NamedTuple):
    """A metric: the epochs, from 1, that have it, and a column for each of its curves."""

    epochs: Sequence[int]
    values: Array


_Run = Mapping[str, _Curve]


def plot_history(history: Any, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw loss and metrics over the epochs, training beside validation.

    One panel for each of "loss", "accuracy", ...; validation is told from training by dashes and
    darkness, so that the picture can be read in grey. A metric with a number for each class has as
    many curves; a learning rate that falls far has a logarithmic axis. ``history`` is what ``fit``
    returns, or its dictionary, or several runs to compare, in a list or in a dictionary by name.
    With ``path`` (.png, .pdf, .svg) the picture is written there, whole or not at all. A notebook
    shows it where it is drawn. The figure is returned. Raises ``ConfigError`` for a history without
    epochs, for anything else and for a path of another kind.

    >>> figure = plot_history({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss']
    >>> both = plot_history({"Adam": {"loss": [1.0, 0.5]}, "SGD": {"loss": [1.0, 0.8]}})
    >>> [text.get_text() for text in both.axes[0].get_legend().get_texts()]
    ['Adam, training', 'SGD, training']
    """
    runs = _runs(history)
    every = dict.fromkeys(name for run in runs.values() for name in run)
    names = list(dict.fromkeys(name.removeprefix("val_") for name in every))
    if not names:
        raise ConfigError("plot_history: expected a history of at least one epoch, got none.")
    with matplotlib_ready():
        columns = min(len(names), COLUMNS)
        rows = -(-len(names) // columns)
        figure = new_figure(4.8 * columns, 3.6 * rows)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, name in zip(panels, names, strict=False):
            _draw(axes, name, runs)
        for axes in panels[len(names) :]:
            axes.remove()
    return finished(figure, path)


def _runs(history: Any) -> dict[str, _Run]:
    """Each run by its name; a single run has none."""
    if isinstance(history, Mapping) and any(map(_is_run, history.values())):
        return {str(name): _run(run) for name, run in history.items()}
    if isinstance(history, list | tuple):
        return {f"run {i}": _run(run) for i, run in enumerate(history, 1)}
    return {"": _run(history)}


def _is_run(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "history")


def _run(history: Any) -> _Run:
    """The curves of a history of ``fit``, here or in Keras, of its dictionary or its model."""
    found = getattr(history, "history", history)
    if isinstance(found, History):
        return _run(found)
    if not isinstance(found, Mapping):
        raise ConfigError(
            "plot_history: expected what fit returns, its dictionary such as {'loss': [0.9, 0.5]}, "
            f"or several of them, got {type(history).__name__}. Pass the history that fit returned."
        )
    curves = {}
    for name, logs in found.items():
        if not isinstance(logs, list | tuple | np.ndarray):
            raise ConfigError(
                f"plot_history: expected a list with a number an epoch for {name!r}, got "
                f"{type(logs).__name__}."
            )
        at = history.epochs(name) if isinstance(history, History) else range(len(logs))
        try:
            values = np.array(logs, float).reshape(len(logs), -1)
        except (TypeError, ValueError):  # a callback's notes
            continue
        if values.size:
            curves[str(name)] = _Curve([epoch + 1 for epoch in at], values)
    return curves


def _draw(axes: "Axes", name: str, runs: Mapping[str, _Run]) -> None:
    """A panel: one metric of all runs."""
    from matplotlib.ticker import MaxNLocator

    drawn = []
    for (label, run), colour in zip(runs.items(), RUNS * len(runs), strict=False):
        label = label if len(label) <= 30 else f"{label[:14]}...{label[-13:]}"
        for key, part, style in ((name, "training", "-"), (f"val_{name}", "validation", "--")):
            if key not in run:
                continue
            curve = run[key]
            if not label:
                colour = LIGHT if key == name else DARK
            if name in RATES:
                part = ""
            first, *_ = axes.plot(
                curve.epochs,
                curve.values,
                linewidth=2,
                marker="o" if len(curve.epochs) < 3 else "",
                linestyle=style,
                color=colour,
            )
            first.set_label(literal(", ".join(filter(None, (label, part)))))
            drawn.append(curve)
    epochs = {epoch for curve in drawn for epoch in curve.epochs}
    if len(epochs) == 1:
        axes.set_xlim(min(epochs) - 0.5, min(epochs) + 0.5)
    values = np.concatenate([curve.values.ravel() for curve in drawn])
    if name in RATES and values.min() > 0 and values.max() >= 10 * values.min():
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(literal(_wrapped(printable(name))))
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    if any(runs) or name not in RATES:
        axes.legend(frameon=False, fontsize="small" if any(runs) else None)


def _wrapped(name: str) -> str:
    """A long name in several lines, which end behind "_" where there is one.

    >>> _wrapped("sparse_top_k_categorical_accuracy").splitlines()
    ['sparse_top_k_categorical_', 'accuracy']
    """
    lines = [""]
    for part in re.findall(rf"[^_ ]{{1,{LONGEST_LINE - 1}}}[_ ]?|[_ ]", name):
        if len(lines[-1]) + len(part) > LONGEST_LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip(" ") for line in lines)
