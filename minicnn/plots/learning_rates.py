"""The loss over the learning rates that were tried."""

import os
from typing import TYPE_CHECKING

from minicnn.errors import ConfigError
from minicnn.lr_finder import RateSweep
from minicnn.plots.drawing import DARK, LIGHT, finished, matplotlib_ready, new_figure, on_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_rates(sweep: RateSweep, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw the loss over the learning rates that ``find_learning_rate`` tried, and its suggestion.

    ``path`` and the result are as in ``plot_history``. Raises ``ConfigError`` for anything
    else than a sweep.

    >>> from minicnn.lr_finder import RateSweep
    >>> sweep = RateSweep(np.array([1e-3, 1e-2, 1e-1]), np.array([1.0, 0.5, 2.0]), 1e-2)
    >>> plot_learning_rates(sweep).axes[0].get_xlabel()
    'learning rate'
    """
    if not isinstance(sweep, RateSweep):
        raise ConfigError(
            "plot_learning_rates: expected what find_learning_rate returns, got "
            f"{type(sweep).__name__}."
        )
    with matplotlib_ready():
        figure = new_figure(4.8, 3.6)
        axes = figure.subplots()
        axes.semilogx(sweep.rates, sweep.losses, color=on_page(DARK), linewidth=2)
        label = f"suggested: {sweep.suggestion:.1e}"
        axes.axvline(sweep.suggestion, color=on_page(LIGHT), linestyle="--", lw=2, label=label)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("smoothed loss")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return finished(figure, path)
