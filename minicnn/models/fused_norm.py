"""BatchNorm in one pass with what follows it: a sum with another array, a ReLU, a pooling."""

import copy
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.parts import Gather
from minicnn._core.shapes import Array, Pair
from minicnn._core.traits import computes_as
from minicnn.kernels import Moments, Normalization, Then
from minicnn.layers.base import Grads
from minicnn.layers.batchnorm import BatchNorm, CompiledCache
from minicnn.layers.graph import Node
from minicnn.models.fused_layer import FusedLayer


class FusedNormCache(NamedTuple):
    """What ``FusedNorm.backward`` needs."""

    norm: CompiledCache
    y: Array | None
    """Where a ReLU follows a sum: what it let through."""


class FusedNorm(FusedLayer[BatchNorm]):
    """y = relu(norm(x) + other), or its maximum in windows of size ``pool``; in one pass.

    The arrays are the BatchNorm's. With ``adds`` it takes (x, other), and gives both gradients:
    that of ``other`` in the memory of y. With ``over_x`` dx is written over x, which nobody else
    needs.
    """

    joins_parts = True

    def __init__(
        self,
        kernels: Normalization,
        norm: BatchNorm,
        then: Then,
        adds: bool,
        over_x: bool,
        pool: Pair | None,
    ) -> None:
        super().__init__(norm)
        self.kernels = kernels
        self.then = then
        self.merges = adds
        self.over_x = over_x
        self.pool = pool
        self.noted: Moments | None = None
        """What has the moments of x, if what makes x finds them."""

    @property
    def fresh_dx(self) -> bool:
        """Whether dx is an array that nobody else has."""
        return not self.merges

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FusedNormCache]:
        """The output of the last of the layers."""
        x, other = x if self.merges else (x, None)
        x = x.astype(self.layer.dtype, copy=False)
        cache = self.layer.compiled_cache(x, training, self.noted)
        y = self.kernels.normalize(cache.x, cache.channels, self.then, other, self.pool)
        return y, FusedNormCache(cache, y if self.merges and self.then.relu else None)

    def backward(self, dy: Array, cache: FusedNormCache) -> tuple[Any, Grads]:
        """dx, or (dx, dother), and the gradients of gamma and beta."""
        dx, grads = self._backward(dy, cache, need_dx=True)
        if not self.merges:
            return dx, grads
        return (dx, dy if cache.y is None else cache.y), grads

    def param_grads(self, dy: Array, cache: FusedNormCache) -> Grads:
        """The gradients of gamma and beta alone."""
        return self._backward(dy, cache, need_dx=False)[1]

    def _backward(
        self, dy: Array, cache: FusedNormCache, need_dx: bool
    ) -> tuple[Array | None, Grads]:
        (x, channels, mean, *_), y = cache
        join, batch = self.layer.join(cache.norm), mean is not None
        made = self.kernels.backward(
            dy, x, channels, self.then, y, batch, need_dx, self.over_x, self.pool, join
        )
        return made.dx, self.layer.named(made.dscale, made.dshift)

    def joined(self, gather: Gather) -> "FusedNorm":
        """See ``BatchNorm.joined``."""
        twin = copy.copy(self)
        twin.layer = self.layer.joined(gather)
        return twin

    def next_state(self, cache: FusedNormCache) -> dict[str, Array]:
        """The moving statistics, one step nearer to the batch's."""
        return self.layer.next_state(cache.norm)

    def output_shape(self, input_shape: Any) -> Any:
        """That of x, before any pooling."""
        return super().output_shape(input_shape[0] if self.merges else input_shape)

    def multiply_adds(self, input_shape: Any) -> int:
        """Those of the BatchNorm."""
        return super().multiply_adds(input_shape[0] if self.merges else input_shape)


def can_be_fused(node: Node) -> bool:
    """Whether a node is a BatchNorm along the last axis, with kernels for it."""
    layer = node.layer
    return (
        computes_as(layer, BatchNorm)
        and layer.kernels.normalization is not None
        and layer.axis in (-1, len(node.shape))
    )
