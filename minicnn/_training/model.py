"""What a run needs to know of a model, whatever its class."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn.callbacks.history import History
from minicnn.layers import Layer
from minicnn.layers.chain import Node
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.optimizers import Optimizer


class Model(Protocol):
    """A model that is built and, where it is trained or evaluated, compiled."""

    @property
    def nodes(self) -> Sequence[Node]: ...
    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def output_shape(self) -> Shape: ...

    stack: list[Layer]
    dtype: DType
    kernels: str
    fuse: bool
    seed: int | None
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: Sequence[str | Metric]
    history: History | None
    stop_training: bool
