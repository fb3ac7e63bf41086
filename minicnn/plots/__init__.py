"""Pictures of a run, drawn without a display and shown where a notebook can."""

from minicnn.plots.curves import plot_history
from minicnn.plots.learning_rates import plot_learning_rates

__all__ = ["plot_history", "plot_learning_rates"]
