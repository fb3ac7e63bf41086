"""How one number of a network came about, and where its gradient came from.

explanation = model.explain(picture, "conv2d", (10, 4, 2))
print(explanation)                      the window, the kernel, the products, the sum
explanation.step()                      the same of the number that contributes most, and so on

model.explain_gradient(picture, "conv2d", (10, 4, 2), output=3)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn import activations
from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn.errors import ConfigError, DataError
from minicnn.explain import rules, telling
from minicnn.explain.terms import Position, Terms, given, in_double, users
from minicnn.explain.trace import BackwardTrace, Trace, back_from_loss, back_from_output
from minicnn.layers import InputLayer


@dataclass(frozen=True)
class Explanation:
    """One number of a network, and the terms that it is the sum of.

        total = sum of x * weights + sum of constants,    result = activation(total)

    ``result`` is ``value``, the network's own number, but for the rounding of its dtype: what is
    shown is computed in double precision. Of a gradient the terms are what came back from each
    output that used the number: ``x`` is the gradient there, behind its layer's activation.
    """

    what: str
    """"activation" or "gradient"."""
    of: str
    """Of a gradient: what it is the gradient of."""
    layer: str
    kind: str
    """The layer's class."""
    position: Position
    rule: str
    """"sum", "mean", "maximum", "minimum", "product", "copy", "normalized", "function" of one
    number, "given" (the picture), or "slopes" where a layer is no sum and only they are known."""
    terms: Terms
    sources: list[str]
    """The layers that the terms are from: ``terms.reads`` counts them."""
    constants: dict[str, float]
    """What is added besides the terms, by name: the bias."""
    numbers: dict[str, Any]
    """What else it was computed with: statistics, logits."""
    also: Terms | None
    """Numbers that it depends on without their being terms."""
    window: rules.Window | None
    activation: str | None
    total: float
    result: float
    value: float
    _trace: Any = field(repr=False, compare=False, default=None)
    _numbers: tuple[int, ...] = field(repr=False, compare=False, default=())

    def __str__(self) -> str:
        """In lines of at most 80 columns."""
        return "\n".join(telling.lines(self))

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return telling.html(self)

    @property
    def name(self) -> str:
        """The number as one writes it: "conv2d[10, 4, 2]"."""
        return telling.spot(self.layer, self.position)

    def order(self) -> list[int]:
        """The places of the terms, the largest product first."""
        return list(map(int, np.argsort(-np.abs(self.terms.products), kind="stable")))

    def parents(self) -> "list[tuple[str, Position, float]]":
        """(layer, position, product) of each number that it came from, the largest first."""
        terms, products = self.terms, self.terms.products
        return [
            (self.sources[terms.reads[i]], terms.positions[i], float(products[i]))
            for i in self.order()
            if self._numbers[terms.reads[i]] >= 0
        ]

    def step(self, parent: int = 0) -> "Explanation":
        """The explanation of one of the numbers that it came from: 0 is that of the largest term.

        Going on one comes to the picture, or of a gradient to what it is of. Raises
        ``ConfigError`` when there is no such number.
        """
        whole_number("step", "parent", parent, least=0)
        terms = self.terms
        steps = [i for i in self.order() if self._numbers[terms.reads[i]] >= 0]
        if parent >= len(steps):
            raise ConfigError(
                f"step: expected one of the {len(steps)} numbers that {self.name} came from, "
                f"counted from 0, got {parent}."
            )
        i = steps[parent]
        go = explained if self.what == "activation" else gradient_explained
        return go(self._trace, self._numbers[terms.reads[i]], terms.positions[i])

    def image_of(self, read: int = 0) -> Array:
        """The whole array that terms are from, without the batch axis: for pictures."""
        if self.what == "gradient":
            return np.asarray(self._trace.gradient(self._numbers[read])[0])
        return np.asarray(self._trace.values[self._numbers[read]][0])

    def to_dict(self) -> dict[str, Any]:
        """All of it as values that JSON can hold."""
        names = ("what", "of", "layer", "kind", "rule", "sources", "constants", "numbers")
        after = ("activation", "total", "result", "value")
        window = self.window
        return {
            **{name: getattr(self, name) for name in names},
            "position": list(self.position),
            "terms": _listed(self.terms),
            "also": None if self.also is None else _listed(self.also),
            "window": window and {"rows": window.rows, "columns": window.columns,
                                  "image": list(window.image)},
            **{name: getattr(self, name) for name in after},
        }  # fmt: skip


def _listed(terms: Terms) -> dict[str, Any]:
    return {
        "reads": terms.reads,
        "positions": [list(at) for at in terms.positions],
        "x": terms.x.tolist(),
        "weights": terms.weights.tolist(),
        "products": terms.products.tolist(),
    }


def explain(model: Model, xs: Sequence[Array], layer: Any, position: Any) -> Explanation:
    """How ``layer``'s output at ``position`` came about, for a batch of one: ``Model.explain``."""
    trace = Trace(model, model.graph(), _one(xs, "explain"))
    number = trace.number_of("explain", layer)
    return explained(trace, number, trace.position_of("explain", number, position))


def explain_gradient(
    model: Model, xs: Sequence[Array], layer: Any, position: Any, output: Any, label: Any
) -> Explanation:
    """Where the gradient at ``layer``'s output came from: ``Model.explain_gradient``."""
    who, xs = "explain_gradient", _one(xs, "explain_gradient")
    if output is not None and label is not None:
        raise ConfigError(f"{who}: expected output or label, got both.")
    if label is None:
        trace = back_from_output(model, xs, output, who)
    else:
        trace = back_from_loss(model, xs, label, who)
    number = trace.number_of(who, layer)
    return gradient_explained(trace, number, trace.position_of(who, number, position))


def _one(xs: Sequence[Array], who: str) -> Sequence[Array]:
    if len(xs[0]) != 1:
        raise DataError(f"{who}: expected one picture, got {len(xs[0])}. Try x[0].")
    return xs


def explained(trace: Trace, number: int, position: Position) -> Explanation:
    """How a number of a trace came about."""
    value = float(trace.values[number][(0, *position)])
    node = None if number < trace.graph.given else trace.node(number)
    if node is None or (isinstance(node.layer, InputLayer) and node.reads[0] < trace.graph.given):
        return _given(trace, number, position, value)
    layer, xs = in_double(node.layer), trace.inputs(node)
    trunk, name = layer.split_activation()
    z: Array | None
    if trunk is None:
        copied = Terms([0], [position], xs[0][(0, *position)][None], np.ones(1))
        made = rules.Made(copied, "function")
        z = xs[0]
    else:
        made = rules.made(trunk, xs, position)
        z = trunk.forward(given(trunk, xs))[0] if name in _OF_ROWS else None
    total = float(made.terms.products.sum()) + sum(made.constants.values())
    if name not in (None, "linear"):
        _activated(made, name, z, position)
    result = total if made.finish is None else made.finish(total)
    return Explanation(
        "activation", "", node.name, type(node.layer).__name__, position, made.rule, made.terms,
        [trace.name(i) for i in node.reads], made.constants, made.numbers, made.also, made.window,
        made.activation, total, result, value, trace, tuple(node.reads),
    )  # fmt: skip


_OF_ROWS = ("softmax", "log_softmax")
"""The activations that need all numbers of the last axis."""


def _activated(made: rules.Made, name: str, z: Array | None, position: Position) -> None:
    """Let the sum go through an activation."""
    function = activations.ACTIVATIONS[name].forward
    row = np.zeros(1) if z is None else z[(0, *position[:-1])].astype(np.float64)
    own = 0 if z is None else position[-1]
    if z is not None:
        made.numbers = made.numbers | {"logits": row.tolist(), "which": own}

    def finish(total: float) -> float:
        changed = row.copy()
        changed[own] = total
        return float(function(changed[None])[0, own])

    made.activation, made.finish = name, finish


def _given(trace: Trace, number: int, position: Position, value: float) -> Explanation:
    return Explanation(
        "activation", "", trace.name(number), "input", position, "given",
        Terms([], [], np.empty(0), np.empty(0)), [], {"given": value}, {}, None, None, None,
        value, value, value, trace, (),
    )  # fmt: skip


def gradient_explained(trace: BackwardTrace, number: int, position: Position) -> Explanation:
    """Where the gradient at a number came from."""
    sources, numbers, parts = [], [], []
    for at, dy in zip(trace.graph.outputs, trace.dys, strict=True):
        if at == number and dy is not None and dy[(0, *position)]:
            parts.append(([position], dy[(0, *position)][None].astype(np.float64), np.ones(1)))
            sources.append(trace.of)
            numbers.append(-1)
    for place, node in enumerate(trace.graph.nodes):
        made = trace.graph.given + place
        if number not in node.reads or made not in trace.gradients:
            continue
        layer, xs = in_double(node.layer), trace.inputs(node)
        trunk, dz = _behind_activation(layer, xs, trace.gradients[made].astype(np.float64))
        for read in (k for k, i in enumerate(node.reads) if i == number):
            places, weights = users(trunk, xs, read, position)
            some = dz[(0, *np.array(places).T)] if places else np.empty(0)
            parts.append((places, some, weights))
            sources.append(node.name)
            numbers.append(made)
    terms = Terms(
        [i for i, part in enumerate(parts) for _ in part[0]],
        [at for part in parts for at in part[0]],
        np.concatenate([part[1] for part in parts] or [np.empty(0)]),
        np.concatenate([part[2] for part in parts] or [np.empty(0)]),
    )
    total = float(terms.products.sum())
    kind = "input" if number < trace.graph.given else type(trace.node(number).layer).__name__
    value = float(trace.gradient(number)[(0, *position)])
    return Explanation(
        "gradient", trace.of, trace.name(number), kind, position, "sum", terms, sources, {}, {},
        None, None, None, total, total, value, trace, tuple(numbers),
    )  # fmt: skip


def _behind_activation(layer: Any, xs: Sequence[Array], dy: Array) -> tuple[Any, Array]:
    """(the layer without its activation, the gradient at what the activation takes)."""
    trunk, name = layer.split_activation()
    if trunk is None or name in (None, "linear"):
        return layer if trunk is None else trunk, dy
    function = activations.ACTIVATIONS[name]
    _, kept = function.activate(trunk.forward(given(trunk, xs))[0])
    return trunk, function.gradient(dy, kept)
