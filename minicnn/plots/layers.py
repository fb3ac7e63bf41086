"""What the layers of a run did over time."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, shown
from minicnn.explain.statistics import LayerRow
from minicnn.plots.drawing import finished, literal, matplotlib_ready, new_figure, on_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 8
"""Layers of which each has a line of its own."""

LOW, HIGH = 1e-4, 1e-2
"""The band of healthy update-to-weight ratios."""

PANELS = (
    ("std", "activations, standard deviation", True),
    ("zeros", "behind ReLU, share of zeros", False),
    ("gradient", "gradients of the weights, norm", True),
    ("update", "update-to-weight ratio", True),
)

STYLES = ("-", "--", "-.", ":")


def plot_layer_statistics(statistics: Any, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw activations, gradients and update-to-weight ratios by layer, over the steps of a run.

    ``statistics`` is the callback ``explain.LayerStatistics`` after a run. The layers are those
    with kernels to learn, in colours from the first, dark, to the last, light; with more than eight
    of them a panel is a map, with a row for each layer and the first one on top. The share of zeros
    is that behind a layer's ReLU. The band from 1e-4 to 1e-2 is marked, in which update-to-weight
    ratios lie in healthy runs, after the first steps.

    With ``path`` (.png, .pdf, .svg) the picture is written there. A notebook shows it where it is
    drawn. The figure is returned. Raises ``ConfigError`` for a callback that has recorded nothing,
    and for anything else.

    >>> layers = [Input((4,)), Dense(8, activation="relu"), Dense(2, activation="softmax")]
    >>> model = Sequential(layers, seed=0)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> watch = explain.LayerStatistics()
    >>> history = model.fit(np.eye(4), np.arange(4) % 2, callbacks=[watch], verbose=0)
    >>> len(plot_layer_statistics(watch).axes)
    4
    """
    if not hasattr(statistics, "table") or not hasattr(statistics, "steps"):
        raise ConfigError(
            "plot_layer_statistics: expected the callback explain.LayerStatistics after a run, got "
            f"{shown(statistics)}."
        )
    if not statistics.steps:
        raise ConfigError(
            "plot_layer_statistics: expected statistics of at least one step, got none. Give the "
            "callback to fit first: fit(callbacks=[statistics])."
        )
    rows = statistics.records[0].layers.rows
    learning = [i for i, row in enumerate(rows) if row.learns]
    names = [rows[i].layer for i in learning]
    with matplotlib_ready():
        few = len(names) <= FEW
        figure = new_figure(10, 6.4 if few else max(6.4, min(3 + 0.3 * len(names), 16)))
        panels = figure.subplots(2, 2, sharex=few, squeeze=False).ravel()
        for axes, (name, title, powers) in zip(panels, PANELS, strict=True):
            table = statistics.table(name)
            at = [_relu_of(rows, i) for i in learning] if name == "zeros" else learning
            table = np.where(np.array(at) < 0, np.nan, table[:, at])
            axes.set_title(title, fontsize="medium")
            (_lines if few else _map)(axes, statistics.steps, table, names, powers)
            if few and name == "update":
                axes.axhspan(LOW, HIGH, color="#888888", alpha=0.2, linewidth=0)
                axes.set_ylim(min(LOW / 3, axes.get_ylim()[0]), max(HIGH * 3, axes.get_ylim()[1]))
        if few:
            handles = panels[0].get_lines()
            figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return finished(figure, path)


def _relu_of(rows: Sequence[LayerRow], number: int) -> int:
    """The number of the ReLU that a layer ends in, or that follows it; -1 if there is none."""
    for i, row in enumerate(rows[number:], number):
        if row.learns and i > number:
            break
        if not np.isnan(row.dead):
            return i
    return -1


def _lines(axes: "Axes", steps: list[int], table: Array, names: list[str], powers: bool) -> None:
    """A line a layer; 0 has no place among powers of ten."""
    import matplotlib

    every = matplotlib.colormaps["viridis"](np.linspace(0, 0.75, len(names)))
    colours = [on_page(colour) for colour in every]
    for i, (name, values) in enumerate(zip(names, table.T, strict=True)):
        shown_values = np.where(values > 0, values, np.nan) if powers else values
        axes.plot(
            steps,
            shown_values,
            STYLES[i % len(STYLES)],
            color=colours[i],
            marker=".",
            markersize=4,
            label=literal(name),
        )
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, max(steps[-1], 1))
    axes.set_xlabel("steps")
    if powers and np.isfinite(table).any() and (table > 0).any():
        axes.set_yscale("log")
    elif not powers:
        axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)


def _map(axes: "Axes", steps: list[int], table: Array, names: list[str], powers: bool) -> None:
    """A row a layer, a column a record."""
    from matplotlib.colors import LogNorm, Normalize

    shown_values = np.ma.masked_invalid(np.where(table > 0, table, np.nan) if powers else table).T
    some = shown_values.compressed()
    norm: Normalize = Normalize(0, 1)
    if powers and some.size:
        norm = LogNorm(some.min(), max(some.max(), some.min() * 1.01))
    drawn = axes.imshow(
        shown_values, cmap="viridis", norm=norm, aspect="auto", interpolation="nearest"
    )
    at = np.unique(np.linspace(0, len(steps) - 1, 6).astype(int))
    axes.set_xticks(at, [f"{steps[i]:,}" for i in at])
    rows = np.unique(np.linspace(0, len(names) - 1, 12).astype(int))
    axes.set_yticks(rows, [literal(names[i]) for i in rows], fontsize="x-small")
    axes.set_xlabel("steps")
    bar = axes.figure.colorbar(drawn, ax=axes)
    if powers and some.size:
        for edge in (LOW, HIGH):
            if some.min() < edge < some.max() and axes.get_title().startswith("update"):
                bar.ax.axhline(edge, color="#cc3311", linewidth=2)
