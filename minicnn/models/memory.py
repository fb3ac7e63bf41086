"""How much memory ``fit`` and ``predict`` will take.

    training   = weights + gradients + slots + batch_size * image + work
    predicting = weights + batch_size * image + work

*Weights* are all arrays of the layers; *gradients* are as large as those that are learned, and so
is each *slot* of the optimizer, of which Adam has two.

An *image* adds what one image of zeros shows on its way through the model's nodes:

* all that the nodes take from the workspace (``kernels/base.py``), forward and backward,
  which is kept for the next step: outputs of convolutions and poolings, the gradients that come
  out of them, and which pixel won each pooling window;
* other arrays, at the moment when they are most: the batch, and a node's input and output; in
  training also the caches so far, and in the backward pass all caches and the gradients that go
  into a node and come out of it; with an activation inside the node, two more of its output.

*Work* is what the threads use and give back: what the kernels say of the largest convolution
(``KernelSet.work_of``), and what was measured of BLAS, the allocator and Python.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from math import log2, prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from minicnn._core.memory import installed_memory
from minicnn._core.shapes import Array, DType, Shape
from minicnn._parallel import threads
from minicnn.errors import ConfigError
from minicnn.kernels import PLAIN, Convolution, KernelSet, Work, WorkOf, kernel_set
from minicnn.layers import Conv2D
from minicnn.layers.graph import Graph, Node, Step
from minicnn.models.fusing import FusedConv
from minicnn.optimizers import Optimizer

SMALL = 1 << 28
"""Bytes of outputs that any machine holds several times."""

LOOSELY = 16
"""A training step takes less memory than so many times the outputs of all its layers."""

AT_LEAST = 1_500_000
"""Bytes that the first run of the smallest model takes: threads, Python's objects. Measured,
as is the next, on Linux with NumPy 2.4 and OpenBLAS 0.3.31."""

A_THREAD = 1_000_000
"""Bytes for each thread: what BLAS packs its matrices into, and what the allocator wastes."""

WITHIN = {"gelu": 7, "silu": 3, "swish": 3, "mish": 3}
"""How many arrays as large as its output an activation makes for a moment, where that is not two:
exp(-|x|) and the like."""


class Network(Protocol):
    """What a model is asked for here."""

    @property
    def input_shapes(self) -> list[Shape]: ...  # noqa: D102
    def arrays(self) -> dict[str, Array]: ...  # noqa: D102
    def learned(self) -> dict[str, Array]: ...  # noqa: D102
    def graph(self, input_shape: Any = None) -> Graph: ...  # noqa: D102
    def folded(self) -> tuple[Graph, list[Any]]: ...  # noqa: D102

    dtype: DType
    kernels: str


class MemoryUse(NamedTuple):
    """Bytes at the peak, besides the data and the process with minicnn imported."""

    training: int
    predicting: int


def memory_use(model: Network, graph: Graph, optimizer: Optimizer, batch_size: int) -> MemoryUse:
    """What a model, which is built, takes to train ``graph`` on such batches, and to predict.

    Measured on Linux it is true within 25%, or 8 MB where that is more. What another layer makes
    for a moment within itself is not seen, nor what evaluation between the epochs adds; images
    are thought to be bytes where the model begins with Rescaling and Conv2D.
    """
    weights = sum(array.nbytes for array in model.arrays().values())
    learned = sum(array.nbytes for array in model.learned().values())
    kernels = kernel_set(model.kernels, model.dtype.name)
    images = [
        np.zeros((1, *shape), np.uint8 if from_bytes and _scaled(graph, i) else model.dtype)
        for i, (shape, from_bytes) in enumerate(
            zip(model.input_shapes, graph.reads_bytes(), strict=True)
        )
    ]
    inferring = model.folded()[0]
    convs, inferring_convs = (
        [conv for node in each.nodes if (conv := _conv(node))] for each in (graph, inferring)
    )
    fixed, count = weights + AT_LEAST, threads.get_threads()
    return MemoryUse(
        fixed
        + learned * (1 + len(optimizer.slot_names))
        + batch_size * of_an_image(graph, kernels, images, training=True)
        + _work(convs, batch_size, count).training,
        fixed
        + batch_size * of_an_image(inferring, kernels, images, training=False)
        + _work(inferring_convs, batch_size, count).predicting,
    )


def _scaled(graph: Graph, given: int) -> bool:
    """Whether what reads an input brings bytes to scale, or leaves them as they are."""
    first = graph.nodes[graph.readers()[given][0]].layer
    return not isinstance(first, FusedConv) or first.scale is not None


def check_memory(
    who: str, model: Network, graph: Graph, optimizer: Optimizer, batch_size: int
) -> None:
    """Raise ``ConfigError`` for batches that take far more memory than this machine has.

    The system would end the process without a word. What small batches take is not looked at.
    """
    outputs = sum(prod(node.layer.output_shape(node.shape)) for node in model.graph().nodes)
    held = batch_size * outputs * model.dtype.itemsize
    if held < SMALL or held * LOOSELY < (memory := installed_memory()):
        return  # to look closely takes seconds
    takes = memory_use(model, graph, optimizer, batch_size).training
    if 0 < 1.25 * memory < takes:
        fits = 2 ** int(log2(max(batch_size * memory / takes / 2, 1)))
        raise ConfigError(
            f"{who}: a batch of {batch_size:,} images takes {takes / 1e9:,.1f} GB, of the "
            f"{memory / 1e9:,.1f} GB that this machine has. Try batch_size={fits}; "
            "model.summary(batch_size=...) says what one takes."
        )


def of_an_image(graph: Graph, kernels: KernelSet, images: Sequence[Array], training: bool) -> int:
    """Bytes that a batch of one image takes."""
    workspace, rng, most = kernels.workspace(), np.random.default_rng(0), 0
    not_ours = [array for node in graph.nodes for array in node.layer.params.values()]
    if not training:  # a batch of bytes is then a view of the data
        not_ours += [x for x, as_is in zip(images, graph.reads_bytes(), strict=True) if as_is]

    def weigh(step: Step, y: Array, *held: Any) -> None:
        nonlocal most
        elsewhere = {id(array) for array in (*not_ours, *workspace.arrays)}
        owners = {id(array): array.nbytes for array in _owners((*images, y, held))}
        now = sum(size for key, size in owners.items() if key not in elsewhere)
        name = step.node.layer.split_activation()[1]
        if name not in (None, "linear"):
            now += WITHIN.get(name or "", 2) * y.nbytes
        most = max(most, now)

    caches: list[Any] = []
    values: list[Any] = list(images)
    with workspace, np.errstate(all="ignore"):
        for step in graph.steps(values, training, rng):
            if training:
                caches.append(step.cache)
            weigh(step, step.made, step.taken, caches, values)
            del step  # its arrays are used again
        if training and any(node.layer.learned() for node in graph.nodes):
            dvalues: list[Any] = [None] * (graph.given + len(graph.nodes))
            outputs = [values[i] for i in graph.outputs]
            for i, y in zip(graph.outputs, outputs, strict=True):
                dvalues[i] = np.ones_like(y)
            for step in graph.steps_back(dvalues, caches, need_dx=False):
                if step.made is not None:
                    weigh(step, step.taken, step.made, outputs, caches, dvalues)
                del step
    return most + sum(array.nbytes for array in workspace.arrays)


def _owners(held: Any) -> Iterator[Array]:
    """The arrays in caches, tuples and lists; of a view the array whose memory it shows."""
    if isinstance(held, np.ndarray):
        while isinstance(held.base, np.ndarray):
            held = held.base
        yield held
    elif isinstance(held, tuple | list):
        for part in held:
            yield from _owners(part)
    elif dataclasses.is_dataclass(held):
        yield from _owners(list(vars(held).values()))


def _conv(node: Node) -> tuple[WorkOf, Convolution] | None:
    """A convolution among the nodes, and what its kernels say of their memory."""
    unit = node.layer
    conv = unit.layer if isinstance(unit, FusedConv) else unit
    if not isinstance(conv, Conv2D) or conv.kernels.work_of is None:
        return None
    seen, (_, strides, pads, _), dilation = conv.seen(np.empty((0, *node.shape), conv.dtype))
    tail, scale = (unit.tail, unit.scale) if isinstance(unit, FusedConv) else (PLAIN, None)
    kernel = conv.params["kernel"].shape
    return conv.kernels.work_of, Convolution(
        seen.shape[1:], kernel, strides, pads, dilation, conv.groups, conv.dtype, tail, scale
    )


def _work(convs: Sequence[tuple[WorkOf, Convolution]], images: int, threads: int) -> Work:
    """The most that so many threads use for a moment."""
    found = [Work(0, 0), *(work_of(conv, images, threads) for work_of, conv in convs)]
    predicting, training = (max(each) + threads * A_THREAD for each in zip(*found, strict=True))
    return Work(predicting, training)
