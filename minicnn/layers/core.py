"""The layers that compute little: Input, Rescaling, Flatten."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minicnn.config import number
from minicnn.errors import ConfigError
from minicnn.layers.base import ExpectedShape, Grads, Layer, NoCache
from minicnn.shapes import Array, Shape


class Input(Layer):
    """The shape of one input, at the head of a model: y = x.

    ``shape`` leaves out the batch axis: (64, 64, 3) for colour images of 64x64.

    >>> Input((64, 64, 3)).output_shape((64, 64, 3))
    (64, 64, 3)
    """

    keras_name = "InputLayer"

    def __init__(self, shape: Shape, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(shape, tuple | list) or not all(
            isinstance(n, int | np.integer) and n > 0 for n in shape
        ):
            raise ConfigError(
                f"{self.who}: expected shape as a tuple of whole numbers above 0 and without the "
                f"batch axis, such as (64, 64, 3), got {shape!r}."
            )
        self.shape = tuple(int(n) for n in shape)

    def expected_shape(self) -> ExpectedShape:
        """Exactly ``shape``."""
        return self.shape

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, NoCache]:
        """y = x."""
        return self.check_input(x), NoCache()

    def backward(self, dy: Array, cache: NoCache) -> tuple[Array, Grads]:
        """dx = dy."""
        return dy, {}

    def keras_config(self) -> dict[str, Any]:
        """Keras counts the batch axis."""
        return {"batch_shape": [None, *self.shape], "name": self.name}

    @classmethod
    def accepted_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Take ``shape`` out of Keras' ``batch_shape``."""
        config = dict(config)
        batch_shape = config.pop("batch_shape", None)
        if not isinstance(batch_shape, list) or None in batch_shape[1:]:
            raise ConfigError(f"Input: expected a batch_shape with sizes, got {batch_shape!r}.")
        return super().accepted_config(config) | {"shape": tuple(batch_shape[1:])}


class Rescaling(Layer):
    """y = scale * x + offset, in training and in inference.

    ``Rescaling(1 / 255)`` brings the bytes of an image into 0..1 inside the
    model, so that a saved model takes images as they are in a file.

    >>> layer = Rescaling(1 / 255)
    >>> layer.forward(np.array([[0.0, 255.0]]))[0].tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, scale: float, offset: float = 0.0, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "scale", scale)
        number(self.who, "offset", offset)
        self.scale = scale
        self.offset = offset

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, NoCache]:
        """y = scale * x + offset."""
        y = self.check_input(x) * float(self.scale)
        if self.offset:
            y += float(self.offset)
        return y, NoCache()

    def backward(self, dy: Array, cache: NoCache) -> tuple[Array, Grads]:
        """dx = scale * dy."""
        return dy * float(self.scale), {}


class FlattenCache(NamedTuple):
    """What ``Flatten.backward`` needs: the shape of the images."""

    shape: Shape


class Flatten(Layer):
    """Lay the numbers of each image in one row: (N, H, W, C) becomes (N, H * W * C).

    >>> Flatten().output_shape((2, 2, 16))
    (64,)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """One axis with all the numbers of an image."""
        return (int(np.prod(input_shape)),)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FlattenCache]:
        """(N, all the rest)."""
        x = self.check_input(x)
        return x.reshape(len(x), *self.output_shape(x.shape[1:])), FlattenCache(x.shape)

    def backward(self, dy: Array, cache: FlattenCache) -> tuple[Array, Grads]:
        """dy in the shape of x."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        return dy.reshape(cache.shape), {}
