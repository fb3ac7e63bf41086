"""How each kind of layer makes one number of its output: terms that add up to it.

Most layers are weighted sums, whose weights their own backward pass tells (``terms.slopes``).
Those that are not have a rule of their own here; of any other layer the slopes are shown, and
what they leave over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn.explain.terms import Position, Terms, at_zero, slopes
from minicnn.layers import (
    ELU,
    AvgPool,
    BatchNorm,
    Conv2D,
    DepthwiseConv2D,
    Dot,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNormalization,
    LayerNorm,
    LeakyReLU,
    Maximum,
    MaxPool,
    Minimum,
    Multiply,
    PReLU,
    ReLU,
    SeparableConv2D,
    Softmax,
    UnitNormalization,
)
from minicnn.layers.operations import Clip, Elementwise, Power

POINTWISE = (ReLU, LeakyReLU, ELU, PReLU, Clip, Elementwise, Power)
"""Layers that make each number of one number, at the same position."""

Function = Callable[[float], float]


@dataclass
class Made:
    """What one number is made of: ``finish(sum of products + constants)`` is the number."""

    terms: Terms
    rule: str
    constants: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    """What else the rule computes with, by name: statistics, logits, gamma."""
    also: Terms | None = None
    """Numbers that it depends on without being terms: the others of a group, further factors."""
    window: "Window | None" = None
    activation: str | None = None
    finish: Function | None = None


@dataclass(frozen=True)
class Window:
    """Where a kernel or a pool lies: the rows and columns of its input, some in the padding."""

    rows: list[int]
    columns: list[int]
    image: tuple[int, int]
    """Height and width of the input; rows and columns outside are padding."""

    def within(self) -> list[tuple[int, int]]:
        """The pixels of the window that are in the image, in row-major order."""
        h, w = self.image
        return [(i, j) for i in self.rows for j in self.columns if 0 <= i < h and 0 <= j < w]

    @property
    def padded(self) -> int:
        """How many of its pixels are padding."""
        return len(self.rows) * len(self.columns) - len(self.within())


def terms_at(xs: Sequence[Array], ds: Sequence[Array], places: Sequence[list[Position]]) -> Terms:
    """The terms of some positions of each input, with their slopes as weights."""
    reads = [i for i, some in enumerate(places) for _ in some]
    x = [xs[i][(0, *at)] for i, some in enumerate(places) for at in some]
    weights = [ds[i][at] for i, some in enumerate(places) for at in some]
    flat = [at for some in places for at in some]
    return Terms(reads, flat, np.array(x, np.float64), np.array(weights, np.float64))


def nonzero(d: Array) -> list[Position]:
    """The positions of the numbers that are not 0."""
    return [tuple(at) for at in np.argwhere(d).tolist()]


def made(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """What y[position] of a layer without its last activation is made of."""
    for cls, rule in RULES.items():
        if computes_as(layer, cls):
            return rule(layer, xs, position)
    if any(computes_as(layer, cls) for cls in POINTWISE):
        return of_one_number(layer, xs, position)
    return weighted_sum(layer, xs, position)


def of_one_number(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """A function of the number at the same position."""

    def finish(total: float) -> float:
        x = xs[0].copy()
        x[(0, *position)] = total
        return float(layer.forward(x)[0][(0, *position)])

    terms = Terms([0], [position], xs[0][(0, *position)][None], np.ones(1))
    name = getattr(layer, "function", None) or type(layer).__name__
    numbers = {}
    if computes_as(layer, PReLU):
        alpha = layer.params["alpha"]
        numbers["alpha"] = float(np.broadcast_to(alpha, xs[0].shape[1:])[position])
    return Made(terms, "function", numbers=numbers, activation=str(name), finish=finish)


def weighted_sum(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """y = sum of x * weight, plus constants; if it is not, with what is left over."""
    ds = slopes(layer, xs, position)
    window = window_of(layer, xs[0].shape[1:], position)
    places = [nonzero(d) for d in ds]
    if window is not None:
        places[0] = [(*at, c) for at in window.within() for c in _channels(layer, ds[0], position)]
    terms = terms_at(xs, ds, places)
    y = float(layer.forward(tuple(xs) if layer.merges else xs[0])[0][(0, *position)])
    constant, total = at_zero(layer, xs, position), float(terms.products.sum())
    size = float(np.abs(terms.products).sum()) + abs(constant) + 1e-300
    found = Made(terms, _word(layer, terms), window=window)
    if not abs(total + constant - y) <= 1e-9 * size:
        found.rule = "slopes"
        found.constants["not a sum: the rest"] = y - total
    elif constant:
        found.constants["bias" if "bias" in layer.params else "constant"] = constant
    return found


def _word(layer: Any, terms: Terms) -> str:
    if isinstance(layer, MaxPool | GlobalMaxPool | Maximum):
        return "maximum"
    if isinstance(layer, Minimum):
        return "minimum"
    if isinstance(layer, AvgPool | GlobalAvgPool):
        return "mean"
    copied = len(terms.weights) == 1 and terms.weights[0] == 1
    return "copy" if copied else "sum"


def window_of(layer: Any, shape: tuple[int, ...], position: Position) -> Window | None:
    """Where the window lies that made an output, of a layer that has one."""
    if isinstance(layer, GlobalAvgPool | GlobalMaxPool):
        h, w = shape[:2]
        return Window(list(range(h)), list(range(w)), (h, w))
    if not isinstance(layer, Conv2D | DepthwiseConv2D | SeparableConv2D | MaxPool | AvgPool):
        return None
    (_, (size, strides, pads, _), dilation, _) = layer.place(shape)
    rows, columns = (
        [position[i] * strides[i] - pads[i][0] + k * dilation[i] for k in range(size[i])]
        for i in range(2)
    )
    return Window(rows, columns, (shape[0], shape[1]))


def _channels(layer: Any, d: Array, position: Position) -> list[int]:
    """The channels that a window sees."""
    channels = d.shape[-1]
    if isinstance(layer, DepthwiseConv2D):
        return [position[-1] // int(layer.depth_multiplier)]
    if isinstance(layer, Conv2D):
        of_group = channels // int(layer.groups)
        first = position[-1] // (int(layer.filters) // int(layer.groups)) * of_group
        return list(range(first, first + of_group))
    return list(range(channels)) if isinstance(layer, SeparableConv2D) else [position[-1]]


def extreme(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """The largest or smallest of the inputs at a position."""
    ds = slopes(layer, xs, position)
    places = [[_broadcast(x, position)] for x in xs]
    return Made(terms_at(xs, ds, places), _word(layer, Terms([], [], np.empty(0), np.empty(0))))


def _broadcast(x: Array, position: Position) -> Position:
    """Where an input that broadcasts is read for an output."""
    shape = x.shape[1:]
    return tuple(
        0 if n == 1 else i for n, i in zip(shape, position[len(position) - len(shape) :],
                                           strict=True)
    )  # fmt: skip


def product(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """The first input times the product of the others."""
    places = [_broadcast(x, position) for x in xs]
    factors = np.array([x[(0, *at)] for x, at in zip(xs, places, strict=True)])
    terms = Terms([0], places[:1], factors[:1], np.array([np.prod(factors[1:])]))
    others = Terms(list(range(1, len(xs))), places[1:], factors[1:], np.ones(len(xs) - 1))
    return Made(terms, "product", also=others, numbers={"factors": factors.tolist()})


def dot_product(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """The sum of the products of the numbers of two vectors."""
    axes = layer.places(tuple(x.shape[1:] for x in xs))
    rest = [x.ndim - 2 for x in xs]
    starts = (position[: rest[0]], position[rest[0] : sum(rest)])
    places: list[list[Position]] = []
    for x, axis, at in zip(xs, axes, starts, strict=True):
        places.append([(*at[: axis - 1], k, *at[axis - 1 :]) for k in range(x.shape[axis])])
    a, b = (np.array([x[(0, *at)] for at in some]) for x, some in zip(xs, places, strict=True))
    weights, numbers = b, {}
    if layer.normalize:
        lengths = _lengths(layer, xs, axes, starts)
        weights = b / (lengths[0] * lengths[1])
        numbers = {"length of the first": lengths[0], "length of the second": lengths[1]}
    also = Terms([1] * len(b), places[1], b, np.ones(len(b)))
    return Made(Terms([0] * len(a), places[0], a, weights), "sum", numbers=numbers, also=also)


def _lengths(layer: Any, xs: Sequence[Array], axes: Any, starts: Any) -> list[float]:
    """The lengths of two vectors as the layer computes them."""
    lengths = layer.forward(tuple(xs))[1].lengths
    return [
        float(np.squeeze(length[0], axis - 1)[tuple(at)])
        for length, axis, at in zip(lengths, axes, starts, strict=True)
    ]


def softmax(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """Softmax along any axis: exp of a number, over the sum of all along the axis."""
    axis = layer.axis if layer.axis >= 0 else layer.axis + xs[0].ndim
    places = [_with(position, axis - 1, k) for k in range(xs[0].shape[axis])]
    logits = np.array([xs[0][(0, *at)] for at in places])
    own = position[axis - 1]

    def finish(total: float) -> float:
        changed = logits.copy()
        changed[own] = total
        shares = np.exp(changed - changed.max())
        return float(shares[own] / shares.sum())

    others = [at for at in places if at != position]
    also = Terms([0] * len(others), others, np.delete(logits, own), np.ones(len(others)))
    terms = Terms([0], [position], logits[own : own + 1], np.ones(1))
    numbers = {"logits": logits.tolist(), "which": own}
    return Made(terms, "function", {}, numbers, also, activation="softmax", finish=finish)


def _with(position: Position, axis: int, k: int) -> Position:
    return (*position[:axis], k, *position[axis + 1 :])


def normalized(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """y = x * gamma / deviation - mean * gamma / deviation + beta, by one's own statistics."""
    x, members = xs[0][0], _members(layer, xs[0], position)
    group = np.array([x[at] for at in members])
    mean, variance = float(group.mean()), float(np.square(group - group.mean()).mean())
    at = _of_params(layer, xs[0], position)
    return _standardized(layer, xs, position, (mean, variance), at, members)


def _members(layer: Any, x: Array, position: Position) -> list[Position]:
    """The positions whose statistics are used at a position."""
    index: list[Any] = list(position)
    if isinstance(layer, LayerNorm):
        for axis in layer._axes(x.shape[1:]):
            index[axis - 1] = slice(None)
    else:
        axis = (layer.axis if layer.axis > 0 else layer.axis + x.ndim) - 1
        size = x.shape[axis + 1] // layer.group_count(x.shape[1:])
        first = position[axis] // size * size
        index = [slice(None)] * len(index)
        index[axis] = slice(first, first + size)
    chosen = np.zeros(x.shape[1:], bool)
    chosen[tuple(index)] = True
    return nonzero(chosen)


def _of_params(layer: Any, x: Array, position: Position) -> Position:
    """The index of gamma and beta at a position."""
    if isinstance(layer, LayerNorm):
        return tuple(position[axis - 1] for axis in layer._axes(x.shape[1:]))
    return (position[(layer.axis if layer.axis > 0 else layer.axis + x.ndim) - 1],)


def batch_normalized(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """The same with the moving statistics, as outside training."""
    at = _of_params(layer, xs[0], position)
    mean, variance = (float(layer.state[f"moving_{name}"][at]) for name in ("mean", "variance"))
    return _standardized(layer, xs, position, (mean, variance), at, [])


def _standardized(
    layer: Any,
    xs: Sequence[Array],
    position: Position,
    statistics: tuple[float, float],
    at: Position,
    members: list[Position],
) -> Made:
    mean, variance = statistics
    gamma, beta = (
        float(layer.params[name][at]) if name in layer.params else default
        for name, default in (("gamma", 1.0), ("beta", 0.0))
    )
    weight = gamma / float(np.sqrt(variance + float(layer.epsilon)))
    numbers = {
        "mean": mean,
        "variance": variance,
        "epsilon": float(layer.epsilon),
        "gamma": gamma,
        "beta": beta,
    }
    constants = {"(-mean) * weight": -mean * weight, "beta": beta}
    terms = Terms([0], [position], xs[0][(0, *position)][None], np.array([weight]))
    others = [one for one in members if one != position]
    x = np.array([xs[0][(0, *one)] for one in others])
    also = Terms([0] * len(others), others, x, np.ones(len(others))) if others else None
    return Made(terms, "normalized", constants, numbers, also)


def unit_normalized(layer: Any, xs: Sequence[Array], position: Position) -> Made:
    """x over the length of its vector."""
    norm = layer.forward(xs[0])[1].norm[0]
    index = tuple(0 if n == 1 else i for n, i in zip(norm.shape, position, strict=True))
    length = float(norm[index])
    chosen = np.zeros(xs[0].shape[1:], bool)
    axes = layer.axes_of(xs[0].shape[1:])
    chosen[tuple(slice(None) if i + 1 in axes else k for i, k in enumerate(position))] = True
    others = [at for at in nonzero(chosen) if at != position]
    x = np.array([xs[0][(0, *at)] for at in others])
    also = Terms([0] * len(others), others, x, np.ones(len(others)))
    terms = Terms([0], [position], xs[0][(0, *position)][None], np.array([1 / length]))
    return Made(terms, "normalized", numbers={"length": length}, also=also)


RULES: dict[Any, Callable[[Any, Sequence[Array], Position], Made]] = {
    Multiply: product,
    Dot: dot_product,
    Maximum: extreme,
    Minimum: extreme,
    Softmax: softmax,
    LayerNorm: normalized,
    GroupNormalization: normalized,
    UnitNormalization: unit_normalized,
    BatchNorm: batch_normalized,
}
