"""The checks find what they look for: for each, a layer that breaks that promise."""

from typing import NamedTuple

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Layer
from minicnn.errors import ShapeError
from minicnn.layers.base import NoCache
from minicnn.testing import CHECKS, CheckError, LayerCase, check_layer, numeric_gradient


class ScaleCache(NamedTuple):
    x: np.ndarray


class Scale(Layer):
    """y = gain * x: a layer that keeps all its promises, for others to break."""

    axes = ("H", "C")

    def __init__(self, start=1.0, name=None):
        super().__init__(name)
        self.start = start

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.params = {"gain": np.full(input_shape[-1], self.start, dtype)}

    def forward(self, x, *, training=False, rng=None):
        x = self.check_input(x)
        return x * self.params["gain"], ScaleCache(x)

    def backward(self, dy, cache):
        return dy * self.params["gain"], {"gain": (dy * cache.x).sum(axis=(0, 1))}


class WrongShape(Scale):
    def output_shape(self, input_shape):
        super().output_shape(input_shape)
        return (*input_shape, 1)


class WidensDtype(Scale):
    def forward(self, x, **options):
        return super().forward(x.astype(np.float64), **options)


class WritesToInput(Scale):
    def forward(self, x, **options):
        y, cache = super().forward(x, **options)
        if x.flags.writeable:
            x += 1
        return y, cache


class NeedsWritableInput(Scale):
    def forward(self, x, **options):
        x *= 1
        return super().forward(x, **options)


class WritesToCache(Scale):
    def forward(self, x, **options):
        y, _ = super().forward(x, **options)
        return y, ScaleCache(x.copy())

    def backward(self, dy, cache):
        result = super().backward(dy, cache)
        cache.x[...] *= 2
        return result


class MemoryOrderMatters(Scale):
    def forward(self, x, **options):
        y, cache = super().forward(x, **options)
        return (y if x.flags.c_contiguous else y + 1), cache


class WrongDx(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx * 1.001, grads


class WrongGradient(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx, {"gain": grads["gain"] * 0.999}


class ForgetsGradient(Scale):
    def backward(self, dy, cache):
        return super().backward(dy, cache)[0], {}


class WrongParamGrads(Scale):
    def param_grads(self, dy, cache):
        return {"gain": self.backward(dy, cache)[1]["gain"] + 1}


class CountsCalls(Scale):
    calls = 0

    def backward(self, dy, cache):
        CountsCalls.calls += 1
        dx, grads = super().backward(dy, cache)
        return dx + CountsCalls.calls, grads


class RemembersLastInput(Scale):
    def forward(self, x, **options):
        self.__dict__["last"] = x
        return super().forward(x, **options)

    def backward(self, dy, cache):
        return super().backward(dy, ScaleCache(self.__dict__["last"]))


class LooksAtTheBatch(Scale):
    def forward(self, x, **options):
        y, cache = super().forward(x, **options)
        return y - x.mean(), cache


class SlowKernelsDiffer(Scale):
    def forward(self, x, **options):
        y, cache = super().forward(x, **options)
        return (y + 1 if self.kernel_set == "reference" else y), cache


class ForgetsItsConfig(Scale):
    def get_config(self):
        return {"name": self.name}


class CannotBePickled(Scale):
    def __getstate__(self):
        state = self.__dict__.copy()
        state["params"] = {"gain": state["params"]["gain"] + 1}
        return state


class AcceptsAnything(Scale):
    def check_shape(self, shape):
        pass


class NamesNobody(Scale):
    def check_shape(self, shape):
        try:
            super().check_shape(shape)
        except ShapeError:
            raise ShapeError("bad shape") from None


class DrawsGlobally(Scale):
    def forward(self, x, **options):
        np.random.random()  # noqa: NPY002
        return super().forward(x, **options)


class WrongNextState(Scale):
    def next_state(self, cache):
        return {"mean": np.zeros(1)}


class RemembersCount(Scale):
    def forward(self, x, **options):
        self.__dict__["seen"] = len(x)
        return super().forward(x, **options)


BROKEN = [
    ("output_shape", WrongShape),
    ("dtypes", WidensDtype),
    ("inputs", WritesToInput),
    ("inputs", NeedsWritableInput),
    ("inputs", WritesToCache),
    ("inputs", MemoryOrderMatters),
    ("dx", WrongDx),
    ("param_gradients", WrongGradient),
    ("gradient_keys", ForgetsGradient),
    ("gradient_keys", WrongParamGrads),
    ("backward_twice", CountsCalls),
    ("interleaved", RemembersLastInput),
    ("shards", LooksAtTheBatch),
    ("state", DrawsGlobally),
    ("state", WrongNextState),
    ("state", RemembersCount),
    ("kernels", SlowKernelsDiffer),
    ("round_trips", ForgetsItsConfig),
    ("round_trips", CannotBePickled),
    ("shape_errors", AcceptsAnything),
    ("shape_errors", NamesNobody),
]


def test_the_layer_they_derive_from_passes():
    """The layer whose promises are broken below keeps them all."""
    check_layer(lambda: Scale(0.5), input_shape=(4, 3))


@pytest.mark.parametrize(("check", "layer"), BROKEN, ids=lambda value: str(value))
def test_each_check_fails_a_layer_that_breaks_its_promise(check, layer):
    """A layer that breaks one promise fails the check that is for it."""
    with pytest.raises(CheckError, match=layer.__name__):
        CHECKS[check](LayerCase(lambda: layer(0.5), (4, 3)))


def test_every_check_is_shown_to_fail():
    """No check is in the table that the broken layers above do not fail."""
    assert {check for check, _ in BROKEN} == set(CHECKS)


class Gate(Scale):
    """y = gain * a * b: a layer that merges and keeps all its promises, for others to break."""

    merges = True
    additive = True

    def output_shape(self, input_shape):
        if not isinstance(input_shape[0], tuple) or len({*input_shape}) != 1:
            raise ShapeError(f"{self.who}: expected two inputs of one shape, got {input_shape}.")
        return input_shape[0]

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.params = {"gain": np.full(input_shape[0][-1], self.start, dtype)}

    def forward(self, x, **options):
        self.output_shape(tuple(each.shape[1:] for each in x))
        return self.params["gain"] * x[0] * x[1], x

    def backward(self, dy, cache):
        a, b = cache
        scaled = dy * self.params["gain"]
        return (scaled * b, scaled * a), {"gain": (dy * a * b).sum(axis=(0, 1))}


class GateOfBatches(Gate):
    additive = False


class IsNoMerger(Gate):
    merges = False


class ForgetsAnInput(Gate):
    def backward(self, dy, cache):
        (da, _), grads = super().backward(dy, cache)
        return (da,), grads


class GivesAList(Gate):
    def backward(self, dy, cache):
        dxs, grads = super().backward(dy, cache)
        return list(dxs), grads


class WrongSecond(Gate):
    def backward(self, dy, cache):
        (da, db), grads = super().backward(dy, cache)
        return (da, 2 * db), grads


class WidensSecond(Gate):
    def backward(self, dy, cache):
        (da, db), grads = super().backward(dy, cache)
        return (da, db.astype(np.float64)), grads


class WritesToSecond(Gate):
    def forward(self, x, **options):
        made = super().forward(x, **options)
        if x[1].flags.writeable:
            x[1][...] += 1
        return made


class LeavesHalfTheBatch(Gate):
    def backward(self, dy, cache):
        (da, db), grads = super().backward(dy, cache)
        return (da, db * (len(db) == 3)), grads


class TakesAnyShapes(Gate):
    def output_shape(self, input_shape):
        return input_shape[0]


class PredictsTheFirst(Gate):
    def output_shape(self, input_shape):
        if not isinstance(input_shape[0], tuple):
            return super().output_shape(input_shape)
        return input_shape[0]

    def forward(self, x, **options):
        if not isinstance(x, tuple) or x[0].shape != x[1].shape:
            return np.zeros((3, 1)), x
        return super().forward(x, **options)


def test_a_layer_that_merges_passes_with_a_tuple_of_shapes():
    """In training as a sum of shards, as promised; and also without the promise."""
    check_layer(lambda: Gate(0.5), input_shape=((4, 3), (4, 3)))
    check_layer(lambda: GateOfBatches(0.5), input_shape=((2, 3), (2, 3)))


@pytest.mark.parametrize(
    ("check", "layer", "message"),
    [
        ("output_shape", IsNoMerger, "merges should be True for such inputs"),
        ("output_shape", ForgetsAnInput, "the first a tuple of 2 arrays"),
        ("output_shape", GivesAList, "the first a tuple of 2 arrays"),
        ("dx", WrongSecond, r"dx\[1\] is off .* All of it is 2 times"),
        ("dtypes", WidensSecond, r"dx\[1\] is float64, not float32"),
        ("inputs", WritesToSecond, "wrote to x"),
        ("shards", LeavesHalfTheBatch, r"dx\[1\] differs as the sum of two shards"),
        ("shape_errors", TakesAnyShapes, "should raise ShapeError"),
        ("shape_errors", PredictsTheFirst, r"predicted output \(3, 5, 3\) of .*, got \(3, 1\)"),
    ],
)
def test_what_a_layer_that_merges_breaks_is_found_in_each_input(check, layer, message):
    """And the message says in which."""
    with pytest.raises(CheckError, match=f"{layer.__name__} .*{message}"):
        CHECKS[check](LayerCase(lambda: layer(0.5), ((4, 3), (4, 3))))


def test_a_missing_bias_gradient_is_found_in_a_real_layer(monkeypatch):
    """A convolution whose bias gradient is halved fails, and the message says where."""
    original = Conv2D.backward

    def halved(self, dy, cache):
        dx, grads = original(self, dy, cache)
        return dx, grads | {"bias": grads["bias"] / 2}

    monkeypatch.setattr(Conv2D, "backward", halved)
    with pytest.raises(CheckError, match="Conv2D 'checked': the gradient of bias is off"):
        check_layer(lambda: Conv2D(2, 2), input_shape=(3, 3, 1))


SLIPS = {
    "sign": (lambda dx, g: (-dx, g), r"dx is off .* in 12 of 12 .* All of it is -1 \(its sign\)"),
    "sum": (lambda dx, g: (dx, g | {"kernel": 3 * g["kernel"]}), r"kernel .* is 3 \(the batch\)"),
    "mean": (lambda dx, g: (dx, g | {"bias": g["bias"] / 3}), r"bias .* is 1/3 \(of the batch\)"),
    "half": (lambda dx, g: (dx / 2, g), "All of it is 1/2 times"),
    "any": (lambda dx, g: (dx * dx.dtype.type(0.37), g), "All of it is 0.37 times"),
    "zero": (lambda dx, g: (0 * dx, g), "got 0. All of it is 0"),
    "turned": (lambda dx, g: (dx, g | {"kernel": g["kernel"].T.copy()}), "transposed in its last"),
    "shape": (lambda dx, g: (dx.T, g), r"dx should have shape \(3, 4\), got \(4, 3\) \(it is tr"),
    "row": (lambda dx, g: (dx, g | {"bias": g["bias"][None]}), r"bias in grads .* got \(1, 4\)"),
    "missing": (lambda dx, g: (dx, {"kernel": g["kernel"]}), r"keys \['bias', .*got \['kernel'\]"),
    "one": (lambda dx, g: (_moved(dx, (2, 1)), g), r"in 1 of 12 numbers, most at \[2, 1\]: exp"),
    "NaN": (lambda dx, g: (dx * np.float32("nan"), g), "got nan"),
    "no pair": (lambda dx, g: dx, r"backward should return \(dx, grads\)"),
}


def _moved(dx, place):
    """dx, wrong by 1 at one place."""
    dx = dx.copy()
    dx[place] += 1
    return dx


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_gradient_is_told_where_and_by_how_much(slip):
    """The place, the expected number, and the one explanation: nothing longer."""
    change, message = SLIPS[slip]

    class Slipped(Dense):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return change(dx, grads)

        def param_grads(self, dy, cache):
            return self.backward(dy, cache)[1]

    with pytest.raises(CheckError, match=f"^Slipped 'checked': .*{message}") as error:
        check_layer(lambda: Slipped(4), input_shape=(4,))
    assert len(str(error.value)) <= 200


def test_numeric_gradient_of_a_cubic():
    """Central differences give 3 x^2 for x^3."""
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    np.testing.assert_allclose(numeric_gradient(lambda v: np.sum(v**3), x), 3 * x**2, rtol=1e-8)


def test_a_layer_without_cache():
    """The empty cache prints as what it is."""
    assert repr(NoCache()) == "NoCache()"
