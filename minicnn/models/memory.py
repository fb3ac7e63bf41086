"""How much memory ``fit`` and ``predict`` will take.

    training   = weights + gradients + slots + batch_size * image + work
    predicting = weights + processes * (batch_size * image + work)

*Weights* are all arrays of the layers; *gradients* are as large as those that are learned, and so
is each *slot* of the optimizer, of which Adam has two.

An *image* adds what one image of zeros shows on its way through the model's steps:

* all that the steps take from the ``Room`` (``kernels/vectorized/memory.py``), forward and back,
  which is kept for the next step: outputs of convolutions and poolings, the gradients that come
  out of them, and which pixel won each pooling window;
* other arrays, at the moment when they are most: the batch, and a step's input and output; in
  training also the caches so far, and on the way back all caches and the gradients that go into
  a step and come out of it; with an activation inside the step, two more of its output.

*Work* is what the threads use and give back: ``_work_arrays`` and ``_kernel_sums`` of the
largest convolution, and what was measured of BLAS, the allocator and Python.

Where a batch is cut into shards (``_parallel/shards.py``), each process has the images and the work
of its shard. The weights that are learned lie once more in memory that all see, and each worker
adds a copy of its own and its gradients, twice: as they are made and where all see them. In
predicting each process has batches of its own.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import log2, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._parallel import threads
from minicnn._parallel.shards import shards_of
from minicnn._training.loop import may_be_cut
from minicnn.errors import ConfigError
from minicnn.kernels.vectorized import Room
from minicnn.kernels.vectorized.convolution import most_sums, way_back
from minicnn.kernels.vectorized.strips import Geometry, cut_for, geometry
from minicnn.layers import Conv2D, Layer
from minicnn.layers.base import walk
from minicnn.layers.chain import Step
from minicnn.models.fusing import FusedConv
from minicnn.optimizers import Optimizer

SMALL = 1 << 28
"""Bytes of outputs that any machine holds several times."""

LOOSELY = 16
"""A training step takes less memory than so many times the outputs of all its layers."""

AT_LEAST = 1_500_000
"""Bytes that the first run of the smallest model takes: threads, Python's own objects. Measured,
as is the next, on Linux with NumPy 2.4 and OpenBLAS 0.3.31."""

A_THREAD = 1_000_000
"""Bytes for each thread: what BLAS packs its matrices into, and what the allocator wastes."""


A_WORKER = 3_000_000
"""Bytes of Python's own objects that a forked process makes its own by counting references."""


WITHIN = {"gelu": 7, "silu": 3, "swish": 3, "mish": 3}
"""How many arrays as large as its output an activation makes for a moment, where that is not two:
exp(-|x|) and the like."""


class MemoryUse(NamedTuple):
    """Bytes at the peak, besides the data and the process with minicnn imported."""

    training: int
    predicting: int


def memory_use(
    layers: Sequence[Layer], steps: Sequence[Step], optimizer: Optimizer, batch_size: int
) -> MemoryUse:
    """What a model of ``layers``, which are built, takes to run ``steps`` on such batches.

    Measured on Linux it is true within 25%, or 8 MB where that is more. What another layer makes
    for a moment within itself is not seen, nor what evaluation between the epochs adds; images
    are thought to be bytes where the model begins with Rescaling and Conv2D. Of a batch that is
    cut into shards, and in predicting, all processes together are meant; without workers it is
    less.
    """
    weights = sum(array.nbytes for layer in layers for array in layer.arrays().values())
    learned = sum(a.nbytes for layer in layers for a in layer.learned().values())
    first, shape = steps[0], layers[0].input_shape
    assert shape is not None
    from_bytes = first.reads_bytes and not (isinstance(first, FusedConv) and first.scale is None)
    image = np.zeros((1, *shape), np.uint8 if from_bytes else layers[0].dtype)
    parts = [
        part for step in steps for part in (walk([step]) if isinstance(step, Layer) else [step])
    ]
    convs = [conv for part in parts if (conv := _conv(part))]
    work = sum(layer.multiply_adds(shape_) for layer in layers if (shape_ := layer.input_shape))
    shards = shards_of(batch_size, work) if may_be_cut(layers, steps) else 1
    shard, workers = -(-batch_size // shards), threads.get_threads() if shards == 1 else 1
    processes = threads.get_threads()
    sums = max((_kernel_sums(conv, shard) for conv in convs), default=0)
    return MemoryUse(
        weights
        + learned * (1 + len(optimizer.slot_names))
        + batch_size * of_an_image(steps, image, training=True)
        + AT_LEAST
        + shards * (_work(convs, shard, workers) + sums)
        + (learned if shards > 1 else 0)
        + (shards - 1) * (3 * learned + A_WORKER),
        weights
        + processes * (batch_size * of_an_image(steps, image, training=False))
        + AT_LEAST
        + processes * _work(convs, batch_size, 1)
        + (processes - 1) * A_WORKER,
    )


def check_memory(
    who: str, layers: Sequence[Layer], steps: Sequence[Step], optimizer: Optimizer, batch_size: int
) -> None:
    """Raise ``ConfigError`` for batches that take far more memory than this machine has.

    The system would end the process without a word. What small batches take is not looked at.
    """
    outputs = sum(prod(layer.output_shape(layer.input_shape or ())) for layer in layers)
    held = batch_size * outputs * layers[0].dtype.itemsize
    if held < SMALL or held * LOOSELY < (memory := installed_memory()):
        return  # to look closely takes seconds
    takes = memory_use(layers, steps, optimizer, batch_size).training
    if 0 < 1.25 * memory < takes:
        fits = 2 ** int(log2(max(batch_size * memory / takes / 2, 1)))
        raise ConfigError(
            f"{who}: a batch of {batch_size:,} images takes {takes / 1e9:,.1f} GB, of the "
            f"{memory / 1e9:,.1f} GB that this machine has. Try batch_size={fits}; "
            "model.summary(batch_size=...) says what one takes."
        )


def installed_memory() -> int:
    """Bytes of memory that this machine, or the container, has; 0 where nobody says."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    with suppress(OSError, ValueError):
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(found, 0)


def of_an_image(steps: Sequence[Step], image: Array, training: bool) -> int:
    """Bytes that a batch of one image takes."""
    room, rng, most = Room(), np.random.default_rng(0), 0
    not_ours = [array for step in steps for array in step.params.values()]
    if not training and steps[0].reads_bytes:
        not_ours.append(image)  # a batch is then a view of the data

    def weigh(step: Step, y: Array, *held: Any) -> None:
        nonlocal most
        elsewhere = {id(array) for array in (*not_ours, *room.buffers)}
        owners = {id(array): array.nbytes for array in _owners((image, y, held))}
        now = sum(size for key, size in owners.items() if key not in elsewhere)
        name = step.split_activation()[1]
        if name not in (None, "linear"):
            now += WITHIN.get(name or "", 2) * y.nbytes
        most = max(most, now)

    caches: list[Any] = []
    with room.begin(), np.errstate(all="ignore"):
        x = image
        for step in steps:
            y, cache = step.forward(x, training=training, rng=rng)
            if training:
                caches.append(cache)
            weigh(step, y, x, caches)
            x = y
        learning = [i for i, step in enumerate(steps) if step.learned()]
        if training and learning:
            dy = np.ones_like(x)
            for step, cache in zip(
                steps[: learning[0] : -1], caches[: learning[0] : -1], strict=True
            ):
                dx, _ = step.backward(dy, cache)
                weigh(step, dy, dx, x, caches)
                dy = dx
    return most + sum(buffer.nbytes for buffer in room.buffers)


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


class _Conv(NamedTuple):
    """A convolution among the steps."""

    place: Geometry
    itemsize: int
    pooled: bool


def _conv(step: Step) -> _Conv | None:
    conv = step.conv if isinstance(step, FusedConv) else step
    if not isinstance(conv, Conv2D):
        return None
    assert conv.input_shape is not None
    _, strides, pads, _ = conv.windows(conv.input_shape)
    # Groups go one after another; the phases of a dilated convolution are smaller than its images.
    kh, kw, channels, filters = conv.params["kernel"].shape
    image, kernel = (*conv.input_shape[:2], channels), (kh, kw, channels, filters // conv.groups)
    place = geometry(image, kernel, strides, pads)
    pooled = isinstance(step, FusedConv) and bool(step.tail.pool)
    return _Conv(place, conv.dtype.itemsize, pooled)


def _work(convs: Sequence["_Conv"], images: int, workers: int) -> int:
    """Bytes that so many threads of a process use for a moment."""
    arrays = max((_work_arrays(conv, images, workers) for conv in convs), default=0)
    return arrays + workers * A_THREAD


def _work_arrays(conv: _Conv, n: int, workers: int) -> int:
    """Bytes in which the threads make a convolution (``kernels/vectorized/strips.py``).

    Each has a group of its images, padded; the convolution's output or its gradient for them, and
    as much again to pool it; and a block of columns. A shard may be smaller than a group.
    """
    place = conv.place
    (h, w, c_in), (kh, _, _, c_out), (oh, ow) = place.image, place.kernel, place.out
    cut = cut_for(place, conv.itemsize)
    shards = threads.shards_of(n, n * way_back(place, need_dx=False)[1])
    images = -(-n // shards)
    padded = (h + sum(place.pads[0])) * (w + sum(place.pads[1])) * c_in
    group = min(cut.group, images) * (padded + (2 if conv.pooled else 1) * oh * ow * c_out)
    columns = min(cut.images, images) * cut.rows * cut.strips * kh * cut.reach * c_in
    return min(workers, shards) * (group + columns) * conv.itemsize


def _kernel_sums(conv: _Conv, n: int) -> int:
    """Bytes of the kernel's gradients, one from each shard, before they are added up."""
    size = int(np.prod(conv.place.kernel)) * conv.itemsize
    return size * threads.shards_of(n, n * way_back(conv.place, need_dx=True)[1], most_sums(size))
