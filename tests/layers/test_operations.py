"""The layers behind functions of tensors, on numbers that are worked out by hand."""

import numpy as np
import pytest

from minicnn.errors import ConfigError, ShapeError
from minicnn.layers import Clip, Elementwise, Power, Reduce, Slice


def passed(layer, x, dy):
    y, cache = layer.forward(np.array(x))
    return y.tolist(), layer.backward(np.array(dy), cache)[0].tolist()


def test_equal_maxima_share_the_gradient():
    """As in TensorFlow; a mean gives each its part, a sum all of it."""
    x = [[2.0, 5.0, 5.0]]
    assert passed(Reduce("max", 1), x, [6.0]) == ([5.0], [[0.0, 3.0, 3.0]])
    assert passed(Reduce("min", -1, keepdims=True), x, [[6.0]]) == ([[2.0]], [[6.0, 0.0, 0.0]])
    assert passed(Reduce("mean", 1), x, [6.0]) == ([4.0], [[2.0, 2.0, 2.0]])
    assert passed(Reduce("sum", (1,)), x, [6.0]) == ([12.0], [[6.0, 6.0, 6.0]])


def test_a_bound_lets_the_gradient_through():
    """A number that is the bound is not cut off."""
    x, dy = [[-1.0, 0.0, 0.5, 1.0, 2.0]], [[1.0, 1.0, 1.0, 1.0, 1.0]]
    assert passed(Clip(0, 1), x, dy)[1] == [[0.0, 1.0, 1.0, 1.0, 0.0]]
    assert passed(Clip(x_max=0.5), x, dy)[1] == [[1.0, 1.0, 1.0, 0.0, 0.0]]


def test_what_is_not_taken_has_no_gradient():
    """Slices backwards, places, and new axes."""
    x = [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]
    assert passed(Slice((slice(None), slice(None, None, -2), 1)), x, [[7.0, 8.0]]) == (
        [[6.0, 2.0]],
        [[[0.0, 8.0], [0.0, 0.0], [0.0, 7.0]]],
    )
    assert Slice((slice(None), None, "...", 0)).output_shape((3, 2)) == (1, 3)


def test_ends_of_functions():
    """Infinite where Keras' are, and without a warning."""
    assert passed(Elementwise("sqrt"), [[0.0, 4.0]], [[1.0, 1.0]]) == (
        [[0.0, 2.0]],
        [[np.inf, 0.25]],
    )
    assert passed(Elementwise("log"), [[0.0]], [[1.0]]) == ([[-np.inf]], [[np.inf]])
    assert passed(Power(-1), [[0.5]], [[1.0]]) == ([[2.0]], [[-4.0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Elementwise("sqare"), "expected function as one of .* Did you mean 'square'"),
        (lambda: Reduce("median"), "expected function as one of max, mean, min, sum"),
        (lambda: Reduce("mean", None), "nothing is taken over the samples of a batch"),
        (lambda: Reduce("mean", 0).output_shape((3,)), "expected axis from 1 to 1, or from -1"),
        (lambda: Reduce("mean", 2).output_shape((3,)), "expected axis from 1 to 1, or from -1"),
        (lambda: Reduce("mean", (1, -1)).output_shape((3,)), "expected axis from 1 to 1"),
        (lambda: Clip(), "expected x_min or x_max, got neither"),
        (lambda: Slice(slice(1, 3)).output_shape((3,)), r"expected \[:, ...\], as the first"),
        (lambda: Slice((slice(None), 3)).output_shape((3,)), "index 3 is out of bounds"),
        (lambda: Slice((slice(None), slice(3, 3))).output_shape((3,)), "nothing is left of an"),
        (lambda: Slice((slice(None), 1.5)), "expected whole numbers, a:b:c, ... and None"),
        (lambda: Slice((slice(None), slice(None, None, 0))), "expected whole numbers, a:b:c"),
    ],
)
def test_mistakes_are_one_line(make, message):
    """Who, what was expected and what came."""
    with pytest.raises((ConfigError, ShapeError), match=message) as error:
        make()
    assert "\n" not in str(error.value)
