"""The curves of one run or several."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn._core.arguments import boolean, number
from minicnn._core.shapes import Array
from minicnn.callbacks.history import History
from minicnn.errors import ConfigError, printable
from minicnn.plots.drawing import (
    DARK,
    LIGHT,
    MARKERS,
    RUNS,
    finished,
    legend_below,
    literal,
    matplotlib_ready,
    new_figure,
    on_page,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATES = ("learning_rate", "lr")
"""Logs that belong to neither training nor validation, and fall by powers of ten."""

COLUMNS = 3
"""Panels beside each other."""

MANY = 5
"""Curves of one metric, such as those of classes, that fill a panel."""

LONGEST_LINE = 26
"""Characters of a name beside an axis."""


class _Curve(NamedTuple):
    """A metric: the epochs, from 1, that have it, and a column for each of its curves."""

    epochs: Sequence[int]
    values: Array
    low: Array | None = None
    """Of the mean of several runs the lowest of these, and the highest."""
    high: Array | None = None


_Run = Mapping[str, _Curve]


def plot_history(
    history: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    band: bool = False,
    smoothing: float = 0.0,
) -> "Figure":
    """Draw loss and metrics over the epochs, training beside validation.

    One panel for each of "loss", "accuracy", ...; validation is told from training by dashes and
    darkness, so that the picture can be read in grey; runs also by their markers. A metric with a
    number for each class has as many curves. The learning rate lies below, on a logarithmic axis
    where it falls far. ``history`` is what ``fit``
    returns, or its dictionary, or several runs to compare, in a list or in a dictionary by name;
    with ``band`` there is their mean instead, and a band from the lowest to the highest, as of what
    ``evaluation.repeat`` returns. ``smoothing`` from 0 to below 1 draws running means, each
    ``smoothing`` of the one before and the rest of the new value, over the faint values.
    With ``path`` (.png, .pdf, .svg) the picture is written there, whole or not at all. A notebook
    shows it where it is drawn. The figure is returned. Raises ``ConfigError`` for a history without
    epochs, for anything else and for a path of another kind.

    >>> figure = plot_history({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss']
    >>> both = plot_history({"Adam": {"loss": [1.0, 0.5]}, "SGD": {"loss": [1.0, 0.8]}})
    >>> [text.get_text() for text in both.legends[0].get_texts()]
    ['Adam, training', 'SGD, training']
    """
    histories = getattr(history, "histories", None)
    runs = runs_of(history if histories is None else list(histories))
    boolean("plot_history", "band", band)
    number("plot_history", "smoothing", smoothing, least=0, below=1)
    if band or histories is not None:
        runs = {"": _together(runs.values())}
    figure = figure_of(runs, smoothing)
    return finished(figure, path)


def figure_of(runs: Mapping[str, "_Run"], smoothing: float = 0.0) -> "Figure":
    """The panels of some runs."""
    every = dict.fromkeys(name for run in runs.values() for name in run)
    names = list(dict.fromkeys(name.removeprefix("val_") for name in every))
    if not names:
        raise ConfigError("plot_history: expected a history of at least one epoch, got none.")
    rates = [name for name in names if name in RATES]
    metrics = [name for name in names if name not in RATES]
    with matplotlib_ready():
        columns = min(max(len(metrics), 1), COLUMNS)
        heights = [3.6] * -(-len(metrics) // columns) + [2.0 if metrics else 3.6] * len(rates)
        figure = new_figure(4.8 * columns, sum(heights))
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        for i, name in enumerate(metrics):
            _draw(figure.add_subplot(grid[i // columns, i % columns]), name, runs, smoothing)
        for i, name in enumerate(rates, -len(rates)):
            _draw(figure.add_subplot(grid[i, :]), name, runs, smoothing)
        if _crowded(runs):
            legend_below(figure)
    return figure


def _crowded(runs: Mapping[str, _Run]) -> bool:
    """Whether a legend within a panel would lie over curves."""
    return any(runs) or any(
        c.values.shape[1] >= MANY for run in runs.values() for c in run.values()
    )


def runs_of(history: Any) -> dict[str, _Run]:
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


def _together(runs: Iterable[_Run]) -> _Run:
    """The mean of each metric over the runs that have it, epoch by epoch, and how far they lie."""
    found: dict[str, dict[int, list[Array]]] = {}
    for run in runs:
        for name, curve in run.items():
            for epoch, values in zip(curve.epochs, curve.values, strict=True):
                found.setdefault(name, {}).setdefault(epoch, []).append(values)
    made = {}
    for name, by_epoch in found.items():
        epochs = sorted(by_epoch)
        groups = [np.stack(by_epoch[epoch]) for epoch in epochs]
        mean, low, high = (
            np.stack([take(group, axis=0) for group in groups])
            for take in (np.mean, np.min, np.max)
        )
        made[name] = _Curve(epochs, mean, low, high)
    return made


def _smoothed(values: Array, smoothing: float) -> Array:
    """Running means, whose beginning counts as much as the rest.

    >>> _smoothed(np.array([[1.0], [2.0], [3.0]]), 0.5).ravel().round(3).tolist()
    [1.0, 1.667, 2.429]
    """
    total, weight, made = np.zeros_like(values[0]), 0.0, []
    for value in values:
        total = smoothing * total + (1 - smoothing) * value
        weight = smoothing * weight + (1 - smoothing)
        made.append(total / weight)
    return np.stack(made)


def _draw(axes: "Axes", name: str, runs: Mapping[str, _Run], smoothing: float) -> None:
    """A panel: one metric of all runs."""
    from matplotlib.ticker import MaxNLocator

    drawn = []
    for i, (label, run) in enumerate(runs.items()):
        colour = RUNS[i % len(RUNS)]
        label = label if len(label) <= 30 else f"{label[:14]}...{label[-13:]}"
        for key, part, style in ((name, "training", "-"), (f"val_{name}", "validation", "--")):
            if key not in run:
                continue
            curve = run[key]
            if not label:
                colour = LIGHT if key == name else DARK
            if name in RATES:
                part = ""
            values = curve.values
            if smoothing and name not in RATES:
                axes.plot(curve.epochs, values, color=on_page(colour), alpha=0.45, linewidth=1)
                values = _smoothed(values, smoothing)
            if curve.low is not None and curve.high is not None and values.shape[1] == 1:
                low, high = curve.low[:, 0], curve.high[:, 0]
                axes.fill_between(
                    curve.epochs, low, high, color=on_page(colour), alpha=0.3, linewidth=0
                )
            first, *_ = axes.plot(
                curve.epochs,
                values,
                linewidth=2 if values.shape[1] < MANY else 0.8,
                marker=MARKERS[i % len(MARKERS)] if label or len(curve.epochs) < 3 else "",
                markevery=max(1, len(curve.epochs) // 8),
                markersize=5,
                linestyle=style,
                color=on_page(colour),
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
    if not _crowded(runs) and name not in RATES:
        axes.legend(frameon=False)


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
