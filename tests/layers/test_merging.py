"""Layers that take several inputs: the contract of every layer, shapes, files and ONNX."""

import math

import numpy as np
import pytest

from minicnn import (
    Add,
    Average,
    Concatenate,
    Dense,
    Dot,
    Input,
    Maximum,
    Minimum,
    Model,
    Multiply,
    Sequential,
    Subtract,
    export_onnx,
    import_onnx,
    load_model,
)
from minicnn.errors import ShapeError
from minicnn.onnx.merging import MERGERS
from minicnn.testing.cases import MERGING

rng = np.random.default_rng(0)


def network(case, seed=0):
    """A model of one merging layer, and a batch of three for each input."""
    inputs = [Input(shape) for shape in case.input_shape]
    rng = np.random.default_rng(seed)
    xs = [rng.standard_normal((3, *shape), np.float32) for shape in case.input_shape]
    return Model(inputs, case.make()(inputs)), xs


@pytest.mark.parametrize("case", MERGING, ids=repr)
def test_layer_comes_back_from_a_file(case, tmp_path):
    """With its arguments, among several inputs."""
    model, xs = network(case)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert again.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_array_equal(again.predict(xs), model.predict(xs))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("case", [c for c in MERGING if type(c.make()) in MERGERS], ids=repr)
def test_layer_there_and_back_in_onnx(case, layout, tmp_path):
    """In both layouts, and read back."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    model, xs = network(case)
    export_onnx(model, tmp_path / "a.onnx", layout=layout)
    again = import_onnx(tmp_path / "a.onnx")
    given = dict(zip(again.input_names, xs, strict=True))
    np.testing.assert_allclose(again.predict(given), model.predict(xs), rtol=1e-6, atol=1e-6)


def test_numbers_by_hand():
    """A few sums, products and maxima, and where their gradients go."""
    a, b = np.array([[1.0, 5.0]]), np.array([[3.0, 5.0]])
    dy = np.array([[10.0, 100.0]])

    def both(layer):
        y, cache = layer.forward((a, b))
        (da, db), _ = layer.backward(dy, cache)
        return [array.ravel().tolist() for array in (y, da, db)]

    assert both(Add()) == [[4, 10], [10, 100], [10, 100]]
    assert both(Subtract()) == [[-2, 0], [10, 100], [-10, -100]]
    assert both(Multiply()) == [[3, 25], [30, 500], [10, 500]]
    assert both(Maximum()) == [[3, 5], [0, 100], [10, 0]]  # of equals the first gets it
    assert Concatenate().forward((a, b))[0].tolist() == [[1, 5, 3, 5]]
    dot, cache = Dot(axes=1).forward((a, b))
    assert dot.tolist() == [[28]]
    (da, db), _ = Dot(axes=1).backward(np.array([[2.0]]), cache)
    assert (da.tolist(), db.tolist()) == ([[6, 10]], [[2, 10]])


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (Add(), [(3,), (4,)], r"Add: expected inputs of one shape, .* got \(3,\) and \(4,\)"),
        (Add(), [(3,)], "Add: expected at least 2 inputs, got 1"),
        (Subtract(), [(3,)] * 3, "Subtract: expected two inputs, got 3"),
        (Concatenate(), [(2, 3), (4, 3)], "alike but for axis -1"),
        (Concatenate(axis=3), [(2, 3), (2, 3)], "expected input with an axis 3"),
        (Dot(axes=1), [(3,), (4,)], "as many numbers along the axes 1"),
        (Dense(2), [(3,), (3,)], r"Dense: expected one input, got 2. Merge them first"),
    ],
)
def test_shapes_that_do_not_fit_are_said_when_a_layer_is_called(layer, shapes, message):
    """One line: who, what was expected, what came."""
    with pytest.raises(ShapeError, match=message):
        layer([Input(shape) for shape in shapes])


@pytest.mark.parametrize("layer", [Add(), Concatenate(), Dot(axes=1)], ids=repr)
def test_batches_of_different_sizes_are_refused(layer):
    """Also a batch of one, which would broadcast."""
    layer.build(((3,), (3,)), np.random.default_rng(0), "float32")
    for n in (1, 2):
        with pytest.raises(ShapeError, match=rf"of one batch size, got .*\(4, 3\) and \({n}, 3\)"):
            layer.forward((np.ones((4, 3)), np.ones((n, 3))))


def test_gradients_of_what_was_repeated_often_keep_their_digits():
    """A sum of 10,000 numbers in single precision is right to its last digits."""
    layer, shapes = Multiply(), ((100, 100, 2), (1, 1, 2))
    layer.build(shapes, np.random.default_rng(0), "float32")
    a, b, dy = (rng.random((2, *s), np.float32) for s in (*shapes, shapes[0]))
    db = layer.backward(dy, layer.forward((a, b))[1])[0][1]
    assert db.dtype == np.float32
    wanted = (a * dy).sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(db, wanted, rtol=1e-7)


def by_loops(layer, xs, shape):
    """The output for one image, number by number, with no broadcasting of NumPy's."""
    y = np.empty(shape)
    for place in np.ndindex(shape):
        numbers = []
        for x in xs:
            own = place[len(place) - x.ndim :]
            numbers.append(x[tuple(i if n > 1 else 0 for i, n in zip(own, x.shape, strict=True))])
        y[place] = FOLDS[type(layer)](numbers)
    return y


FOLDS = {
    Add: sum,
    Subtract: lambda numbers: numbers[0] - numbers[1],
    Multiply: math.prod,
    Average: lambda numbers: sum(numbers) / len(numbers),
    Maximum: max,
    Minimum: min,
}


@pytest.mark.parametrize("case", [c for c in MERGING if type(c.make()) in FOLDS], ids=repr)
def test_numbers_by_loops(case):
    """Inputs of other shapes and ranks are repeated as the loops do it."""
    layer, xs = case.built(), case.x()
    y = layer.forward(xs)[0]
    for i, one in enumerate(y):
        wanted = by_loops(layer, [x[i] for x in xs], one.shape)
        np.testing.assert_allclose(one, wanted, rtol=1e-14)


@pytest.mark.parametrize("axes", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_dot_by_loops(axes):
    """Along each pair of axes: the other axis of a, then that of b."""
    layer, sizes = Dot(axes), {axes[0]: 3, 3 - axes[0]: 2}
    others = {axes[1]: 3, 3 - axes[1]: 4}
    a, b = (rng.standard_normal((2, s[1], s[2])) for s in (sizes, others))
    layer.build((a.shape[1:], b.shape[1:]), np.random.default_rng(0), "float64")
    y = layer.forward((a, b))[0]
    assert y.shape == (2, 2, 4)
    for n, i, j in np.ndindex(y.shape):
        total = 0.0
        for k in range(3):
            left = a[n, k, i] if axes[0] == 1 else a[n, i, k]
            total += left * (b[n, k, j] if axes[1] == 1 else b[n, j, k])
        assert y[n, i, j] == pytest.approx(total, rel=1e-12)


def test_one_array_may_be_given_twice():
    """Then the gradients of its two uses are apart, to be added up."""
    x, dy = np.array([[2.0, -3.0]]), np.array([[1.0, 10.0]])
    y, cache = Multiply().forward((x, x))
    (one, other), _ = Multiply().backward(dy, cache)
    assert y.tolist() == [[4, 9]]
    assert one.tolist() == other.tolist() == [[2, -30]]


def test_a_row_has_no_place_for_it():
    """In Sequential a merging layer has one input only."""
    with pytest.raises(ShapeError, match=r"It is no layer of a row: use Model\(inputs, outputs\)"):
        Sequential([Input((3,)), Add()])
