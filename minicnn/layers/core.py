"""The layers that compute little: Input, Rescaling, Flatten, Reshape, Permute."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import check_array, number, whole_number
from minicnn._core.shapes import Array, Shape
from minicnn._core.signatures import checked
from minicnn._keras.modules import KerasModule
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.layers.base import ON_IMAGES, ExpectedShape, Grads, Layer, NoCache
from minicnn.layers.channels_first import images_first, turned
from minicnn.layers.symbolic import Call, SymbolicTensor

__getattr__ = KerasModule(__name__, "layers.core").__getattr__
"""For the other names that Keras has in a module of this name."""


@checked
def Input(  # noqa: N802 - as in Keras
    shape: Shape | None = None,
    *,
    batch_size: int | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: SymbolicTensor | None = None,
) -> SymbolicTensor:
    """What a model begins with: a symbolic tensor of that shape.

    ``shape`` leaves out the batch axis: (64, 64, 3) for colour images of 64x64. Layers are called
    on it, or it stands first in ``Sequential``. After ``set_image_data_format("channels_first")``
    it is (3, 64, 64), and models take and give images so. ``batch_shape`` has the batch axis
    first; batches may be of any size, whatever it or ``batch_size`` says. Of ``tensor`` the answer
    is that tensor. Raises ``ConfigError`` for what is no shape.

    >>> x = Input((64, 64, 3))
    >>> x.shape, Flatten()(x).shape
    ((None, 64, 64, 3), (None, 12288))
    """
    if tensor is not None:
        if isinstance(tensor, SymbolicTensor):
            return tensor
        raise ConfigError(
            f"Input: expected tensor as what a layer gives, got {shown(tensor)}. Numbers go into "
            "the finished model: Model(inputs, outputs).predict(x)."
        )
    if batch_size is not None:
        whole_number("Input", "batch_size", batch_size)
    if batch_shape is not None:
        if shape is not None or not isinstance(batch_shape, tuple | list) or not batch_shape:
            raise ConfigError(
                f"Input: expected shape, or batch_shape with the batch axis first, as in (None, "
                f"64, 64, 3), got shape={shape!r} and batch_shape={batch_shape!r}."
            )
        shape = tuple(batch_shape[1:])
    if shape is None:
        raise ConfigError("Input: expected a shape, such as (64, 64, 3), got none.")
    return beginning(InputLayer(shape, name)).tensor()


def beginning(layer: "InputLayer", beside: Any = None) -> "InputLayer":
    """The layer, of images with channels first if the setting, or the first layer, says so."""
    if images_first(beside):
        layer.turn()
    return layer


class InputLayer(Layer):
    """The layer at the head of a model, which ``Input(shape)`` makes: y = x, of that shape.

    >>> InputLayer((64, 64, 3)).output_shape((64, 64, 3))
    (64, 64, 3)
    """

    additive = True

    def __init__(self, shape: Shape, name: str | None = None) -> None:
        super().__init__(name)
        if isinstance(shape, int | np.integer):
            shape = (shape,)  # as (10) is 10 to Python
        if not isinstance(shape, tuple | list) or not all(
            isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in shape
        ):
            raise ConfigError(
                f"{self.who}: expected shape as a tuple of whole numbers above 0 and without the "
                f"batch axis, such as (64, 64, 3), got {shape!r}."
            )
        self.shape = tuple(int(n) for n in shape)

    def turn(self) -> None:
        """Let it be of images that the script has channels first, if it is of images."""
        if len(self.shape) != 3:
            return
        shape = turned(self.shape)
        # As it is not another input but the same one: past the checks of what may be set.
        vars(self).update(shape=shape, channels_first=True)
        if self.built:
            self.input_shape = shape
        for call in self.calls:
            for x in call.outputs:
                x.sizes, x.channels_first = shape, True

    def tensor(self) -> SymbolicTensor:
        """What it gives in a model: it takes nothing."""
        return self.calls[0].outputs[0] if self.calls else Call(self, (), [self.shape]).outputs[0]

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
            raise ConfigError(
                f"InputLayer: expected a batch_shape with sizes, got {batch_shape!r}. In Keras "
                "make the model with an Input of fixed sizes, take over the weights, and save it."
            )
        return super().accepted_config(config) | {"shape": tuple(batch_shape[1:])}


class Identity(Layer):
    """y = x, for a place in a network that needs a layer.

    >>> Identity().forward(np.array([[1.0, -1.0]]))[0].tolist()
    [[1.0, -1.0]]
    """

    any_order = True
    additive = True

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, NoCache]:
        """y = x."""
        return self.check_input(x), NoCache()

    def backward(self, dy: Array, cache: NoCache) -> tuple[Array, Grads]:
        """dx = dy."""
        check_array(self.who, dy)
        return dy, {}


class Rescaling(Layer):
    """y = scale * x + offset, in training and in inference.

    ``Rescaling(1 / 255)`` brings the bytes of an image into 0..1 inside the
    model, so that a saved model takes images as they are in a file. Each of the two is a number, or
    a list with a number for each channel. Raises ``ConfigError`` for anything else.

    >>> layer = Rescaling(1 / 255)
    >>> layer.forward(np.array([[0.0, 255.0]]))[0].tolist()
    [[0.0, 1.0]]
    >>> Rescaling([1, 10], offset=[0, -1]).forward(np.array([[3.0, 3.0]]))[0].tolist()
    [[3.0, 29.0]]
    """

    any_order = True
    additive = True

    def __init__(
        self,
        scale: float | Sequence[float],
        offset: float | Sequence[float] = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        for argument, value in (("scale", scale), ("offset", offset)):
            for each in value if isinstance(value, tuple | list) and value else (value,):
                number(self.who, argument, each)
        self.scale: Any = scale
        self.offset: Any = offset
        if len(self._channels()) > 1:
            raise ConfigError(
                f"{self.who}: expected scale and offset for as many channels, got "
                f"{shown(scale)} and {shown(offset)}."
            )

    def _channels(self) -> set[int]:
        """The lengths of the lists."""
        return {len(v) for v in (self.scale, self.offset) if isinstance(v, Sequence)}

    def expected_shape(self) -> ExpectedShape:
        """Any; of lists, as many channels as they have numbers."""
        return ("...", *self._channels())

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, NoCache]:
        """y = scale * x + offset."""
        x = self.check_input(x)
        y = x * np.asarray(self.scale, x.dtype)
        if np.any(self.offset):
            y += np.asarray(self.offset, x.dtype)
        return y, NoCache()

    def backward(self, dy: Array, cache: NoCache) -> tuple[Array, Grads]:
        """dx = scale * dy."""
        return dy * np.asarray(self.scale, dy.dtype), {}


class ShapeCache(NamedTuple):
    """The shape of x, for the backward pass of ``Flatten``, ``Reshape`` and ``Permute``."""

    shape: Shape


class Flatten(Layer):
    """Lay the numbers of each image in one row: (N, H, W, C) becomes (N, H * W * C).

    >>> Flatten().output_shape((2, 2, 16))
    (64,)
    """

    any_order = True
    settable = ON_IMAGES
    additive = True
    replays = True

    def turns(self, x: SymbolicTensor) -> tuple[list[Layer], list[Layer]]:
        """Keras puts the first axis last before it, where channels are first."""
        rows = len(x.sizes) == 2 and images_first(self)
        return [_turn((2, 1), False, self.operation)] if rows else [], []

    def output_shape(self, input_shape: Shape) -> Shape:
        """One axis with all the numbers of an image."""
        return (math.prod(input_shape),)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ShapeCache]:
        """(N, all the rest)."""
        x = self.check_input(x)
        return x.reshape(len(x), *self.output_shape(x.shape[1:])), ShapeCache(x.shape)

    def backward(self, dy: Array, cache: ShapeCache) -> tuple[Array, Grads]:
        """dy in the shape of x."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        return dy.reshape(cache.shape), {}


def _turn(dims: Sequence[int], to_first: bool, operation: bool) -> Layer:
    """What puts axes into the script's order, or back from there: then they have channels first."""
    layer = Permute(dims)
    layer.channels_first, layer.operation = to_first, operation
    return layer


class Reshape(Layer):
    """Give the numbers of each image another shape, in the same row-major order.

    ``target_shape`` leaves out the batch axis; one of its sizes may be -1, which stands for the
    rest. Raises ``ShapeError`` when the numbers do not fill the shape.

    >>> Reshape((-1, 2)).output_shape((4, 4))
    (8, 2)
    """

    additive = True

    def __init__(self, target_shape: Sequence[int], name: str | None = None) -> None:
        super().__init__(name)
        if (
            not isinstance(target_shape, tuple | list)
            or not all(isinstance(n, int | np.integer) and (n > 0 or n == -1) for n in target_shape)
            or any(isinstance(n, bool) for n in target_shape)
            or list(target_shape).count(-1) > 1
        ):
            raise ConfigError(
                f"{self.who}: expected target_shape as a tuple of whole numbers above 0, one of "
                f"which may be -1, without the batch axis, got {target_shape!r}."
            )
        self.target_shape = target_shape

    def turns(self, x: SymbolicTensor) -> tuple[list[Layer], list[Layer]]:
        """The numbers are laid out in the script's order, which is (C, H, W) where it says so."""
        first = x.channels_first
        images = len(self.target_shape) == 3 and (first or images_first())
        before = [_turn((3, 1, 2), False, self.operation)] if first else []
        return before, [_turn((2, 3, 1), True, self.operation)] if images else []

    def output_shape(self, input_shape: Shape) -> Shape:
        """``target_shape``, with a number for -1."""
        self.check_shape((None, *input_shape))
        size = math.prod(input_shape)
        known = int(math.prod(n for n in self.target_shape if n != -1))
        free = -1 in self.target_shape
        if size % known if free else size != known:
            raise ShapeError(
                f"{self.who}: expected input that fills {tuple(self.target_shape)}, "
                f"got {tuple(input_shape)}, which is {size} numbers."
            )
        return tuple(size // known if n == -1 else int(n) for n in self.target_shape)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ShapeCache]:
        """x in the new shape."""
        x = self.check_input(x)
        return x.reshape(len(x), *self.output_shape(x.shape[1:])), ShapeCache(x.shape)

    def backward(self, dy: Array, cache: ShapeCache) -> tuple[Array, Grads]:
        """dy in the shape of x."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        return dy.reshape(cache.shape), {}


class Permute(Layer):
    """Put the axes of each image in another order: axis i of y is axis dims[i] of x.

    ``dims`` counts from 1, as the batch axis is 0 and stays where it is.

    >>> Permute((3, 1, 2)).output_shape((28, 32, 3))
    (3, 28, 32)
    """

    additive = True

    def __init__(self, dims: Sequence[int], name: str | None = None) -> None:
        super().__init__(name)
        if (
            not isinstance(dims, tuple | list)
            or not all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in dims)
            or sorted(dims) != list(range(1, len(dims) + 1))
        ):
            raise ConfigError(
                f"{self.who}: expected dims as a tuple of the numbers from 1 on, each once, "
                f"such as (2, 1), got {dims!r}."
            )
        self.dims = dims

    def expected_shape(self) -> ExpectedShape:
        """As many axes as ``dims`` names."""
        return tuple(f"axis {i}" for i in range(1, len(self.dims) + 1))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's sizes in the new order."""
        self.check_shape((None, *input_shape))
        return tuple(input_shape[i - 1] for i in self.dims)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ShapeCache]:
        """x with its axes in the new order."""
        x = self.check_input(x)
        return x.transpose(0, *self.dims), ShapeCache(x.shape)

    def backward(self, dy: Array, cache: ShapeCache) -> tuple[Array, Grads]:
        """dy with its axes in the old order."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        return dy.transpose(np.argsort((0, *self.dims))), {}
