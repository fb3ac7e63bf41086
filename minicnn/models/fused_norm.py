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
from minicnn.layers.graph import Node, Unit


class FusedNormCache(NamedTuple):
    """What ``FusedNorm.backward`` needs."""

    norm: CompiledCache
    y: Array | None
    """Where a ReLU follows a sum: what it let through."""


class FusedNorm:
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
        self.kernels = kernels
        self.norm = norm
        self.then = then
        self.merges = adds
        self.over_x = over_x
        self.pool = pool
        self.noted: Moments | None = None
        """What has the moments of x, if what makes x finds them."""
        self.stands_for: tuple[str, ...] = ()
        """The names of the nodes that it computes."""

    @property
    def who(self) -> str:
        """The BatchNorm, as errors name it."""
        return self.norm.who

    @property
    def name(self) -> str | None:
        """The BatchNorm's name."""
        return self.norm.name

    @property
    def params(self) -> dict[str, Array]:
        """The BatchNorm's parameters."""
        return self.norm.params

    @property
    def state(self) -> dict[str, Array]:
        """The BatchNorm's moving statistics."""
        return self.norm.state

    def learned(self) -> dict[str, Array]:
        """Those of the BatchNorm's arrays that training changes."""
        return self.norm.learned()

    @property
    def fresh_dx(self) -> bool:
        """Whether dx is an array that nobody else has."""
        return not self.merges

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FusedNormCache]:
        """The output of the last of the layers."""
        x, other = x if self.merges else (x, None)
        x = x.astype(self.norm.dtype, copy=False)
        cache = self.norm.compiled_cache(x, training, self.noted)
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
        joins = self.norm.gather is not None and mean is not None
        batch, over_x = mean is not None and not joins, self.over_x and not joins
        made = self.kernels.backward(
            dy, x, channels, self.then, y, batch, need_dx, over_x, self.pool
        )
        dx = made.dx
        if joins and dx is not None:
            dx = self.norm.joined_dx(dx, cache.norm, made.dscale, made.dshift)
        return dx, self.norm.named(made.dscale, made.dshift)

    def joined(self, gather: Gather) -> "FusedNorm":
        """See ``BatchNorm.joined``."""
        twin = copy.copy(self)
        twin.norm = self.norm.joined(gather)
        return twin

    def next_state(self, cache: FusedNormCache) -> dict[str, Array]:
        """The moving statistics, one step nearer to the batch's."""
        return self.norm.next_state(cache.norm)

    def output_shape(self, input_shape: Any) -> Any:
        """That of x, before any pooling."""
        return self.norm.output_shape(input_shape[0] if self.merges else input_shape)

    def multiply_adds(self, input_shape: Any) -> int:
        """Those of the BatchNorm."""
        return self.norm.multiply_adds(input_shape[0] if self.merges else input_shape)

    def split_activation(self) -> tuple[Unit | None, str | None]:
        """The node itself: its activation is no loss's."""
        return self, None


def can_be_fused(node: Node) -> bool:
    """Whether a node is a BatchNorm along the last axis, with kernels for it."""
    layer = node.layer
    return (
        computes_as(layer, BatchNorm)
        and layer.kernels.normalization is not None
        and layer.axis in (-1, len(node.shape))
    )
