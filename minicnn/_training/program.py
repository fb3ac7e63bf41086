"""What a run computes with: put together once when it begins, and dropped at its end.

    program = Program(model)
    loader, metrics = program.prepared(model, loader)      labels as the loss wants them
    result = program.gradients(part, fraction, rng)        loss, predictions, gradients of a shard
    program.update(grads)                                  penalties' gradients, then the optimizer
    ys = program.infer(xs)                                 the model's outputs

Nothing in it is the user's: metrics are copies, and the layers are only read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.console import warn
from minicnn._core.parts import Gather
from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as, keeps
from minicnn._parallel import threads
from minicnn._parallel.ranks import Ranks
from minicnn._parallel.shards import Arrays, Result, Shards
from minicnn._parallel.spread import Spread
from minicnn._training.metrics import RunningMetrics
from minicnn._training.model import Model
from minicnn._training.objective import goals, objective
from minicnn._training.recorded import Likeness, Recorded, likeness
from minicnn.data.fitting import Data
from minicnn.data.loaders import Loader
from minicnn.errors import ConfigError, DataError
from minicnn.kernels import kernel_set
from minicnn.layers import Layer
from minicnn.layers.building import walk
from minicnn.layers.graph import Graph, Unit
from minicnn.losses import Loss, SparseCategoricalCrossentropy
from minicnn.regularizers import Regularizer

WHOLE = (
    "fit: a layer or a loss of this model does not say that a batch is the sum of its parts "
    "(additive = True), so every rank computes whole batches: right, and no faster than one."
)


class Inference:
    """The fused nodes of a model, which must be built, and memory that is used again."""

    def __init__(self, model: Model) -> None:
        self.graph = model.fused()
        self.inferring, self.folded = model.folded()
        """The graph outside training, and the convolutions in it that are to be updated."""
        folded = [array for one in self.folded for array in one.conv.params.values()]
        self._folded_nbytes = int(sum(array.nbytes for array in folded))
        self.dtype = model.dtype
        self.output_shapes = model.output_shapes
        self.multiply_adds = sum(
            node.layer.multiply_adds(node.shape) for node in model.graph().nodes
        )
        """Those of one image in the forward pass."""
        self.reads_bytes = self.graph.reads_bytes()
        self.kernels = kernel_set(model.kernels, model.dtype.name)
        self.workspace = self.kernels.workspace()
        self.recorded: Recorded | None = None
        self.last: Likeness | None = None
        """That of the last batch that was answered alone."""
        self.refused: Likeness | None = None
        """That of batches that cannot be replayed."""

    def outputs(self, xs: Sequence[Array]) -> tuple[Array, ...]:
        """What the nodes make of a batch; its memory is used again when nobody has it."""
        for one in self.folded:
            one.update()
        with self.workspace:
            return self.inferring.infer(self._read(xs))

    def answer(self, xs: Sequence[Array]) -> tuple[Array, ...]:
        """``outputs``, the quicker way if the last batch was like this one."""
        xs = self._read(xs)
        last, self.last = self.last, likeness(xs)
        found = self.recorded
        if found is not None and found.like == self.last and found.whole:
            return found.outputs(xs)
        with at_work():
            if last == self.last and found is None and self.last != self.refused:
                self._record(xs)
            if self.recorded is None or self.recorded.like != self.last:
                self.recorded = None
                return self.outputs(xs)
            with self.workspace:
                return self.recorded.outputs(xs)

    def _record(self, xs: Sequence[Array]) -> None:
        if Recorded.worth(self.inferring, self.kernels, xs):
            made = Recorded(self.inferring, self.folded, self.kernels, xs)
            outputs = self.outputs(xs)
            with self.workspace:
                right = made.gives(xs, outputs)
            if right:
                self.recorded, self.workspace = made, self.kernels.workspace()
                return
        self.refused = self.last

    @property
    def nbytes(self) -> int:
        """The bytes of its own arrays."""
        recorded = 0 if self.recorded is None else self.recorded.nbytes
        return recorded + self.workspace.nbytes + self._folded_nbytes

    def _read(self, xs: Sequence[Array]) -> list[Array]:
        """A batch in the model's dtype, but for what the first nodes read as it is in a file."""
        return [
            x if as_it_is else x.astype(self.dtype, copy=False)
            for x, as_it_is in zip(xs, self.reads_bytes, strict=True)
        ]


class Program(Inference):
    """The nodes with the losses, each of which is taken together with its last activation.

    Raises ``ConfigError`` unless the model is compiled, with losses that fit its activations.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.whole = self.graph
        """The graph with the last activations."""
        self.goals = goals(model)
        given_losses = [goal.loss for goal in self.goals]
        self.graph, self.losses, self._activations = objective(self.whole, given_losses)
        self.inferring = objective(self.inferring, given_losses).graph
        self.crossentropy = self.kernels.crossentropy if self._of_one_softmax() else None
        """What computes the only loss with its gradient and the softmax, where kernels have it."""
        self.layers = model.stack
        self.optimizer = model.optimizer
        self.params = model.params
        self.penalties = penalties(model)
        self.spread = False
        """Whether other ranks compute the other parts of batches."""
        self.joined: Graph | None = None
        """The graph for these, where a node must know of the others."""

    def _of_one_softmax(self) -> bool:
        loss = self.losses[0]
        return (
            len(self.losses) == 1
            and len(self.output_shapes[0]) == 1
            and computes_as(loss, SparseCategoricalCrossentropy)
            and loss.from_logits
            and loss.ignore_class is None
            and loss.reduction == "sum_over_batch_size"
        )

    @property
    def activation(self) -> str | None:
        """That of the first output."""
        return self.whole.ends()[0].split_activation()[1]

    def prepared(
        self, model: Model, loader: Loader, where: str = ""
    ) -> tuple[Loader, RunningMetrics]:
        """The data with labels as the losses compute with them, and the model's metrics of them.

        Raises ``DataError``, which says ``where`` the labels are from, when a loss or a metric
        cannot be taken of labels like these.
        """
        try:
            loader = loader.prepared(self.targets)
            ys = loader.sample.ys
            return loader, RunningMetrics(model, self.goals, ys, self.output_shapes)
        except DataError as error:
            raise DataError(f"{where}{error}") from None

    def targets(self, data: Data) -> Data:
        """The data with labels as the losses compute with them."""
        ys = tuple(
            y if loss is None else loss.targets(y, shape)
            for y, loss, shape in zip(data.ys, self.losses, self.output_shapes, strict=True)
        )
        return data._replace(ys=ys)

    def infer(self, xs: Sequence[Array]) -> tuple[Array, ...]:
        """The model's outputs for a batch."""
        return self._predictions(self.outputs(xs))

    def evaluate(self, data: Data) -> tuple[float, tuple[float, ...], tuple[Array, ...]]:
        """(mean loss, those of the outputs, predictions) of a batch, without penalties."""
        zs = self.outputs(data.xs)
        losses = self._mean_losses(data, zs)
        return self._total(losses), losses, self._predictions(zs)

    def loss(self, data: Data, rng: np.random.Generator) -> float:
        """That of a batch in training, with the penalties."""
        with self.workspace:
            zs, _ = self.graph.forward(self._read(data.xs), True, rng)
        return self._total(self._mean_losses(data, zs)) + self.penalty()

    def gradients(self, part: Data, fraction: float, rng: np.random.Generator) -> Result:
        """Forward and backward pass of that part, and fraction, of a batch.

        There are no gradients if the loss is not a number, unless other ranks compute the other
        parts: they wait for what the nodes tell them. The workspace is open to the nodes alone: a
        custom loss may keep what it computes.
        """
        joins = self.joined is not None and fraction != 1
        graph = self.joined if self.joined is not None and joins else self.graph
        with self.workspace:
            zs, caches = graph.forward(self._read(part.xs), True, rng)
        mean_losses, dzs, predictions = self._scored(part, zs)
        losses = tuple(loss * fraction for loss in mean_losses)
        loss = self._total(losses)
        for dz, goal in zip(dzs, self.goals, strict=True):
            if dz is not None and fraction * goal.weight != 1:
                dz *= fraction * goal.weight
        grads = {}
        if np.isfinite(loss) or (self.spread and fraction != 1):
            with self.workspace:
                grads = graph.backward(dzs, caches, need_dx=False)[1]
            for name, param in self.params.items():
                if name not in grads:  # no loss depends on it
                    grads[name] = np.zeros_like(param)
            if fraction == 1:
                graph.apply_state(caches)
        settle = partial(graph.apply_state, caches) if joins else None
        return Result(loss, predictions, grads, losses if len(losses) > 1 else (), settle)

    def _scored(
        self, part: Data, zs: Sequence[Array]
    ) -> tuple[tuple[float, ...], list[Array | None], tuple[Array, ...]]:
        """(mean losses, their gradients with respect to the outputs, predictions).

        The backward pass may write over the outputs, not over the predictions.
        """
        if self.crossentropy is not None and part.weights[0] is None:
            loss, p, dz = self.crossentropy(part.ys[0], zs[0])
            return (loss,), [dz], (zs[0].copy() if self._activations[0] is None else p,)
        dzs = [self._gradient(part, i, z) for i, z in enumerate(zs)]
        return self._mean_losses(part, zs), dzs, self._predictions(zs)

    def _gradient(self, part: Data, i: int, z: Array) -> Array | None:
        """That of a loss with respect to its output; None if it has no loss."""
        loss, weights = self.losses[i], part.weights[i]
        if loss is None:
            return None
        return loss.gradient(part.ys[i], z, *(() if weights is None else (weights,)))

    def penalty(self) -> float:
        """What the regularizers add to the loss."""
        return sum(penalty.regularizer(penalty.param) for penalty in self.penalties)

    def update(self, grads: dict[str, Array]) -> None:
        """Add the penalties' gradients, and let the optimizer move the parameters."""
        self.add_penalties(grads)
        self.optimize(grads)

    def add_penalties(self, grads: dict[str, Array]) -> None:
        """Add the gradients of what the regularizers add to the loss."""
        for name, param, regularizer in self.penalties:
            grads[name] += regularizer.gradient(param)

    def optimize(self, grads: dict[str, Array]) -> None:
        """Let the optimizer move the parameters."""
        assert self.optimizer is not None
        self.optimizer.step(self.params, grads)

    def shards(self, like: Data, rng: np.random.Generator, ranks: Ranks | None = None) -> Shards:
        """What computes the gradients of batches of such data, for itself or with other ranks."""

        def compute(arrays: Arrays, fraction: float, rng: np.random.Generator) -> Result:
            return self.gradients(like.like(arrays), fraction, rng)

        if ranks is None:
            return Shards(compute, rng)
        losses = [loss for loss in self.losses if loss is not None]
        additive = may_be_cut(self.layers, (*(node.layer for node in self.graph.nodes), *losses))
        if not additive:
            warn(WHOLE)
        self.spread = additive and ranks.count > 1
        self.joined = joined(self.graph, ranks.gathered) if self.spread else None
        random = any(layer.random for layer in walk(self.layers))
        return Spread(compute, rng, ranks.count if additive else 1, random, ranks)

    def _mean_losses(self, data: Data, zs: Sequence[Array]) -> tuple[float, ...]:
        """That of each output; 0 if it has no loss."""
        return tuple(
            0.0 if loss is None else loss(y, z) if weights is None else loss(y, z, weights)
            for loss, y, z, weights in zip(self.losses, data.ys, zs, data.weights, strict=True)
        )

    def _total(self, losses: Sequence[float]) -> float:
        return sum(
            loss if goal.weight == 1 else loss * goal.weight
            for loss, goal in zip(losses, self.goals, strict=True)
        )

    def _predictions(self, zs: Sequence[Array]) -> tuple[Array, ...]:
        """What may be kept: the backward pass may write over z, whose memory is used again."""
        return tuple(
            z.copy() if activate is None else activate(z)
            for z, activate in zip(zs, self._activations, strict=True)
        )


class Penalty(NamedTuple):
    """A parameter, and its regularizer."""

    name: str
    param: Array
    regularizer: Regularizer


def penalties(model: Model) -> list[Penalty]:
    """Those of the parameters that are trained, as in Keras."""
    return [
        Penalty(f"{full}.{name}", array, regularizer)
        for full, layer in model.leaves()
        if (array_of := layer.learned())
        for name, regularizer in layer.regularizers().items()
        if (array := array_of.get(name)) is not None
    ]


def may_be_cut(layers: Sequence[Any], parts: Sequence[Unit | Loss]) -> bool:
    """Whether the gradient of a batch is the sum of those of its shards: all promise it.

    A shard is told what BatchNorm must know of the whole batch.
    """
    layers = [layer for layer in walk(layers) if isinstance(layer, Layer)]
    return all(map(_adds_up, (*layers, *parts)))


def _adds_up(part: Any) -> bool:
    if keeps(part, "joins_parts"):
        return True
    # A state that moves on with the batch would see a part of it.
    moves = isinstance(part, Layer) and type(part).next_state is not Layer.next_state
    return keeps(part, "additive") and not moves


def joined(graph: Graph, gather: Gather) -> Graph | None:
    """The graph for a part of a batch; None if no node must know of the others."""
    nodes = []
    for node in graph.nodes:
        layer: Any = node.layer
        joins = keeps(layer, "joins_parts")
        nodes.append(node._replace(layer=layer.joined(gather)) if joins else node)
    alike = all(one is other for one, other in zip(nodes, graph.nodes, strict=True))
    return None if alike else Graph(graph.given, tuple(nodes), graph.outputs)


@contextmanager
def at_work() -> Iterator[None]:
    """Within, all threads and no warnings of NumPy's.

    Numbers that run away are found in the loss and the weights, which names the layer.
    """
    with (
        threads.working(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        try:
            yield
        except MemoryError as error:
            raise ConfigError(
                f"This does not fit in memory ({error or 'no more of it'}). Try a "
                "smaller batch_size; model.summary(batch_size=32) says how much one takes."
            ) from None
