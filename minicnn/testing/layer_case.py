"""A layer to check, and the inputs to try it on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.layers import Layer
from minicnn.layers.base import Grads
from minicnn.testing.comparing import CheckError, checked_pair


@dataclass(frozen=True)
class LayerCase:
    """A way to make a layer, and the inputs to try it on.

    ``make`` returns a new layer each time; ``input_shape`` has no batch axis, and is a tuple of
    shapes for a layer that merges.
    """

    make: Callable[[], Layer]
    input_shape: Any
    batch: int = 3
    seed: int = 0

    def built(self, dtype: str = "float64") -> Layer:
        """A new layer, built, with numbers in its arrays that are not all 0 or 1."""
        layer = self.make()
        layer.name = layer.name or "checked"
        rng = np.random.default_rng(self.seed)
        layer.build(self.input_shape, rng, dtype)
        for name, array in layer.arrays().items():
            array[...] = array + rng.uniform(0.1, 0.5, array.shape)
            array.flags.writeable = False
            if name not in layer.params and name not in layer.state:
                raise CheckError(f"{layer.who}: arrays() names {name!r}, which it has not.")
        return layer

    @property
    def merges(self) -> bool:
        """Whether the layer takes several inputs."""
        return any(isinstance(size, tuple) for size in self.input_shape)

    def x(self, dtype: str = "float64", salt: int = 0) -> Any:
        """A batch whose numbers are all different, apart from each other and from 0.

        A tuple of batches for a layer that merges.
        """
        every = self.input_shape if self.merges else (self.input_shape,)
        shapes = [(self.batch, *shape) for shape in every]
        ends = np.cumsum([np.prod(shape) for shape in shapes], dtype=int)
        size = int(ends[-1])
        values = 4 * (np.arange(size) - size / 2 + 0.25) / size
        rng = np.random.default_rng(self.seed + 1 + salt)
        parts = np.split(rng.permutation(values).astype(dtype), ends[:-1])
        xs = tuple(_read_only(a.reshape(s)) for a, s in zip(parts, shapes, strict=True))
        return xs if self.merges else xs[0]

    def dy(self, y: Array, salt: int = 0) -> Array:
        """A gradient for the output y."""
        rng = np.random.default_rng(self.seed + 1001 + salt)
        return _read_only(rng.standard_normal(y.shape).astype(y.dtype))

    def forward(self, layer: Layer, x: Any, training: bool) -> tuple[Array, Any]:
        """The layer's forward pass, with the same random numbers each time."""
        made = layer.forward(x, training=training, rng=np.random.default_rng(self.seed))
        return checked_pair(layer, "forward should return (y, cache)", made, np.empty(0))

    def both(self, layer: Layer, x: Any, training: bool = True) -> tuple[Array, Any, Grads]:
        """(y, dx, grads) for x and the gradient that belongs to it."""
        y, cache = self.forward(layer, x, training)
        made = layer.backward(self.dy(y), cache)
        dx, grads = checked_pair(layer, "backward should return (dx, grads)", made, x)
        return y, dx, grads


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
