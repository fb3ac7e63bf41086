"""Layers in a row: how they are put together, built and run; ``Sequential`` trains them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core import random_seed
from minicnn._core.arguments import boolean, check_array, check_name, whole_number
from minicnn._core.config import Guarded, close
from minicnn._core.shapes import Array, Shape
from minicnn.activations import ACTIVATIONS
from minicnn.data.arrays import images
from minicnn.data.orders import check_order
from minicnn.errors import ConfigError, shown
from minicnn.kernels import DEFAULT, KERNELS, check_kernels
from minicnn.layers import Input, Layer, chain
from minicnn.layers.building import build_layer, check_names, check_new, name_layer, walk
from minicnn.layers.chain import Node
from minicnn.layers.params import put_weights
from minicnn.models import fusing, summary


class BaseModel(Guarded):
    """Layers that run one after another, their arrays and their generator.

    The arguments are those of ``Sequential``, in whose name errors are raised.

    >>> model = BaseModel([Input((4,)), Dense(3)], seed=0)
    >>> y, caches = model.forward(np.ones((2, 4)))
    >>> dx, grads = model.backward(np.ones_like(y), caches)
    >>> dx.shape, list(grads)
    ((2, 4), ['dense.kernel', 'dense.bias'])
    """

    def __init__(
        self,
        layers: "Sequence[Layer | BaseModel] | None" = None,
        *,
        seed: int | None = None,
        name: str = "sequential",
        dtype: str = "float32",
        kernels: str = DEFAULT,
        fuse: bool = True,
    ) -> None:
        if not isinstance(dtype, str | np.dtype) or dtype not in ("float32", "float64"):
            raise ConfigError(f"Sequential: expected dtype float32 or float64, got {dtype!r}.")
        check_name("Sequential", name)
        self.name = name
        self.dtype = np.dtype(dtype)
        whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if seed is not None and (not whole or seed < 0):
            raise ConfigError(
                f"Sequential: expected seed as a whole number of 0 or more, or None, got {seed!r}."
            )
        self.seed = None if seed is None else int(seed)
        """The one that was given."""
        self.rng = random_seed.generator(seed)
        self.kernels = check_kernels("Sequential", kernels)
        self.fuse = bool(fuse) and KERNELS[kernels].fusion is not None
        self.stack: list[Layer] = []
        if layers is not None and not isinstance(layers, Sequence):
            raise ConfigError(f"Sequential: expected a list of layers, got {layers!r}.")
        self._extend(layers or ())
        close(self)

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """See ``Guarded``: name and ``fuse``; the rest is said when the model is made."""
        if argument == "name":
            check_name("Sequential", value)
            return {"name": value}
        if argument == "fuse":
            boolean("Sequential", "fuse", value)
            return {"fuse": bool(value) and KERNELS[self.kernels].fusion is not None}
        raise ConfigError(
            f"Sequential: {argument} cannot become {value!r} once the model is made. Give it to "
            f"Sequential(layers, {argument}=...)."
        )

    def __repr__(self) -> str:
        """In one line; ``summary`` has more."""
        return summary.brief(type(self).__name__, self.name, self.stack, self.built)

    def _repr_html_(self) -> str | None:
        """The table of ``summary``, for a notebook."""
        return summary.html(self.name, self.stack) if self.built else None

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the Input, as in Keras."""
        return [layer for layer in self.stack if not isinstance(layer, Input)]

    @property
    def trainable(self) -> bool:
        """Whether any layer may be trained; what is set is set for all layers, as in Keras."""
        return any(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or the one at that place in ``layers``.

        >>> Sequential([Input((4,)), Dense(3, name="scores")]).get_layer("scores").units
        3
        """
        if (name is None) == (index is None):
            raise ConfigError("get_layer: expected the layer's name or its index.")
        names = [layer.name for layer in self.layers]
        if index is not None:
            whole_number("get_layer", "index", index, least=-len(names))
        if index is not None and index < len(names):
            return self.layers[index]
        if isinstance(name, str) and name in names:
            return self.layers[names.index(name)]
        raise ConfigError(
            f"get_layer: expected one of the layers {', '.join(map(str, names))}, "
            f"got {name if index is None else index!r}."
        )

    def add(self, layer: "Layer | BaseModel") -> None:
        """Put a layer at the end, name it if it has no name, and build it if that can be.

        Of a model all layers are put there, one after another.
        """
        self._extend([layer])

    def _extend(self, layers: "Sequence[Layer | BaseModel]") -> None:
        """Add several, in time that grows with their number and not with its square."""
        taken = {layer.name for layer in self.stack}
        known = {id(layer) for layer in walk(self.stack)}
        shape = self.output_shape if self.built else None

        def put(layer: "Layer | BaseModel") -> None:
            nonlocal shape
            if isinstance(layer, BaseModel):
                for part in layer.layers if self.stack else layer.stack:
                    if part.name in taken:
                        part.name = None
                    put(part)
                return
            if not isinstance(layer, Layer):
                raise ConfigError(
                    f"Sequential: expected a layer, got {shown(layer)}.{_meant(layer)}"
                )
            check_new("Sequential", [layer], known)
            if isinstance(layer, Input) and self.stack:
                raise ConfigError(
                    f"Sequential: expected Input only as the first layer, got {layer!r}."
                )
            first = layer.first_shape or layer.input_shape
            if not self.stack and first is not None and not isinstance(layer, Input):
                put(Input(first))
            name_layer("Sequential", layer, taken)
            if isinstance(layer, Input):
                shape = layer.shape
            if shape is not None:
                build_layer("Sequential", layer, shape, self.rng, self.dtype, self.kernels)
                shape = layer.output_shape(shape)
            self.stack.append(layer)
            taken.add(layer.name)

        for layer in layers:
            put(layer)

    @property
    def nodes(self) -> Sequence[Node]:
        """What ``fit`` and ``predict`` run: the layers, with those fused that can be."""
        self._require_built()
        return fusing.fused(self.stack) if self.fuse else self.stack

    @property
    def built(self) -> bool:
        """Whether the layers have their arrays."""
        return bool(self.stack) and all(layer.built for layer in self.stack)

    def build(self, input_shape: Shape | None = None) -> None:
        """Make the layers' arrays for inputs of ``input_shape``, without the batch axis.

        Not needed in a model that starts with an Input. Raises ``ShapeError`` when the
        layers do not fit each other.
        """
        if self.built:
            return
        if not self.stack:
            raise ConfigError("Sequential: expected layers, got none.")
        if input_shape is None:
            raise ConfigError(
                "Sequential: expected the shape of one input. Start with Input(shape), "
                "or call build(input_shape)."
            )
        layers, self.stack = self.stack, []
        begun = [layer for layer in layers if not layer.built]
        try:
            self._extend((Input(input_shape), *layers))
        except BaseException:
            for layer in begun:
                layer.unbuild()
            self.stack = layers
            raise

    @property
    def input_shape(self) -> Shape:
        """The shape of one input."""
        self._require_built()
        assert self.stack[0].input_shape is not None
        return self.stack[0].input_shape

    @property
    def output_shape(self) -> Shape:
        """The shape of the output for one input."""
        self._require_built()
        last = self.stack[-1]
        assert last.input_shape is not None
        return last.output_shape(last.input_shape)

    def _require_built(self) -> None:
        if not self.built:
            self.build()

    def count_params(self) -> int:
        """How many numbers the layers' arrays hold, learned or not."""
        self._require_built()
        return sum(layer.count_params() for layer in self.stack)

    # A custom loop -------------------------------------------------------------

    def __call__(self, x: Any, training: bool = False) -> Array:
        """The output for one batch; ``forward`` gives the caches as well."""
        return self.forward(x, training)[0]

    @property
    def params(self) -> dict[str, Array]:
        """The arrays that training changes, as ``<layer>.<param>``; they are not copies."""
        check_names("Sequential", self.stack)
        return {
            f"{layer.name}.{name}": array
            for layer in self.stack
            for name, array in layer.learned().items()
        }

    def forward(self, x: Any, training: bool = False) -> tuple[Array, list[Any]]:
        """(y, caches) for a batch x, with one cache a layer for ``backward``.

        Raises ``ShapeError`` when x is not a batch of what the model takes.
        """
        boolean("Sequential", "training", training)
        return chain.forward(self.stack, self._batch(x), training, self.rng)

    def backward(self, dy: Array, caches: Sequence[Any]) -> tuple[Array, dict[str, Array]]:
        """(dx, grads) from the gradient of the loss with respect to y.

        ``grads`` has the keys of ``params``; hand both to ``optimizer.step``.
        """
        check_array("Sequential", dy)
        return chain.backward(self.stack, np.asarray(dy, self.dtype), caches)

    def update_state(self, caches: Sequence[Any]) -> None:
        """Let the moving statistics of BatchNorm follow the batch of a forward pass in training."""
        chain.apply_state(self.stack, caches)

    def _batch(self, x: Any) -> Array:
        x = images("Sequential", x)
        self._ready(x)
        return np.asarray(x, self.dtype)

    def _ready(self, x: Array) -> None:
        """Build the model if it is not; raise ``ShapeError`` unless x is a batch that it takes."""
        if not self.built:
            if any(len(layer.axes) == 3 for layer in self.stack):
                check_order("Sequential", x.shape)
            self.build(x.shape[1:])
        self.stack[0].check_shape(x.shape)

    def get_weights(self) -> list[Array]:
        """Copies of all arrays, layer by layer, the learned ones first, as in Keras."""
        self._require_built()
        return [array for layer in self.stack for array in layer.get_weights()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Put arrays in the place of those that ``get_weights`` gives.

        Raises ``ShapeError``, and changes nothing, unless number and shapes are the same.
        """
        self._require_built()
        put_weights("set_weights", self.stack, weights)


def _meant(thing: Any) -> str:
    """What to write for something that is no layer."""
    if isinstance(thing, type) and issubclass(thing, Layer):
        return f" Make one: {thing.__name__}(...)."
    if isinstance(thing, str) or callable(thing):
        name = thing if isinstance(thing, str) else getattr(thing, "__name__", "")
        return f" Write Activation({name!r})." if name in ACTIVATIONS else ""
    if isinstance(thing, list | tuple):
        return " Put the layers into the list themselves, with a star before them: *layers."
    return ""
