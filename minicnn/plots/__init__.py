"""Pictures of a run, drawn without a display and shown where a notebook can."""

from minicnn.plots.curves import plot_history
from minicnn.plots.explanations import plot_explanation
from minicnn.plots.learning_rates import plot_learning_rates
from minicnn.plots.networks import model_to_dot, plot_model

__all__ = [
    "model_to_dot",
    "plot_explanation",
    "plot_history",
    "plot_learning_rates",
    "plot_model",
]
