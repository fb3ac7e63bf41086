"""What a run computes with: put together once when it begins, and dropped at its end.

    program = Program(model)
    data, metrics = program.prepared(model, data)          labels as the loss wants them
    result = program.gradients(part, fraction, rng)        loss, predictions, gradients of a shard
    program.update(grads)                                  penalties' gradients, then the optimizer
    y = program.infer(x)                                   the model's output

Nothing in it is the user's: metrics are copies, and the layers are only read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import keeps
from minicnn._parallel import threads
from minicnn._parallel.shards import Arrays, Result, Shards, shards_of
from minicnn._parallel.workers import Workers, workers_for
from minicnn._training.metrics import RunningMetrics
from minicnn._training.model import Model
from minicnn.activations import ACTIVATIONS
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError, DataError
from minicnn.kernels import KERNELS
from minicnn.layers import Layer, chain
from minicnn.layers.building import walk
from minicnn.layers.chain import Node
from minicnn.losses import Loss
from minicnn.regularizers import Regularizer


class Inference:
    """The fused nodes of a model, which must be built, and memory that is used again."""

    def __init__(self, model: Model) -> None:
        self.nodes = model.nodes
        self.dtype = model.dtype
        self.output_shape = model.output_shape
        self.multiply_adds = sum(x.multiply_adds(x.input_shape or ()) for x in model.stack)
        """Those of one image in the forward pass."""
        self.reads_bytes = keeps(self.nodes[0], "reads_bytes")
        self.workspace = KERNELS[model.kernels].workspace()

    def outputs(self, x: Array) -> Array:
        """What the nodes make of a batch; the next call may write over it."""
        with self.workspace.begin():
            return chain.infer(self.nodes, self._read(x))

    def _read(self, x: Array) -> Array:
        """A batch in the model's dtype, unless the first node reads what is in a file."""
        return x if self.reads_bytes else x.astype(self.dtype, copy=False)


class Program(Inference):
    """The nodes with the loss, which is taken together with the last activation.

    Raises ``ConfigError`` unless the model is compiled, with a loss that fits its activation.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.all_nodes = self.nodes
        """The nodes with the last activation."""
        self.activation = self.nodes[-1].split_activation()[1]
        self.nodes, self.loss, self._activate = objective(self.all_nodes, compiled_loss(model))
        self.layers = model.stack
        self.optimizer = model.optimizer
        self.params = model.params
        self.penalties = penalties(model.stack)

    def prepared(self, model: Model, data: Data, where: str = "") -> tuple[Data, RunningMetrics]:
        """The data with labels as the loss computes with them, and the model's metrics of them.

        Raises ``DataError``, which says ``where`` the labels are from, when the loss or a metric
        cannot be taken of labels like these.
        """
        try:
            data = data._replace(y=self.loss.targets(data.y, self.output_shape))
            return data, RunningMetrics(model, data.y, self.output_shape)
        except DataError as error:
            raise DataError(f"{where}{error}") from None

    def infer(self, x: Array) -> Array:
        """The model's output for a batch."""
        return self._predictions(self.outputs(x))

    def evaluate(self, data: Data) -> tuple[float, Array]:
        """(mean loss, predictions) of a batch, without penalties."""
        z = self.outputs(data.x)
        return self._mean_loss(data, z), self._predictions(z)

    def gradients(self, part: Arrays, fraction: float, rng: np.random.Generator) -> Result:
        """Forward and backward pass of that part, and fraction, of a batch.

        There are no gradients if the loss is not a number. The workspace is open to the nodes
        alone: a custom loss may keep what it computes.
        """
        data = Data._make(part)
        with self.workspace.begin():
            z, caches = chain.forward(self.nodes, self._read(data.x), True, rng)
        loss = self._mean_loss(data, z) * fraction
        weights = () if data.weights is None else (data.weights,)
        dz = self.loss.gradient(data.y, z, *weights)
        if fraction != 1:
            dz *= fraction
        grads = {}
        if np.isfinite(loss):
            with self.workspace:
                grads = chain.backward(self.nodes, dz, caches, need_dx=False)[1]
            if fraction == 1:
                chain.apply_state(self.nodes, caches)
        return Result(loss, self._predictions(z), grads)

    def penalty(self) -> float:
        """What the regularizers add to the loss."""
        return sum(penalty.regularizer(penalty.param) for penalty in self.penalties)

    def update(self, grads: dict[str, Array]) -> None:
        """Add the penalties' gradients, and let the optimizer move the parameters."""
        assert self.optimizer is not None
        for name, param, regularizer in self.penalties:
            grads[name] += regularizer.gradient(param)
        self.optimizer.step(self.params, grads)

    def workers(
        self, data: Data, batch_size: int, images: int, rng: np.random.Generator
    ) -> Workers:
        """What computes the gradients of batches, of so many images in all."""
        batch_size = min(batch_size, len(data.x))
        cut = may_be_cut(self.layers, (*self.nodes, self.loss))
        count = shards_of(batch_size, self.multiply_adds) if cut else 1
        random = any(layer.random for layer in walk(self.layers))
        shards = Shards(self.gradients, data, batch_size, count, random, rng)
        work = self.multiply_adds * images
        return workers_for(shards, self.params, self.output_shape, self.dtype, work)

    def _mean_loss(self, data: Data, z: Array) -> float:
        if data.weights is None:
            return self.loss(data.y, z)
        return self.loss(data.y, z, data.weights)

    def _predictions(self, z: Array) -> Array:
        """What may be kept: z lies in memory that the next batch writes over."""
        return z.copy() if self._activate is None else self._activate(z)


class Penalty(NamedTuple):
    """A parameter, and its regularizer."""

    name: str
    param: Array
    regularizer: Regularizer


def penalties(layers: Sequence[Layer]) -> list[Penalty]:
    """Those of the parameters that are trained, as in Keras."""
    return [
        Penalty(f"{layer.name}.{name}", array, regularizer)
        for layer in layers
        if (array_of := layer.learned())
        for name, regularizer in layer.regularizers().items()
        if (array := array_of.get(name)) is not None
    ]


def objective(
    nodes: Sequence[Node], loss: Loss
) -> tuple[Sequence[Node], Loss, Callable[[Array], Array] | None]:
    """(nodes without a last softmax or sigmoid, the loss of what they give, that activation).

    Together the two cannot overflow, and their gradient is (p - y) / N. Raises
    ``ConfigError`` when the loss expects logits and the model ends in an activation.
    """
    trunk, name = nodes[-1].split_activation()
    if name in ("softmax", "sigmoid") and getattr(loss, "from_logits", False):
        raise ConfigError(
            f"{type(loss).__name__}: expected logits, as from_logits=True says, got the output "
            f"of a {name}. Drop from_logits, or the last activation."
        )
    if name is None or name != loss.activation:
        return list(nodes), loss, None
    rest = [*nodes[:-1], trunk] if trunk else list(nodes[:-1])
    return rest, loss.on_logits(), ACTIVATIONS[name].forward


def compiled_loss(model: Model) -> Loss:
    """The model's loss; raises ``ConfigError`` if it was never compiled."""
    if model.loss is None and model.optimizer is not None:
        raise ConfigError(
            "Sequential: expected a model compiled with a loss, got none. Call compile(optimizer, "
            "loss, metrics) with one, such as loss='sparse_categorical_crossentropy'."
        )
    if model.loss is None:
        raise ConfigError(
            "Sequential: expected a compiled model. Call compile(optimizer, loss, metrics) first."
        )
    return model.loss


def may_be_cut(layers: Sequence[Layer], parts: Sequence[Node | Loss]) -> bool:
    """Whether the gradient of a batch is the sum of those of its shards: all promise it.

    Kernels that use all cores by themselves are given whole batches.
    """
    layers = list(walk(layers))
    if any(layer.kernels.threaded for layer in layers):
        return False
    return all(keeps(part, "additive") for part in (*layers, *parts))


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
                f"Sequential: this does not fit in memory ({error or 'no more of it'}). Try a "
                "smaller batch_size; model.summary(batch_size=32) says how much one takes."
            ) from None
