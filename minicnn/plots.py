"""Pictures of a training run, drawn without a display."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minicnn.errors import ConfigError
from minicnn.files.atomic import replacing
from minicnn.history import History
from minicnn.lr_finder import RateSweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(
    history: History | Mapping[str, Sequence[float]],
    path: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw loss and metrics over the epochs, training beside validation.

    One panel for each of "loss", "accuracy", ...; validation is told from training by
    dashes and darkness, so that the picture can be read in grey. A metric with a figure
    for each class has as many curves. ``history`` is what ``fit`` returns, or its
    dictionary. With ``path`` (.png, .pdf, .svg) the picture is written there, whole or
    not at all; the figure is returned either way, and a notebook shows it. Raises
    ``ConfigError`` for a history without epochs and for a path of another kind.

    >>> figure = plot_history({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss']
    """
    # The figure alone, without pyplot: no window, no global state, nothing to close.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figures = history.history if isinstance(history, History) else history
    at = (
        history.epochs
        if isinstance(history, History)
        else lambda name: list(range(len(figures[name])))
    )
    names = [name for name in figures if not name.startswith("val_")]
    if not names or not figures[names[0]]:
        raise ConfigError("plot_history: expected a history of at least one epoch, got none.")
    figure = Figure(figsize=(4.8 * len(names), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for key, label, style in (
            (name, "training", {"color": "#8aa4c8", "linestyle": "-"}),
            (f"val_{name}", "validation", {"color": "#7a1f1f", "linestyle": "--"}),
        ):
            if key in figures:
                epochs = [epoch + 1 for epoch in at(key)]
                marker = "o" if len(figures[key]) < 3 else ""
                curves = np.reshape(figures[key], (len(epochs), -1))
                first, *_ = axes.plot(epochs, curves, linewidth=2, marker=marker, **style)
                first.set_label(label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    if path is not None:
        _save(figure, Path(path))
    return figure


def plot_learning_rates(sweep: RateSweep, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw the loss over the learning rates that ``find_learning_rate`` tried, and its suggestion.

    ``path`` is as in ``plot_history``.

    >>> from minicnn.lr_finder import RateSweep
    >>> sweep = RateSweep(np.array([1e-3, 1e-2, 1e-1]), np.array([1.0, 0.5, 2.0]), 1e-2)
    >>> plot_learning_rates(sweep).axes[0].get_xlabel()
    'learning rate'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.semilogx(sweep.rates, sweep.losses, color="#7a1f1f", linewidth=2)
    axes.axvline(sweep.suggestion, color="#8aa4c8", linestyle="--", label=f"{sweep.suggestion:.1e}")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("smoothed loss")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    if path is not None:
        _save(figure, Path(path))
    return figure


def _save(figure: "Figure", path: Path) -> None:
    kind = path.suffix[1:].lower()
    if kind not in ("png", "pdf", "svg"):
        raise ConfigError(
            f"plots: expected a path that ends in .png, .pdf or .svg, got {str(path)!r}."
        )
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=120, format=kind)
