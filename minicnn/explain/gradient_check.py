"""Whether the gradients of a network are right: sampled ones, against central differences.

Each layer is checked by itself, with what it takes and what comes back to it in the network, so
that an error is found in the layer that has it; then the network as ``fit`` computes it, so that
the sums over branches, the fused layers and the loss are checked as well.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn._training.objective import objective
from minicnn._training.program import Program, at_work
from minicnn.data.fitting import Data
from minicnn.explain.terms import given, in_double

TOLERANCE = 1e-4
"""The relative error from which on a gradient is wrong."""

ROUGH = 1e-2
"""The same for the whole network: a deep one is full of corners, which every step passes."""

SMALL = 1e-3
"""Errors are relative to the gradient, or to this part of the largest of its array."""

ROUNDING = 2e-15
"""What is lost of a sum that is taken twice, to take the difference: a few last bits of it."""

MOST_WHOLE = 12
"""The entries that are moved in the whole network, each for two passes and more."""


@dataclass(frozen=True)
class LayerCheck:
    """What was found in one layer, or in all together."""

    layer: str
    kind: str
    entries: int
    """How many gradients were compared."""
    kinks: int
    """How many were left out: a corner of the function lies there, with two slopes."""
    error: float
    """The largest relative error."""
    where: str
    """The gradient that has it, with what it is and what central differences give."""

    @property
    def right(self) -> bool:
        """Whether the error is no more than that of the differences themselves."""
        return self.error <= (ROUGH if self.kind == WHOLE else TOLERANCE)


@dataclass(frozen=True)
class GradientCheck:
    """The layers in running order, then the loss and the network as a whole."""

    rows: tuple[LayerCheck, ...]

    @property
    def right(self) -> bool:
        """Whether no gradient is wrong."""
        return not self.wrong

    @property
    def wrong(self) -> list[LayerCheck]:
        """The layers with a wrong gradient; the whole network only if no layer is wrong alone."""
        found = [row for row in self.rows if not row.right]
        return [row for row in found if row.kind != WHOLE] or found

    @property
    def worst(self) -> LayerCheck:
        """The row with the largest error."""
        return max(self.rows, key=lambda row: row.error)

    def __str__(self) -> str:
        """In a few lines: what was checked, and each layer that is wrong."""
        entries, kinks = (sum(getattr(row, n) for row in self.rows) for n in ("entries", "kinks"))
        left_out = f", {kinks} more at a corner left out" if kinks else ""
        said = [
            f"{'Right' if self.right else 'Wrong'}: {entries:,} gradients of "
            f"{len(self.rows) - 2} layers, the loss and the whole network{left_out}."
        ]
        for row in self.wrong or [self.worst]:
            name = f"{row.layer} ({row.kind})" if row.kind else row.layer
            verdict = "the largest error" if row.right else "wrong"
            said += [f"  {name}: {verdict}, {row.error:.1e} of its size"]
            said += [] if not row.where else [f"    {row.where}"]
        return "\n".join(said)

    def _repr_html_(self) -> str:
        """The table of all layers, for a notebook."""
        from minicnn._core.console import html_table

        head = ["layer", "gradients", "corners left out", "largest relative error", ""]
        rows = [
            [f"{row.layer} ({row.kind})" if row.kind else row.layer, str(row.entries),
             str(row.kinks), f"{row.error:.1e}", "" if row.right else "wrong"]
            for row in self.rows
        ]  # fmt: skip
        return html_table([head, *rows], str(self).split("\n")[0])

    def to_dict(self) -> dict[str, Any]:
        """The rows as values that JSON can hold."""
        return {"right": self.right, "rows": [asdict(row) for row in self.rows]}


WHOLE = "all layers together"


class Compared(NamedTuple):
    """One gradient, and what central differences give; None at a corner."""

    what: str
    got: float
    wanted: float | None
    size: float
    """The largest gradient of its array."""
    noise: float = 0.0
    """What the difference of two sums may be by rounding alone."""

    @property
    def error(self) -> float:
        """The relative error, beyond what rounding explains."""
        if self.wanted is None:
            return 0.0
        size = max(abs(self.got), abs(self.wanted), SMALL * self.size, 1e-300)
        error = max(abs(self.got - self.wanted) - self.noise, 0.0) / size
        return error if np.isfinite(error) else float("inf")


def check_gradients(
    model: Model, data: Data, entries: int, step: float, seed: int
) -> GradientCheck:
    """See ``Model.check_gradients``."""
    double = _double(model)
    program = Program(double)
    data = program.targets(_in_double(data))
    rows = []
    with at_work():
        for name, kind, compared in _layers(double, program, data, entries, step, seed):
            rows.append(_row(name, kind, compared))
        rows.append(_row("the network", WHOLE, list(_whole(program, data, step, seed))))
    return GradientCheck(tuple(rows))


def _double(model: Model) -> Any:
    """A copy of the model in double precision."""
    twin: Any = model.twin()
    for _, layer in twin.leaves():
        vars(layer).update(vars(in_double(layer)))
        vars(layer)["dtype"] = np.dtype("float64")
    vars(twin)["dtype"] = np.dtype("float64")
    return twin


def _in_double(data: Data) -> Data:
    return data._replace(xs=tuple(x.astype(np.float64) for x in data.xs))


def _row(name: str, kind: str, compared: Sequence[Compared]) -> LayerCheck:
    kinks = sum(one.wanted is None for one in compared)
    worst = max(compared, key=lambda one: one.error, default=None)
    where = ""
    if worst is not None and worst.wanted is not None:
        where = f"{worst.what} is {worst.got:.6g}, central differences give {worst.wanted:.6g}"
        if abs(worst.got + worst.wanted) < 1e-3 * abs(worst.wanted):
            where += ": its sign is wrong"
    error = 0.0 if worst is None else worst.error
    return LayerCheck(name, kind, len(compared) - kinks, kinks, error, where)


# Each layer by itself --------------------------------------------------------------------


def _layers(
    model: Any, program: Program, data: Data, entries: int, step: float, seed: int
) -> Iterator[tuple[str, str, list[Compared]]]:
    """(name, kind, what was compared) of each node, then of the loss."""
    graph, losses, _ = objective(model.graph(), [goal.loss for goal in program.goals])
    rng, values, caches, states = np.random.default_rng(seed), list(data.xs), [], []
    for node in graph.nodes:
        states.append(copy.deepcopy(rng))
        y, cache = node.layer.forward(
            node.taken(values), training=node.training is not False, rng=rng
        )
        values.append(y)
        caches.append(cache)
    dvalues: list[Any] = [None] * len(values)
    of_loss: list[Compared] = []
    picks = np.random.default_rng(seed)
    for number, loss, goal, y, weights in zip(
        graph.outputs, losses, program.goals, data.ys, data.weights, strict=True
    ):
        if loss is None:
            continue
        more = () if weights is None else (weights,)
        dz = loss.gradient(y, values[number], *more)

        def lost(z: Array, loss: Any = loss, y: Any = y, more: Any = more) -> tuple[float, float]:
            value = float(loss(y, z, *more))
            return value, abs(value)

        name = f"d(loss) / d({goal.name or 'output'})"
        of_loss += _compare(name, lost, values[number], dz, entries, step, picks)
        dz = dz * goal.weight
        dvalues[number] = dz if dvalues[number] is None else dvalues[number] + dz
    found: list[tuple[str, str, list[Compared]]] = []
    for number in reversed(range(graph.given, len(values))):
        node, dy = graph.nodes[number - graph.given], dvalues[number]
        if dy is None:
            continue
        place = number - graph.given
        dx, grads = node.layer.backward(dy, caches[place])
        dxs = dx if node.layer.merges else (dx,)
        for i, one in zip(node.reads, dxs, strict=True):
            dvalues[i] = one if dvalues[i] is None else dvalues[i] + one
        alone = _Alone(node, [values[i] for i in node.reads], dy, states[place], values[number])
        of_node = alone.compared(dxs, grads, entries, step, picks)
        of_node += _same(node.layer.param_grads(dy, caches[place]), grads)
        found.append((node.name, type(node.layer).__name__, of_node))
    yield from found[::-1]
    yield "the loss", "", of_loss


class _Alone(NamedTuple):
    """One layer in its place: the sum of dy * y, as what it takes is moved."""

    node: Any
    xs: list[Array]
    dy: Array
    rng: np.random.Generator
    y: Array

    def compared(
        self,
        dxs: Sequence[Array],
        grads: dict[str, Array],
        entries: int,
        step: float,
        picks: np.random.Generator,
    ) -> list[Compared]:
        """Sampled gradients of inputs and parameters."""
        layer, found = self.node.layer, list[Compared]()
        for i, (x, dx) in enumerate(zip(self.xs, dxs, strict=True)):

            def of_input(moved: Array, i: int = i) -> tuple[float, float]:
                return self.sum(layer, [moved if i == k else x for k, x in enumerate(self.xs)])

            name = f"dx[{i}]" if layer.merges else "dx"
            found += _compare(name, of_input, x, dx, entries, step, picks)
        for name, param in layer.params.items():

            def of_param(moved: Array, name: str = name) -> tuple[float, float]:
                changed = copy.copy(layer)
                changed.params = layer.params | {name: moved}
                return self.sum(changed, self.xs)

            found += _compare(f"d{name}", of_param, param, grads[name], entries, step, picks)
        return found

    def sum(self, layer: Any, xs: Sequence[Array]) -> tuple[float, float]:
        """(the sum of dy * (y - what y is unmoved), the sum of dy * y where that moved)."""
        training = self.node.training is not False
        y = layer.forward(given(layer, xs), training=training, rng=copy.deepcopy(self.rng))[0]
        moved = y != self.y
        size = np.abs(self.y * self.dy)[moved].sum()
        return float(np.sum((y - self.y) * self.dy)), float(size)


def _same(alone: dict[str, Array], grads: dict[str, Array]) -> list[Compared]:
    """What ``param_grads`` gives, compared with what ``backward`` does."""
    found = []
    for name, grad in grads.items():
        off = np.abs(alone[name] - grad)
        at = np.unravel_index(off.argmax(), off.shape)
        what = f"param_grads: d{name}{[int(i) for i in at]}"
        size = float(np.abs(grad).max())
        found.append(Compared(what, float(alone[name][at]), float(grad[at]), size))
    return found


# The network as fit computes it ----------------------------------------------------------


def _whole(program: Program, data: Data, step: float, seed: int) -> Iterator[Compared]:
    """Some gradients of the loss by parameters all over the network."""

    made = program.gradients(data, 1.0, np.random.default_rng(seed)).grads
    grads = {name: grad.copy() for name, grad in made.items()}
    for name, param, regularizer in program.penalties:
        grads[name] += regularizer.gradient(param)
    names = [name for name in program.params if name in grads]
    picks = np.random.default_rng(seed)
    for name in names[:: max(1, -(-len(names) // MOST_WHOLE))]:
        param = program.params[name]

        def lost(moved: Array, param: Array = param) -> tuple[float, float]:
            kept = param.copy()
            param[...] = moved
            try:
                value = program.loss(data, np.random.default_rng(seed))
                return value, abs(value)
            finally:
                param[...] = kept

        yield from _compare(f"d(loss) / d({name})", lost, param, grads[name], 1, step, picks)


# One array -------------------------------------------------------------------------------


def _compare(
    name: str,
    function: Callable[[Array], tuple[float, float]],
    x: Array,
    grad: Array,
    entries: int,
    step: float,
    picks: np.random.Generator,
) -> list[Compared]:
    """Sampled entries of a gradient, its largest one always among them.

    ``function`` gives a sum, and how large the numbers are that were added.
    """
    if not x.size:
        return []
    chosen = {int(np.nan_to_num(np.abs(grad), nan=np.inf).argmax())}
    chosen |= set(picks.integers(x.size, size=entries - 1).tolist())
    size = float(np.abs(grad).max())
    here = function(x)[0]
    found = []
    for flat in sorted(chosen):
        at = tuple(map(int, np.unravel_index(flat, x.shape)))
        one = Compared(f"{name}{list(at)}", float(grad[at]), None, size)
        found.append(_compared(one, function, x, at, here, step))
    return found


def _compared(
    one: Compared,
    function: Callable[[Array], tuple[float, float]],
    x: Array,
    at: tuple[int, ...],
    here: float,
    step: float,
) -> Compared:
    """With the slope at an entry; without where there is none: at a corner, left and right differ.

    Where it is not the gradient, smaller steps are taken, which reach no corner nearby.
    """

    def moved(by: float) -> tuple[float, float]:
        other = x.copy()
        other[at] += by
        return function(other)

    tried: list[Compared] = []
    for by in (step, step / 10, step / 100, step / 1000):
        (above, size), (below, _) = moved(by), moved(-by)
        noise = ROUNDING * size / by
        if len(tried) > 1 and noise > abs(one.got) / 10:
            break
        tried.append(one._replace(wanted=(above - below) / (2 * by), noise=noise))
        if tried[-1].error <= TOLERANCE:
            return tried[-1]
        low, high = sorted(((above - here) / by, (here - below) / by))
        room = noise + 1e-3 * max(abs(low), abs(high), SMALL * one.size)
        if high - low > 10 * room and low - room <= one.got <= high + room and by < step:
            return one
    last, before = (float(each.wanted or 0) for each in (tried[-1], tried[-2]))
    if abs(last - before) > 0.1 * max(abs(last), abs(before)):
        return one  # the differences are of no one slope
    return min(tried, key=lambda each: each.error)
