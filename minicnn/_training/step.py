"""One step of training, outside ``fit``."""

import numpy as np

from minicnn._core.console import Logs
from minicnn._training import kept
from minicnn._training.divergence import divergence
from minicnn._training.model import Model
from minicnn._training.program import at_work
from minicnn.data.fitting import Data
from minicnn.data.loaders import ArrayLoader


def train(model: Model, data: Data) -> Logs:
    """The loss and the metrics of a batch, by which the model then has learned.

    Raises ``DivergenceError`` if the loss is no number.
    """
    with kept.program(model) as program, at_work():
        loader, metrics = program.prepared(model, ArrayLoader(data, data.samples))
        data = loader.sample
        loss, predictions, grads, losses, _ = program.gradients(data, 1, model.rng)
        loss += program.penalty()
        if not np.isfinite(loss):
            raise divergence(model, [x.astype(model.dtype, copy=False) for x in data.xs], loss)
        program.update(grads)
    metrics.update(loss, data, predictions, losses)
    return metrics.logs()
