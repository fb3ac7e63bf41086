"""The pixels that a number of a layer depends on, from the windows of all layers before it.

Along an axis, position i of a layer sees the pixels first(i) to last(i). A window of k pixels, d
apart, with stride s and p pixels of padding takes the positions i s - p to i s - p + (k - 1) d of
what comes before, and where ways meet the union counts. Dumoulin and Visin (2016), Araujo et al.
(2019). Behind an upsampling what neighbours see repeats itself: first and last are lists.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.config import is_custom
from minicnn._core.resampling import WEIGHTS
from minicnn._core.shapes import Shape
from minicnn._core.traits import computes_as
from minicnn._training.model import Model
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.explain.trace import check_model, number_of
from minicnn.layers import (
    BatchNorm,
    Conv2DTranspose,
    Cropping2D,
    Dot,
    Dropout,
    Flatten,
    GroupNormalization,
    LayerNorm,
    LeakyReLU,
    Permute,
    ReLU,
    Softmax,
    UnitNormalization,
    UpSampling2D,
    ZeroPadding2D,
)
from minicnn.layers.graph import Graph, Node
from minicnn.layers.resizing import ToSize
from minicnn.layers.windowed import Windowed


class Along(NamedTuple):
    """What the positions of a layer see along one axis; the pattern repeats, ``step`` pixels on."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    step: int

    def at(self, i: int) -> tuple[int, int]:
        """The first and the last pixel that position i sees."""
        times, place = divmod(i, len(self.first))
        return self.first[place] + times * self.step, self.last[place] + times * self.step

    @property
    def stride(self) -> Fraction:
        """Pixels from one position to the next."""
        return Fraction(self.step, len(self.first))


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels of the input that a number of a layer depends on.

    Position i of the layer sees ``size`` pixels from ``start + i * stride`` on, of which those
    outside the image are padding (behind an upsampling, at most so many).
    """

    size: tuple[int, int]
    """Rows and columns; those of the image where all of it is seen."""
    stride: tuple[float, float]
    """Pixels from one position to the next; 0 where all see the whole image."""
    start: tuple[int, int]
    """The first row and column of position (0, 0); below 0 in the padding."""
    image: tuple[int, int]
    """Height and width of the input."""
    along: tuple[Along | None, Along | None]
    """By row and by column; None: the whole image."""
    flat: Shape | None = None
    """The shape (H, W, C) of what was flattened: positions are numbers then."""

    @property
    def whole(self) -> bool:
        """Whether every position sees the whole image, as behind a Dense or a global pooling."""
        return self.along == (None, None)

    def window(self, position: Any) -> tuple[slice, slice]:
        """The rows and columns of the image that a position (row, column, ...) sees.

        >>> model = Sequential([Input((9, 9, 1)), Conv2D(1, 3), MaxPool(2)])
        >>> explain.receptive_field(model, "max_pooling2d").window((1, 0))
        (slice(2, 6, None), slice(0, 4, None))
        """
        if self.flat is not None:
            position = np.unravel_index(int(np.ravel(position)[0]), self.flat)
        if not self.whole and len(position) < 2:
            raise ShapeError(
                f"window: expected a position as (row, column), got {shown(position)}."
            )
        found = []
        for axis, (along, size) in enumerate(zip(self.along, self.image, strict=True)):
            first, last = (0, size - 1) if along is None else along.at(int(position[axis]))
            found.append(slice(min(max(first, 0), size), max(min(last + 1, size), 0)))
        return found[0], found[1]

    def __str__(self) -> str:
        """Its size, such as 5x5, or "all"."""
        return "all" if self.whole else f"{self.size[0]}x{self.size[1]}"


def receptive_field(model: Model, layer: Any) -> ReceptiveField:
    """The pixels that a number of a layer depends on, for any graph of layers.

        size = size before + (k - 1) * d * stride before,  stride = s * stride before

    ``layer`` is a name (also of a layer within: "base.conv2d"), an index in ``layers`` or the
    layer. Of several images of one size it is the union. Padding does not make it smaller. Of a
    custom layer that keeps height and width it is measured by its backward pass.
    Raises ``ConfigError`` for a layer that is not there, or that depends on no image. Araujo et
    al., "Computing Receptive Fields of Convolutional Neural Networks" (Distill 2019).

    >>> model = Sequential([Input((32, 32, 3)), Conv2D(8, 3), MaxPool(2), Conv2D(8, 3)])
    >>> field = explain.receptive_field(model, "conv2d_1")
    >>> field.size, field.stride, field.start
    ((8, 8), (2.0, 2.0), (0, 0))
    """
    check_model("receptive_field", model)
    graph = model.graph()
    field = fields(graph)[number_of(model, graph, "receptive_field", layer)]
    if field is None:
        raise ConfigError(
            f"receptive_field: expected a layer that depends on an image (H, W, C), got "
            f"{shown(getattr(layer, 'name', layer))}."
        )
    return field


def fields(graph: Graph) -> list[ReceptiveField | None]:
    """Those of all numbers of a graph; None of what depends on no image."""
    found: list[ReceptiveField | None] = [None] * graph.given
    inputs = _input_shapes(graph)
    for number, shape in enumerate(inputs):
        if shape is not None and len(shape) == 3:
            found[number] = _field((shape[0], shape[1]), (Along((0,), (0,), 1),) * 2)
    for node in graph.nodes:
        found.append(_behind(node, [found[i] for i in node.reads]))
    return found


def by_name(graph: Graph) -> dict[str, ReceptiveField]:
    """Those of the layers by their names, also of those that others are in: of their last node."""
    found = {}
    for node, field in zip(graph.nodes, fields(graph)[graph.given :], strict=True):
        parts = node.name.split(".")
        for i in range(1, len(parts) + 1):
            if field is not None:
                found[".".join(parts[:i])] = field
    return found


def _input_shapes(graph: Graph) -> list[Shape | None]:
    shapes: list[Shape | None] = [None] * graph.given
    for node in graph.nodes:
        given = node.shape if node.layer.merges else (node.shape,)
        for i, shape in zip(node.reads, given, strict=True):
            if i < graph.given:
                shapes[i] = shape
    return shapes


def _field(image: tuple[int, int], along: Sequence[Along | None]) -> ReceptiveField:
    sizes, strides, starts = [], [], []
    for size, one in zip(image, along, strict=True):
        if one is None:
            sizes.append(size)
            strides.append(0.0)
            starts.append(0)
        else:
            sizes.append(max(b - a + 1 for a, b in zip(one.first, one.last, strict=True)))
            strides.append(float(one.stride))
            starts.append(one.first[0])
    return ReceptiveField(
        (sizes[0], sizes[1]), (strides[0], strides[1]), (starts[0], starts[1]), image,
        (along[0], along[1]),
    )  # fmt: skip


def _behind(node: Node, before: Sequence[ReceptiveField | None]) -> ReceptiveField | None:
    """What is seen behind a node, from what is seen by what it reads."""
    seen = [field for field in before if field is not None]
    if not seen:
        return None
    image = seen[0].image
    shapes = node.shape if node.layer.merges else (node.shape,)
    out = node.layer.output_shape(node.shape)
    if len(out) == 1 and any(computes_as(node.layer, kind) for kind in (Flatten, *ONE_BY_ONE)):
        return replace(seen[0], flat=seen[0].flat or node.shape) if not seen[0].whole else seen[0]
    if len(out) != 3 or any(field.image != image for field in seen):
        return _field(image, (None, None))
    along = []
    for axis in (0, 1):
        ways = []
        for field, shape in zip(before, shapes, strict=True):
            if field is not None:
                seen_before = field.along[axis]
                step = _step(node.layer, shape, out, axis) if len(shape) == 3 else None
                known = seen_before is not None and step is not None
                ways.append(_through(seen_before, step) if known else None)  # type: ignore[arg-type]
        along.append(_union(ways))
    return _field(image, along)


class Move(NamedTuple):
    """How the positions of a layer take those before it: each ``of`` positions take ``by`` on."""

    first: Callable[[int], int]
    last: Callable[[int], int]
    by: int = 1
    of: int = 1


ONE_BY_ONE = (Dropout, ReLU, LeakyReLU, BatchNorm)
"""Layers that make each number of a flattened image of the one at its place."""

MIXING = (GroupNormalization, Permute, Dot)
"""Layers that keep height and width and yet make a number of those at other places."""


def _step(layer: Any, shape: Shape, out: Shape, axis: int) -> Move | None:
    """How a layer moves along an axis of an image; None if each position takes all."""
    n = shape[axis]
    if computes_as(layer, Conv2DTranspose):
        place = layer.place(shape)
        pad, stride = place.windows.pads[axis][0], place.windows.strides[axis]
        reach = (place.windows.size[axis] - 1) * place.dilation[axis]
        return Move(
            lambda i: -((reach - i - pad) // stride), lambda i: (i + pad) // stride, 1, stride
        )
    if isinstance(layer, Windowed) and not is_custom(type(layer)):
        place = layer.place(shape)
        pad, stride = place.windows.pads[axis][0], place.windows.strides[axis]
        reach = (place.windows.size[axis] - 1) * place.dilation[axis]
        return Move(lambda i: i * stride - pad, lambda i: i * stride - pad + reach, stride)
    if computes_as(layer, ZeroPadding2D) or computes_as(layer, Cropping2D):
        more = layer._sides()[axis][0] * (1 if computes_as(layer, ZeroPadding2D) else -1)
        return Move(lambda i: i - more, lambda i: i - more)
    if computes_as(layer, UpSampling2D):
        return _resized(Fraction(1, layer.factors()[axis]), 0, layer.interpolation, 1)
    if isinstance(layer, ToSize) and not is_custom(type(layer)):
        sides = layer.sides((shape[0], shape[1]))[axis]
        scale = Fraction(n + sum(sides), out[axis])
        wide = max(scale, Fraction(1)) if layer.antialias else 1
        return _resized(scale, sides[0], layer.interpolation, wide)
    return _alike(layer, shape, out, axis)


def _resized(scale: Fraction, side: int, how: str, wide: Fraction | int) -> Move:
    """Position i lies at (i + 1/2) scale - 1/2 of the image before, between several of its."""
    half = Fraction(1, 2)
    if how == "nearest":
        if scale == 1:
            return Move(lambda i: i - side, lambda i: i - side)
        return Move(
            lambda i: math.floor((i + half) * scale) - side,
            lambda i: math.floor((i + half) * scale) - side,
            scale.numerator,
            scale.denominator,
        )
    radius = WEIGHTS[how][0] * wide if scale != 1 else 1
    return Move(
        lambda i: math.floor((i + half) * scale - half - radius) + 1 - side,
        lambda i: math.ceil((i + half) * scale - half + radius) - 1 - side,
        scale.numerator,
        scale.denominator,
    )


def _alike(layer: Any, shape: Shape, out: Shape, axis: int) -> Move | None:
    """Of a layer that makes each number of those at the same place, or that is measured."""
    if layer.merges and shape[axis] == 1 != out[axis]:  # it is spread out
        return None
    if shape[:2] != out[:2] or any(computes_as(layer, kind) for kind in MIXING):
        return None
    last_axis_alone = (
        not isinstance(layer, LayerNorm | UnitNormalization | Softmax)
        or (np.size(layer.axis) == 1 and np.ravel(layer.axis)[0] in (-1, 3))
    )  # fmt: skip
    if is_custom(type(layer)):
        return None if layer.merges else _measured(layer, shape, axis)
    return Move(lambda i: i, lambda i: i) if last_axis_alone else None


def _measured(layer: Any, shape: Shape, axis: int) -> Move | None:
    """From what the backward pass of a custom layer gives back in the middle of an image."""
    rng = np.random.default_rng(0)
    try:
        y, cache = layer.forward(rng.standard_normal((1, *shape)).astype(layer.dtype))
        dy = np.zeros_like(y)
        middle = shape[0] // 2, shape[1] // 2
        dy[0, middle[0], middle[1]] = rng.standard_normal(y.shape[-1])
        places = np.nonzero(layer.backward(dy, cache)[0])[1 + axis]
    except Exception:  # what somebody else's layer raises, it would raise in the model as well
        return None
    if not places.size or np.ptp(places) + 1 >= shape[axis] > 1:
        return None
    before, after = int(places.min()) - middle[axis], int(places.max()) - middle[axis]
    return Move(lambda i: i + before, lambda i: i + after)


def _through(seen: Along, move: Move) -> Along:
    """What positions see that take those before them in such a way."""
    period = len(seen.first)
    times = move.of * (period // math.gcd(period, move.by))
    step = seen.step * (times * move.by // move.of) // period
    return Along(
        tuple(seen.at(move.first(i))[0] for i in range(times)),
        tuple(seen.at(move.last(i))[1] for i in range(times)),
        step,
    )


def _union(ways: Sequence[Along | None]) -> Along | None:
    """What positions see that see this and that; None, all, where one does, or goes faster."""
    known = [way for way in ways if way is not None]
    if len(known) < len(ways) or len({way.stride for way in known}) != 1:
        return None
    times = math.lcm(*(len(way.first) for way in known))
    seen = [[way.at(i) for way in known] for i in range(times)]
    return Along(
        tuple(min(first for first, _ in at) for at in seen),
        tuple(max(last for _, last in at) for at in seen),
        int(known[0].stride * times),
    )
