"""The checks that every layer passes, for custom layers as well.

    def test_my_layer():
        check_layer(lambda: MyLayer(3), input_shape=(6, 6, 2))

Each check is a function of a ``LayerCase`` and raises ``CheckError``, an
``AssertionError`` that says which promise of the layer contract was broken.
Gradients are compared with central differences in double precision, on inputs
whose values lie well apart, so that no step crosses the corner of a ReLU or
changes which pixel wins a pool.

A layer that merges is tried on a tuple of inputs, and all that is said of x and
dx holds for each of them.
"""

import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._core.traits import keeps
from minicnn.errors import ShapeError
from minicnn.kernels import KERNELS
from minicnn.layers import Layer
from minicnn.layers.building import walk
from minicnn.testing.comparing import (
    CheckError,
    each,
    identical,
    in_training,
    mapped,
    named,
    replaced,
    require,
    require_close,
    require_like,
    require_like_params,
    require_near,
    require_shape_error,
)
from minicnn.testing.layer_case import LayerCase

__all__ = ["CHECKS", "CheckError", "LayerCase", "check_layer", "numeric_gradient"]

STEP = 1e-5
"""How far a number is moved each way for a central difference; its error is about STEP ** 2."""


def check_layer(
    make: Callable[[], Layer],
    input_shape: Shape | tuple[Shape, ...],
    *,
    batch: int = 3,
    seed: int = 0,
) -> None:
    """Run all ``CHECKS`` on a layer; raises ``CheckError`` at the first promise it breaks.

    ``make`` is called without arguments and returns a new layer, not yet built.
    Keep ``input_shape`` small: every number of the input is moved both ways. For a layer that
    merges it is a tuple of shapes, as ((2, 3), (2, 3)).

    >>> from minicnn import Dense
    >>> check_layer(lambda: Dense(2, activation="tanh"), input_shape=(3,))
    """
    case = LayerCase(make, input_shape, batch, seed)
    for check in CHECKS.values():
        check(case)


def check_output_shape(case: LayerCase) -> None:
    """The shape that ``output_shape`` predicts comes out, dx has x's, and grads have params'."""
    layer, x = case.built(), case.x()
    require(layer, layer.merges == case.merges, f"merges should be {case.merges} for such inputs")
    predicted = (case.batch, *layer.output_shape(case.input_shape))
    for training in (False, True):
        y, dx, grads = case.both(layer, x, training)
        require(layer, y.shape == predicted, f"predicted output {predicted}, got {y.shape}")
        for (name, d), value in zip(named("dx", dx).items(), each(x), strict=True):
            require_like(layer, name, d, value)
        require_like_params(layer, "grads", grads)


def check_dtypes(case: LayerCase) -> None:
    """What goes in as float32 comes out as float32, and float64 as float64."""
    for dtype in ("float32", "float64"):
        layer, x = case.built(dtype), case.x(dtype)
        for training in (False, True):
            y, dx, grads = case.both(layer, x, training)
            for name, array in {"y": y, **named("dx", dx), **grads, **layer.arrays()}.items():
                require(layer, array.dtype == dtype, f"{name} is {array.dtype}, not {dtype}")


def check_inputs(case: LayerCase) -> None:
    """Read-only and non-contiguous inputs work, and nothing that is given is written to."""
    layer, x = case.built(), case.x()
    y, dx, grads = case.both(layer, x)
    for given in (mapped(_strided, x), mapped(_wide, x), mapped(np.copy, x)):
        before = mapped(np.copy, given)
        arrays = {name: array.copy() for name, array in layer.arrays().items()}
        y2, cache = case.forward(layer, given, training=True)
        kept = copy.deepcopy(cache)
        dy = np.repeat(case.dy(y2), 2, axis=0)[::2]
        dy_before = dy.copy()
        dx2, grads2 = layer.backward(dy, cache)
        require(layer, identical(given, before), "forward or backward wrote to x")
        require(layer, np.array_equal(dy, dy_before), "backward wrote to dy")
        require(layer, identical(cache, kept), "backward wrote to the cache")
        require(layer, identical(layer.arrays(), arrays), "forward or backward wrote to the layer")
        require_close(layer, "on a non-contiguous input", (y2, dx2, grads2), (y, dx, grads))


def _strided(x: Array) -> Array:
    return np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)


def _wide(x: Array) -> Array:
    return np.repeat(_strided(x), 2, axis=-1)[..., ::2]


def check_dx(case: LayerCase) -> None:
    """dx is what central differences give."""
    layer, x = case.built(), case.x()
    alone = all(keeps(part, "additive") and not part.random for part in walk([layer]))
    for training in (False, True):
        y, dx, _ = case.both(layer, x, training)
        dy = case.dy(y)
        for place, (name, d) in enumerate(named("dx", dx).items()):

            def total(
                value: Array, place: int = place, dy: Array = dy, training: bool = training
            ) -> float:
                given = replaced(x, place, value)
                return float(np.sum(case.forward(layer, given, training)[0] * dy))

            if alone:
                wanted = _gradient_by_images(case, layer, x, place, dy, training)
            else:
                wanted = numeric_gradient(total, each(x)[place])
            require_near(layer, f"{name}{in_training(training)}", d, wanted, case.batch)


def _gradient_by_images(
    case: LayerCase, layer: Layer, x: Any, place: int, dy: Array, training: bool
) -> Array:
    """As ``numeric_gradient``, all numbers of an image at once, where none depends on another."""
    images = each(x)[place].astype(np.float64)
    gradient = np.empty(images.shape)
    for i, image in enumerate(images):
        moves = STEP * np.eye(image.size).reshape(-1, *image.shape)
        moved = np.concatenate([image + moves, image - moves])
        same = mapped(partial(_repeated, i, len(moved)), x)
        y = case.forward(layer, replaced(same, place, moved), training)[0]
        above, below = (y * dy[i]).reshape(2, image.size, -1).sum(axis=-1)
        gradient[i] = ((above - below) / (2 * STEP)).reshape(image.shape)
    return gradient


def _repeated(i: int, times: int, x: Array) -> Array:
    return np.repeat(x[i : i + 1], times, axis=0)


def check_param_gradients(case: LayerCase) -> None:
    """The gradient of every parameter is what central differences give."""
    layer, x = case.built(), case.x()
    for training in (False, True):
        y, _, grads = case.both(layer, x, training)
        dy = case.dy(y)
        for name, param in layer.params.items():

            def total(
                value: Array, name: str = name, dy: Array = dy, training: bool = training
            ) -> float:
                changed = copy.copy(layer)
                changed.params = layer.params | {name: value}
                return float(np.sum(case.forward(changed, x, training)[0] * dy))

            what = f"the gradient of {name}{in_training(training)}"
            require_near(layer, what, grads[name], numeric_gradient(total, param), case.batch)


def check_gradient_keys(case: LayerCase) -> None:
    """``grads`` has exactly the keys, shapes and dtypes of ``params``, by either backward pass."""
    layer, x = case.built("float32"), case.x("float32")
    y, cache = case.forward(layer, x, training=True)
    dy = case.dy(y)
    require_like_params(layer, "grads", layer.backward(dy, cache)[1])
    require_like_params(layer, "param_grads", layer.param_grads(dy, cache))
    layer, x = case.built("float64"), case.x("float64")
    y, cache = case.forward(layer, x, training=True)
    dy = case.dy(y)
    grads = layer.backward(dy, cache)[1]
    require_close(layer, "in param_grads", (y, y, layer.param_grads(dy, cache)), (y, y, grads))


def check_backward_twice(case: LayerCase) -> None:
    """Going back twice through one cache gives the same twice."""
    layer, x = case.built(), case.x()
    y, cache = case.forward(layer, x, training=True)
    first = layer.backward(case.dy(y), cache)
    second = layer.backward(case.dy(y), cache)
    require(layer, identical(first, second), "backward gave something else the second time")


def check_interleaved(case: LayerCase) -> None:
    """Two batches under way at once, in turn or in threads, do not disturb each other."""
    layer = case.built()
    batches = [case.x(salt=salt) for salt in range(4)]
    alone = [case.both(layer, x) for x in batches]
    caches = [case.forward(layer, x, training=True)[1] for x in batches]
    for (y, dx, grads), cache in reversed(list(zip(alone, caches, strict=True))):
        dx2, grads2 = layer.backward(case.dy(y), cache)
        require_close(layer, "interleaved with others", (y, dx2, grads2), (y, dx, grads))
    with ThreadPoolExecutor(len(batches)) as pool:
        together = list(pool.map(lambda x: case.both(layer, x), batches * 4))
    for got, wanted in zip(together, alone * 4, strict=True):
        require_close(layer, "in a thread beside others", got, wanted)


def check_shards(case: LayerCase) -> None:
    """Outside training a batch is the sum of its shards; in training too, if that is promised.

    A layer that promises it (``additive``) and draws must say that it does (``random``).
    """
    layer, x = case.built(), case.x()
    cut, every = case.batch // 2, list(walk([layer]))
    draws = any(part.random for part in every)
    for training in (False, True):
        if training and not all(keeps(part, "additive") for part in every):
            continue
        if training:
            rng, untouched = (np.random.default_rng(case.seed) for _ in range(2))
            layer.forward(x, training=True, rng=rng)
            same = rng.bit_generator.state == untouched.bit_generator.state
            require(layer, draws or same, "draws from rng in training, and is not random = True")
            if draws:
                continue
        y, cache = case.forward(layer, x, training)
        dy = case.dy(y)
        dx, grads = layer.backward(dy, cache)
        parts = []
        for part in (slice(None, cut), slice(cut, None)):
            given = mapped(lambda a, part=part: a[part], x)
            y_part, cache = case.forward(layer, given, training)
            parts.append((y_part, *layer.backward(dy[part], cache)))
        (y1, dx1, grads1), (y2, dx2, grads2) = parts
        summed = {name: grads1[name] + grads2[name] for name in grads1}
        dx12 = mapped(lambda *both: np.concatenate(both), dx1, dx2)
        joined = np.concatenate([y1, y2]), dx12, summed
        promised = ", which additive = True promises to be the same" * training
        require_close(layer, f"as the sum of two shards{promised}", joined, (y, dx, grads))


def check_state(case: LayerCase) -> None:
    """The next state has the keys, shapes and dtypes of ``state``; no global generator is drawn on.

    Neither forward nor backward nor ``next_state`` changes the layer itself.
    """
    layer, x = case.built("float32"), case.x("float32")
    before = np.random.get_state()  # noqa: NPY002
    attributes, kept = dict(vars(layer)), copy.deepcopy(vars(layer))
    y, cache = case.forward(layer, x, training=True)
    layer.backward(case.dy(y), cache)
    found = {name: (array.shape, array.dtype) for name, array in layer.next_state(cache).items()}
    wanted = {name: (array.shape, array.dtype) for name, array in layer.state.items()}
    require(layer, found == wanted, f"next_state should be {wanted}, got {found}")
    same = vars(layer).keys() == attributes.keys() and identical(vars(layer), kept)
    require(layer, same, "forward, backward or next_state wrote to the layer")
    after = np.random.get_state()  # noqa: NPY002
    require(layer, identical(before, after), "the layer drew from NumPy's global generator")


def check_kernels(case: LayerCase) -> None:
    """Every set of kernels gives the same."""
    layer, x = case.built(), case.x()
    for training in (False, True):
        wanted = case.both(layer, x, training)
        for kernels in KERNELS:
            other = copy.copy(layer)
            other.kernel_set = kernels
            require_close(layer, f"with {kernels} kernels", case.both(other, x, training), wanted)


def check_round_trips(case: LayerCase) -> None:
    """A layer comes back from its config, through JSON, and from a pickle as it was."""
    layer, x = case.built(), case.x()
    wanted = case.both(layer, x)
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    require(layer, repr(again) == repr(layer), f"{layer!r} came back from its config as {again!r}")
    same = json.loads(json.dumps(again.get_config()))
    require(layer, same == config, f"the config {config} came back as {same}")
    again.build(case.input_shape, np.random.default_rng(0), "float64")
    again.params, again.state = layer.params, layer.state
    require_close(layer, "made from its config", case.both(again, x), wanted)
    require_close(layer, "unpickled", case.both(pickle.loads(pickle.dumps(layer)), x), wanted)


def check_shape_errors(case: LayerCase) -> None:
    """Wrong rank or channels raise ``ShapeError``: who, what was expected, what came."""
    layer = case.built()
    if case.merges:
        _check_shapes_together(case, layer)
        return
    expected = layer.expected_shape()
    wrong: list[Shape] = []
    if expected[:1] != ("...",):
        wrong += [case.input_shape[1:], (*case.input_shape, 2)]
    for axis in range(1, len(expected) + 1):
        if isinstance(expected[-axis], int):
            longer = list(case.input_shape)
            longer[-axis] += 1
            wrong.append(tuple(longer))
    for shape in wrong:
        x = np.zeros((case.batch, *shape))
        require_shape_error(layer, partial(layer.forward, x), x.shape)
        require_shape_error(layer, partial(layer.output_shape, shape), shape)


def _check_shapes_together(case: LayerCase, layer: Layer) -> None:
    """Shapes that do not fit each other raise ``ShapeError``; of others the predicted one comes."""
    one = case.input_shape[0]
    require_shape_error(layer, partial(layer.output_shape, one), one)
    for place, shape in enumerate(case.input_shape):
        for axis in range(len(shape)):
            longer = (*shape[:axis], shape[axis] + 1, *shape[axis + 1 :])
            shapes = replaced(case.input_shape, place, longer)
            given: Any = tuple(np.zeros((case.batch, *s)) for s in shapes)
            try:
                predicted = (case.batch, *layer.output_shape(shapes))
            except ShapeError:
                require_shape_error(layer, partial(layer.output_shape, shapes), *shapes)
                require_shape_error(layer, partial(layer.forward, given), *shapes)
            else:
                y = case.forward(layer, given, training=False)[0]
                fits = y.shape == predicted
                require(layer, fits, f"predicted output {predicted} of {shapes}, got {y.shape}")


def _reported(check: Callable[[LayerCase], None]) -> Callable[[LayerCase], None]:
    """The check, with whatever else a broken layer raises made a ``CheckError``."""

    @wraps(check)
    def run(case: LayerCase) -> None:
        try:
            check(case)
        except CheckError:
            raise
        except Exception as error:
            raise CheckError(
                f"{case.make().who}: {check.__name__} met {type(error).__name__}: {error}"
            ) from error

    return run


CHECKS: dict[str, Callable[[LayerCase], None]] = {
    check.__name__.removeprefix("check_"): _reported(check)
    for check in (
        check_output_shape, check_dtypes, check_dx, check_param_gradients, check_gradient_keys,
        check_inputs, check_backward_twice, check_interleaved, check_shards, check_state,
        check_kernels, check_round_trips, check_shape_errors,
    )
}  # fmt: skip


def numeric_gradient(function: Callable[[Array], float], x: Array) -> Array:
    """The gradient of ``function`` at x by central differences, one number at a time.

        (f(x + h) - f(x - h)) / 2h, with h = 1e-5

    >>> numeric_gradient(lambda x: float(np.sum(x**2)), np.array([1.0, 2.0])).round(6).tolist()
    [2.0, 4.0]
    """
    moved = x.astype(np.float64)
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        moved[index] = x[index] + STEP
        above = function(moved)
        moved[index] = x[index] - STEP
        gradient[index] = (above - function(moved)) / (2 * STEP)
        moved[index] = x[index]
    return gradient
