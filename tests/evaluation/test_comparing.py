"""Comparisons of two classifiers, and intervals."""

import math

import numpy as np
import pytest

from minicnn import Dense, Input, Model, Sequential
from minicnn.errors import ConfigError, DataError
from minicnn.evaluation import bootstrap_interval, compare, mcnemar, mean_interval, probabilities
from minicnn.evaluation.intervals import _t
from minicnn.losses import SparseCategoricalCrossentropy

RNG = np.random.default_rng(0)


def scores(right, y):
    """Predictions of two classes that are right where ``right`` is true."""
    said = np.where(right, y, 1 - y)
    return np.eye(2)[said] * 0.6 + 0.2


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 6), (6, 1), (5, 5), (0, 9), (40, 61)])
def test_mcnemar_is_the_sign_test_counted_out(a, b):
    """The p-value is the chance of what is at least as uneven, added up term by term."""
    n = a + b
    chances = [math.comb(n, i) / 2**n for i in range(n + 1)]
    expected = sum(p for i, p in enumerate(chances) if p <= chances[a] * (1 + 1e-9))
    assert mcnemar(a, b) == pytest.approx(min(1, expected))


def test_mcnemar_of_many_samples_is_a_number():
    """Thousands of samples overflow nothing."""
    assert 0 < mcnemar(4000, 4300) < 0.01


def test_a_comparison_counts_each_sample_once():
    """Hand-worked: 10 samples, 4 right by both, 1 by a alone, 3 by b alone, 2 by neither."""
    y = np.array([0, 1] * 5)
    a = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], bool)
    b = np.array([1, 1, 1, 1, 0, 1, 1, 1, 0, 0], bool)
    found = compare(scores(a, y), scores(b, y), None, y, names=["old", "new"])
    assert (found.both, found.only, found.neither) == (4, (1, 3), 2)
    assert found.accuracies == (0.5, 0.7)
    assert found.difference == pytest.approx(0.2)
    assert found.p_value == pytest.approx(2 * (1 + 4) / 16)
    assert "These data do not tell which is better." in str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert "<table>" in found._repr_html_()


def test_the_paired_bootstrap_draws_samples_of_both_together():
    """The interval is that of drawing rows again, one by one, within its own noise."""
    y = RNG.integers(0, 2, 200)
    a, b = RNG.random(200) < 0.7, RNG.random(200) < 0.85
    found = compare(scores(a, y), scores(b, y), None, y)
    rows = np.stack([a, b], axis=1).astype(float)
    low, high = bootstrap_interval(rows, lambda x: x[:, 1].mean() - x[:, 0].mean(), draws=4000)
    assert found.difference_interval == pytest.approx((low, high), abs=0.011)


def test_models_are_compared_on_what_they_predict():
    """Models and their predictions give the same; logits are made probabilities."""
    x, y = RNG.normal(size=(60, 3)), RNG.integers(0, 3, 60)
    models = []
    for logits in (False, True):
        model = Sequential([Input((3,)), Dense(3, None if logits else "softmax")], seed=1)
        model.compile("sgd", SparseCategoricalCrossentropy(from_logits=logits))
        models.append(model)
    one, other = (probabilities(model, x) for model in models)
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert str(compare(*models, x, y)) == str(compare(one, other, x, y))


def test_what_is_no_prediction_is_refused():
    """Scores, labels and models that do not fit are named in one line."""
    good = scores(np.ones(4, bool), np.zeros(4, int))
    cases = [
        (np.array([[2.0, -1.0]] * 4), np.zeros(4, int), DataError, "add up to 1"),
        (good, np.zeros(3, int), DataError, "a label for each prediction"),
        (good, np.full(4, 2), DataError, "labels from 0 to 1"),
        (good, np.full(4, 0.5), DataError, "class numbers"),
        (good, None, DataError, "got no labels"),
        (np.zeros((4, 2, 2)), np.zeros(4, int), DataError, r"\(N, classes\)"),
    ]
    for a, y, error, words in cases:
        with pytest.raises(error, match=words):
            compare(a, good, None, y)
    two = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ConfigError, match="one input and one output"):
        probabilities(Model(two.input, [two.output, two.input]), np.zeros((2, 4)))


def test_students_t_goes_on_where_the_table_ends():
    """The expansion meets the table, and the normal distribution far out."""
    assert _t(31) == pytest.approx(2.0395, abs=2e-4)
    assert _t(100) == pytest.approx(1.9840, abs=2e-4)
    assert _t(10**6) == pytest.approx(1.95996, abs=1e-4)
    low, high = mean_interval([1.0, 2.0, 3.0])
    assert (low + high) / 2 == pytest.approx(2)
    assert high - 2 == pytest.approx(4.3027 / 3**0.5)
    with pytest.raises(DataError, match="two numbers or more"):
        mean_interval([1.0])
