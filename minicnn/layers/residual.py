"""Layers with a shortcut around them."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from minicnn._core.arguments import boolean
from minicnn._core.shapes import Array, DType, Shape
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers import chain
from minicnn.layers.base import Grads, Layer
from minicnn.layers.building import build_layer, check_new, name_layer
from minicnn.layers.registry import described, with_layers
from minicnn.regularizers import Regularizer


class ResidualCache(NamedTuple):
    """The caches of the layers, for ``Residual.backward``."""

    layers: list[Any]
    shortcut: list[Any]


class Residual(Layer):
    """Layers whose output is added to their input, or to the output of a shortcut.

        y = layers(x) + x        or        y = layers(x) + shortcut(x)

    and backward dx = the sum of the gradients through both. With it ResNets and MobileNets are
    written as a Sequential. Where the layers change the shape, the shortcut must do so too: a 1x1
    convolution with the same strides. Parameters are called ``<layer>.<param>``, as in
    ``conv2d_1.kernel``. Raises ``ShapeError`` when the two branches end in different shapes. He et
    al. (2016). Keras has no such layer, but ``Add`` in its functional models, and files have that.

    >>> block = Residual([Conv2D(8, 3, padding="same"), ReLU(), Conv2D(8, 3, padding="same")])
    >>> block.output_shape((16, 16, 8))
    (16, 16, 8)
    >>> smaller = Residual([Conv2D(16, 3, strides=2, padding="same")], [Conv2D(16, 1, strides=2)])
    >>> smaller.output_shape((16, 16, 8))
    (8, 8, 16)
    """

    keras_module = "minicnn.layers"
    additive = True
    layers: Sequence[Layer] = ()
    shortcut: Sequence[Layer] | None = None

    def __init__(
        self,
        layers: Sequence[Layer],
        shortcut: Sequence[Layer] | None = None,
        name: str | None = None,
    ) -> None:
        self.begun: list[Layer] = []
        super().__init__(name)
        taken: set[str | None] = set()
        for argument, given in (("layers", layers), ("shortcut", shortcut)):
            if given is None and argument == "shortcut":
                continue
            if not isinstance(given, Sequence) or not all(isinstance(x, Layer) for x in given):
                raise ConfigError(
                    f"{self.who}: expected {argument} as a list of layers, got {given!r}."
                )
            for layer in given:
                name_layer(self.who, layer, taken)
                taken.add(layer.name)
        if not layers:
            raise ConfigError(f"{self.who}: expected layers, got none.")
        check_new(self.who, [*layers, *(shortcut or ())], set())
        self.layers = list(layers)
        self.shortcut = None if shortcut is None else list(shortcut)

    @property
    def sublayers(self) -> Sequence[Layer]:
        """The layers, then those of the shortcut."""
        return *self.layers, *(self.shortcut or ())

    # The arrays of the layers, as this layer's ------------------------------------------------

    def __copy__(self) -> Self:
        """A copy whose layers are copies, with the same arrays."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        vars(twin)["layers"] = [copy.copy(layer) for layer in self.layers]
        if self.shortcut is not None:
            vars(twin)["shortcut"] = [copy.copy(layer) for layer in self.shortcut]
        return twin

    @property
    def params(self) -> dict[str, Array]:
        """The arrays that can be learned, as ``<layer>.<param>``."""
        return {key: layer.params[name] for key, layer, name in self._names("params")}

    @params.setter
    def params(self, values: Mapping[str, Array]) -> None:
        self._put("params", values)

    @property
    def state(self) -> dict[str, Array]:
        """The moving statistics, likewise."""
        return {key: layer.state[name] for key, layer, name in self._names("state")}

    @state.setter
    def state(self, values: Mapping[str, Array]) -> None:
        self._put("state", values)

    def _names(self, attribute: str) -> Iterator[tuple[str, Layer, str]]:
        for layer in self.sublayers:
            for name in getattr(layer, attribute):
                yield f"{layer.name}.{name}", layer, name

    def _put(self, attribute: str, values: Mapping[str, Array]) -> None:
        for layer in self.sublayers:
            arrays = {name: values[f"{layer.name}.{name}"] for name in getattr(layer, attribute)}
            setattr(layer, attribute, arrays)

    @property
    def trainable(self) -> bool:
        """Whether training changes it; setting it sets it for all of its layers, as in Keras."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        boolean(self.who, "trainable", value)
        self._trainable = value
        for layer in self.sublayers:
            layer.trainable = value

    @property
    def kernel_set(self) -> str:
        """The kernels that its layers compute with."""
        return self._kernel_set

    @kernel_set.setter
    def kernel_set(self, value: str) -> None:
        self._kernel_set = value
        for layer in self.sublayers:
            layer.kernel_set = value

    def learned(self) -> dict[str, Array]:
        """Those of its layers that are trainable."""
        return {
            f"{layer.name}.{name}": array
            for layer in self.sublayers
            for name, array in layer.learned().items()
        }

    def arrays(self) -> dict[str, Array]:
        """Those of its layers, one layer after the other, as Keras orders them."""
        return {
            f"{layer.name}.{name}": array
            for layer in self.sublayers
            for name, array in layer.arrays().items()
        }

    def regularizers(self) -> dict[str, Regularizer]:
        """Those of its layers."""
        return {
            f"{layer.name}.{name}": regularizer
            for layer in self.sublayers
            for name, regularizer in layer.regularizers().items()
        }

    # The passes ------------------------------------------------------------------------

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of both branches."""
        self.check_shape((None, *input_shape))
        ends = [_ends(way, input_shape)[-1] for way in (self.layers, self.shortcut or ())]
        if ends[0] != ends[1]:
            remedy = (
                " Let the shortcut end in the same shape."
                if self.shortcut
                else " Give it a shortcut, such as [Conv2D(filters, 1, strides=...)]."
            )
            raise ShapeError(
                f"{self.who}: expected layers that end in the shape {ends[1]} of the way around "
                f"them, got {ends[0]}.{remedy}"
            )
        return ends[0]

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Build both branches."""
        super().build(input_shape, rng, dtype)
        self.begun = [layer for layer in self.sublayers if not layer.built]
        for way in (self.layers, self.shortcut or ()):
            for layer, shape in zip(way, _ends(way, input_shape), strict=False):
                build_layer(self.who, layer, shape, rng, self.dtype, self.kernel_set)

    def unbuild(self) -> None:
        """Remove the arrays of the layers that were built with this one."""
        self.input_shape = None
        for layer in self.begun:
            layer.unbuild()

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ResidualCache]:
        """The sum of both branches."""
        self.require_built()
        x = self.check_input(x)
        y, caches = chain.forward(self.layers, x, training, rng)
        shortcut, shortcut_caches = chain.forward(self.shortcut or (), x, training, rng)
        return y + shortcut, ResidualCache(caches, shortcut_caches)

    def backward(self, dy: Array, cache: ResidualCache) -> tuple[Array, Grads]:
        """dx is the sum of both branches'; the gradients are those of each layer."""
        dx, grads = chain.backward(self.layers, dy, cache.layers, frozen=True)
        around, added = chain.backward(self.shortcut or (), dy, cache.shortcut, frozen=True)
        return dx + around, grads | added

    def next_state(self, cache: ResidualCache) -> dict[str, Array]:
        """The next state of each layer."""
        caches = (*cache.layers, *cache.shortcut)
        return {
            f"{layer.name}.{name}": array
            for layer, layer_cache in zip(self.sublayers, caches, strict=True)
            for name, array in layer.next_state(layer_cache).items()
        }

    def multiply_adds(self, input_shape: Shape) -> int:
        """Those of all layers."""
        return sum(
            layer.multiply_adds(shape)
            for way in (self.layers, self.shortcut or ())
            for layer, shape in zip(way, _ends(way, input_shape), strict=False)
        )

    def get_config(self) -> dict[str, Any]:
        """The layers as they are described in a file."""
        shortcut = None if self.shortcut is None else [described(x) for x in self.shortcut]
        layers = [described(layer) for layer in self.layers]
        return {"layers": layers, "shortcut": shortcut, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make it from the result of ``get_config``, or from layers already made from that."""
        return cls(**with_layers(config))


def _ends(layers: Sequence[Layer], shape: Shape) -> list[Shape]:
    """The shapes before, between and after the layers."""
    shapes = [shape]
    for layer in layers:
        shapes.append(layer.output_shape(shapes[-1]))
    return shapes
