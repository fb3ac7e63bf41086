"""What a run needs to know of a model, whatever its class."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn.callbacks.history import History
from minicnn.data.pixels import Pixels
from minicnn.layers import Layer
from minicnn.layers.graph import Graph
from minicnn.losses import Loss
from minicnn.optimizers import Optimizer


class Model(Protocol):
    """A model that is built and, where it is trained or evaluated, compiled."""

    @property
    def who(self) -> str: ...
    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def input_shapes(self) -> list[Shape]: ...
    @property
    def output_shapes(self) -> list[Shape]: ...
    @property
    def output_names(self) -> list[str]: ...

    def graph(self, input_shape: Any = None) -> Graph: ...
    def fused(self) -> Graph: ...
    def folded(self) -> tuple[Graph, list[Any]]: ...
    def leaves(self) -> Iterator[tuple[str, Layer]]: ...
    def twin(self) -> "Model": ...
    def get_config(self) -> dict[str, Any]: ...
    @property
    def is_row(self) -> bool: ...

    kept: Any
    """Its ``Kept``."""
    name: str
    stack: list[Any]
    dtype: DType
    kernels: str
    fuse: bool
    seed: int | None
    rng: np.random.Generator
    optimizer: Optimizer | None
    loss: Loss | Sequence[Loss | None] | None
    loss_weights: Sequence[float] | None
    metrics: Sequence[Any]
    weighted_metrics: Sequence[Any]
    class_names: tuple[str, ...]
    pixels: Pixels | None
    history: History | None
    stop_training: bool
