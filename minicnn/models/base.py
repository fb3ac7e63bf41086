"""Networks: how their layers are named, built and run; ``Model`` trains them."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from minicnn._core import random_seed
from minicnn._core.arguments import boolean, check_array, check_name, whole_number
from minicnn._core.config import Guarded
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array, Shape
from minicnn._keras.spelling import snake_case
from minicnn._training import evaluation
from minicnn._training.kept import Kept
from minicnn.data.arrays import images
from minicnn.data.axis_order import check_order
from minicnn.errors import ConfigError, DataError, ShapeError, shown
from minicnn.kernels import choose, kernel_set
from minicnn.layers import InputLayer
from minicnn.layers.activated import apart
from minicnn.layers.building import check_names
from minicnn.layers.composite import Composite
from minicnn.layers.graph import Graph, Node, put
from minicnn.layers.params import Weights, put_weights
from minicnn.layers.symbolic import Call, SymbolicTensor, tensors_of
from minicnn.models import door, folding, fusing
from minicnn.models.folding import Folded
from minicnn.models.packing import packed, unpacked


class BaseModel(Composite, Weights, Guarded):
    """Layers that take each other's outputs, their arrays and their generator.

    >>> model = Sequential([Input((4,)), Dense(3)], seed=0)
    >>> y, caches = model.forward(np.ones((2, 4)))
    >>> dx, grads = model.backward(np.ones_like(y), caches)
    >>> dx.shape, list(grads)
    ((2, 4), ['dense.kernel', 'dense.bias'])
    """

    is_graph = True
    merges = False
    additive = True
    first_shape = None
    random = False
    operation = False
    made_of = "inputs, outputs"
    """What the constructor is given first."""

    def __init__(
        self,
        *,
        seed: int | None,
        name: str | None,
        dtype: str | None,
        kernels: str | None,
        fuse: bool,
    ) -> None:
        self.name_is_given = name is not None
        self.name = snake_case(type(self).__name__) if name is None else name
        dtype = floatx() if dtype is None else dtype
        if not isinstance(dtype, str | np.dtype) or dtype not in ("float32", "float64"):
            raise ConfigError(f"{self.who}: expected dtype float32 or float64, got {dtype!r}.")
        check_name(self.who, self.name)
        self.dtype = np.dtype(dtype)
        whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if seed is not None and (not whole or seed < 0):
            raise ConfigError(
                f"{self.who}: expected seed as a whole number of 0 or more, or None, got {seed!r}."
            )
        self.seed = None if seed is None else int(seed)
        """The one that was given."""
        self.rng = random_seed.generator(seed)
        self.kernels = choose(self.who, kernels, self.dtype.name)
        self.fuse = bool(fuse) and kernel_set(self.kernels, self.dtype.name).fusion is not None
        self.stack: list[Any] = []
        """The layers and models that it is made of, also those for its inputs."""
        self.inner_calls: list[Call] = []
        """Their uses, in running order."""
        self.inputs: list[SymbolicTensor] = []
        self.outputs: list[SymbolicTensor] = []
        self.input_keys: list[str] | None = None
        """The names of the inputs, where the model was made with a dictionary of them."""
        self.output_keys: list[str] | None = None
        self.calls: list[Call] = []
        """The uses of the model as a layer of others."""
        self._graph: Graph | None = None
        self.kept = Kept()
        """The plan of its last prediction."""

    @property
    def who(self) -> str:
        """The model as errors name it."""
        return type(self).__name__

    def rename(self, name: str) -> None:
        """Give a model that nobody named another name, beside others in a model."""
        vars(self)["name"] = name

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """See ``Guarded``: name and ``fuse``; the rest is said when the model is made."""
        if argument == "name":
            check_name(self.who, value)
            return {"name": value, "name_is_given": True}
        if argument == "fuse":
            boolean(self.who, "fuse", value)
            return {
                "fuse": bool(value) and kernel_set(self.kernels, self.dtype.name).fusion is not None
            }
        raise ConfigError(
            f"{self.who}: {argument} cannot become {value!r} once the model is made. Give it to "
            f"{self.who}({self.made_of}, {argument}=...)."
        )

    def __repr__(self) -> str:
        """In one line; ``summary`` has more."""
        from minicnn.models import summary

        return summary.brief(self)

    def _repr_html_(self) -> str | None:
        """The table of ``summary``, for a notebook."""
        from minicnn.models import summary

        return summary.html(self) if self.built else None

    # Its layers ----------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The layers and models that it is made of, in the order of Keras.

        Without what stands for arithmetic on tensors, ``x + y``, which Keras does not count.
        """
        return [layer for layer in self.stack if not layer.operation]

    @property
    def sublayers(self) -> Sequence[Any]:  # type: ignore[override]
        """The same: see ``Composite``."""
        return self.stack

    @property
    def trainable(self) -> bool:
        """Whether any layer may be trained; what is set is set for all layers, as in Keras."""
        return any(layer.trainable for layer in self.stack if not isinstance(layer, InputLayer))

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.stack:
            layer.trainable = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
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

    @property
    def is_row(self) -> bool:
        """Whether each layer takes what the one before it gives, as in ``Sequential``."""
        return False

    @property
    def built(self) -> bool:
        """Whether the layers have their arrays."""
        return bool(self.stack) and all(layer.built for layer in self.stack)

    def build(self, input_shape: Shape | None = None) -> None:
        """Nothing: see ``Sequential.build``."""

    def require_built(self) -> None:
        """Build it; raises ``ConfigError`` if nobody has said for which inputs."""
        if not self.built:
            self.build()

    # What goes in and comes out ------------------------------------------------------

    @property
    def input(self) -> Any:
        """The symbolic tensor that it takes; several in a list or a dictionary."""
        self.require_built()
        return packed(self.inputs, self.input_keys)

    @property
    def output(self) -> Any:
        """The symbolic tensor that it gives; several in a list or a dictionary."""
        self.require_built()
        return packed(self.outputs, self.output_keys)

    @property
    def input_shapes(self) -> list[Shape]:
        """The shape of each input, without the batch axis."""
        self.require_built()
        return [x.sizes for x in self.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """The shape of each output, without the batch axis."""
        self.require_built()
        return [x.sizes for x in self.outputs]

    @property
    def input_shape(self) -> Any:
        """The shape of one input; a list of them if there are several."""
        shapes = self.input_shapes
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output for one input; a list of them if there are several."""
        shapes = self.output_shapes
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def input_names(self) -> list[str]:
        """What each input is called: in the dictionary that was given, or as its layer."""
        return self.input_keys or [str(x.name) for x in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """What each output is called: in the dictionary that was given, or as its layer."""
        names = self.output_keys or [str(x.name) for x in self.outputs]
        return [
            f"{name}_{names[:i].count(name)}" if name in names[:i] else name
            for i, name in enumerate(names)
        ]

    # Its nodes -----------------------------------------------------------------------

    def graph(self, input_shape: Any = None) -> Graph:
        """The nodes of all layers, also of those within models and Residuals, in running order."""
        self.require_built()
        if self._graph is None:
            nodes: list[Node] = []
            at = {}
            for i, x in enumerate(self.inputs):
                at[id(x)] = put(nodes, len(self.inputs), x.call.layer, (i,), str(x.name), x.sizes)[
                    0
                ]
            for call in self.inner_calls:
                if not call.inputs:
                    continue
                reads = [at[id(x)] for x in call.inputs]
                found = put(
                    nodes, len(self.inputs), call.layer, reads, str(call.layer.name), call.shape,
                    call.training,
                )  # fmt: skip
                at |= {id(x): i for x, i in zip(call.outputs, found, strict=True)}
            outputs = tuple(at[id(x)] for x in self.outputs)
            self._graph = Graph(len(self.inputs), tuple(self._named(nodes)), outputs)
        return self._graph

    def _named(self, nodes: Sequence[Node]) -> list[Node]:
        """A layer that is in several models here has one name."""
        names = {id(layer): name for name, layer in self.leaves()}
        return [node._replace(name=names.get(id(node.layer), node.name)) for node in nodes]

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes of ``graph``."""
        return self.graph().nodes

    def fused(self) -> Graph:
        """What ``fit`` and ``predict`` run: the graph, with those nodes fused that can be."""
        return fusing.fused(self.graph()) if self.fuse else self.graph()

    def folded(self) -> tuple[Graph, list[Folded]]:
        """What ``predict`` runs: BatchNorm is folded into convolutions, too, as they are now."""
        if not self.fuse:
            return self.graph(), []
        graph, found = folding.folded(apart(self.graph()))
        return fusing.fused(graph), found

    def multiply_adds(self, input_shape: Any) -> int:
        """Those of all nodes, for one image."""
        return sum(node.layer.multiply_adds(node.shape) for node in self.nodes)

    # As a layer of another model -----------------------------------------------------

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """The output for one batch, or for symbolic tensors: then it is a layer of another model.

        Outside training it is that of ``predict``; ``forward`` gives the caches as well.
        """
        if training is not None:
            boolean(self.who, "training", training)
        given = unpacked(x, self.input_keys)
        if not any(isinstance(one, SymbolicTensor) for one in given):
            if training or type(self).forward is not BaseModel.forward:
                return self.forward(x, bool(training))[0]
            xs = self.arrays_of(self.who, x)
            made = evaluation.predict(self, xs, len(xs[0]))
            return packed(door.images_out(self, made), self.output_keys)
        tensors = tensors_of(self.who, given)
        if not self.built:
            self.build(tensors[0].shape[1:])  # type: ignore[arg-type]
        shapes = [x.sizes for x in tensors]
        if shapes != self.input_shapes:
            raise ShapeError(
                f"{self.who} {self.name!r}: expected inputs of shape "
                f"{', '.join(map(str, self.input_shapes))}, without the batch axis, got "
                f"{', '.join(map(str, shapes))}."
            )
        if [x.channels_first for x in tensors] != [x.channels_first for x in self.inputs]:
            raise ConfigError(
                f"{self.who} {self.name!r}: expected images in one order, channels first or last, "
                "got those of one for a model of the other. Set the format once, before all."
            )
        outputs = Call(self, tensors, self.output_shapes, training).outputs
        return packed(outputs, self.output_keys)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of all, whose layers are copies too."""
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        linked = ("inner_calls", "inputs", "outputs", "calls", "_graph")
        # The layers first, one by one: what they are linked by would lead from one to the next.
        for name in ("stack", *vars(self)):
            if name not in linked:
                vars(twin)[name] = copy.deepcopy(vars(self)[name], memo)
        vars(twin).update(calls=[], _graph=None)
        twin.link({id(layer): copy.deepcopy(layer, memo) for layer in self.stack}, self)
        return twin

    def twin(self, made: dict[int, Any] | None = None) -> Self:
        """A model like this of copies of its layers, which share the arrays."""
        made = {} if made is None else made
        for layer in self.stack:
            if id(layer) not in made:
                of_model = isinstance(layer, BaseModel)
                made[id(layer)] = layer.twin(made) if of_model else copy.copy(layer)
        twin = copy.copy(self)
        vars(twin).update(
            stack=[made[id(layer)] for layer in self.stack], calls=[], _graph=None, kept=Kept()
        )
        twin.link(made, self)
        return twin

    def link(self, layers: Mapping[int, Any], like: "BaseModel") -> None:
        """Call layers as another model calls its, which they stand for by identity."""
        tensors: dict[int, SymbolicTensor] = {}
        inner_calls = []
        for call in like.inner_calls:
            inputs = [tensors[id(x)] for x in call.inputs]
            shapes: Any = [x.sizes for x in call.outputs]
            inner_calls.append(Call(layers[id(call.layer)], inputs, shapes, call.training))
            tensors |= {
                id(x): y for x, y in zip(call.outputs, inner_calls[-1].outputs, strict=True)
            }
        vars(self).update(
            inner_calls=inner_calls,
            inputs=[tensors[id(x)] for x in like.inputs],
            outputs=[tensors[id(x)] for x in like.outputs],
        )

    # A custom loop -------------------------------------------------------------

    def count_params(self) -> int:
        """How many numbers the layers' arrays hold, learned or not."""
        self.require_built()
        return sum(array.size for array in self.arrays().values())

    @property  # type: ignore[misc]
    def params(self) -> dict[str, Array]:
        """The arrays that training changes, as ``<layer>.<param>``; they are not copies."""
        check_names(self.who, self.stack)
        return self.learned()

    def forward(self, x: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """(y, caches) for a batch x, with one cache a node for ``backward``.

        Several inputs or outputs are lists, or dictionaries where the model was made with such.
        Raises ``ShapeError`` when x is not a batch of what the model takes.
        """
        boolean(self.who, "training", training)
        xs = self.batch(x)
        ys, caches = self.graph().forward(xs, training, self.rng)
        return packed(door.images_out(self, ys), self.output_keys), caches

    def backward(self, dy: Any, caches: Sequence[Any]) -> tuple[Any, dict[str, Array]]:
        """(dx, grads) from the gradient of the loss with respect to y.

        ``grads`` has the keys of ``params``; hand both to ``optimizer.step``.
        """
        dys = unpacked(dy, self.output_keys)
        for one in dys:
            check_array(self.who, one)
        arrays = door.labels_in(self, [np.asarray(one, self.dtype) for one in dys])
        dxs, grads = self.graph().backward(arrays, caches)
        return packed(door.gradients_out(self, dxs), self.input_keys), grads

    def update_state(self, caches: Sequence[Any]) -> None:
        """Let the moving statistics of BatchNorm follow the batch of a forward pass in training."""
        self.graph().apply_state(caches)

    def batch(self, x: Any) -> list[Array]:
        """The arrays of a batch, one for each input; raises unless the model takes them."""
        arrays = self.arrays_of(self.who, x)
        return [np.asarray(one, self.dtype) for one in arrays]

    def arrays_of(self, who: str, x: Any) -> list[Array]:
        """What was given for the inputs, as arrays, one for each; builds the model if it is not.

        Raises ``ShapeError`` or ``DataError`` unless they fit the inputs.
        """
        self.meet(x)
        given = unpacked(x, self.input_keys if self.input_keys else self._names_if(x))
        several = len(self.inputs) > 1
        if several and len(given) != len(self.inputs):
            raise DataError(
                f"{who}: expected {len(self.inputs)} arrays, for {', '.join(self.input_names)}, "
                f"got {len(given) if isinstance(x, list | tuple | Mapping) else shown(x)}. Give "
                "them in a list, or in a dictionary by these names."
            )
        arrays = [images(who, one) for one in (given if several or len(given) == 1 else [x])]
        arrays = self.ranked(door.images_in(who, self, arrays))
        self.ready(arrays)
        if len({len(one) for one in arrays}) > 1:
            raise DataError(
                f"{who}: expected as many samples in each input, got "
                f"{', '.join(str(len(one)) for one in arrays)}."
            )
        return arrays

    def meet(self, x: Any) -> None:
        """Nothing: a model that is put together for what it is given first does so here."""

    def _names_if(self, x: Any) -> list[str] | None:
        return self.input_names if isinstance(x, Mapping) else None

    def ranked(self, arrays: Sequence[Array]) -> list[Array]:
        """Batches with a last axis of 1 put in or left out as the inputs have it, as in Keras."""
        if len(self.inputs) != len(arrays):  # it is not built yet
            return list(arrays)
        made = []
        for x, array in zip(self.inputs, arrays, strict=True):
            if x.sizes[-1:] == (1,) and array.shape[1:] == x.sizes[:-1]:
                array = array[..., None]
            elif array.shape[1:] == (*x.sizes, 1):
                array = array[..., 0]
            made.append(array)
        return made

    def ready(self, arrays: Sequence[Array]) -> None:
        """Build the model if it is not; raise ``ShapeError`` unless it takes such batches."""
        if not self.built:
            if any(len(getattr(layer, "axes", ())) == 3 for layer in self.stack):
                check_order(self.who, arrays[0].shape)
            self.build(arrays[0].shape[1:])
        for x, array in zip(self.inputs, arrays, strict=True):
            layer: Any = x.call.layer
            layer.check_shape(array.shape)

    def get_weights(self) -> list[Array]:
        """Copies of all arrays, layer by layer, the learned ones first, as in Keras."""
        self.require_built()
        return [array.copy() for array in self.arrays().values()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Put arrays in the place of those that ``get_weights`` gives.

        Raises ``ShapeError``, and changes nothing, unless number and shapes are the same.
        """
        self.require_built()
        put_weights("set_weights", [layer for _, layer in self.leaves()], weights)
