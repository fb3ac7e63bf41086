"""Intervals, tests and curves against SciPy, statsmodels and scikit-learn."""

import numpy as np
import pytest

from minicnn import evaluation
from minicnn.metrics import wilson_interval

pytestmark = pytest.mark.peers
RNG = np.random.default_rng(0)


def test_mcnemar_is_that_of_statsmodels():
    """The exact p-value of 40 tables."""
    peer = pytest.importorskip("statsmodels.stats.contingency_tables")
    for _ in range(40):
        a, b = (int(n) for n in RNG.integers(0, 60, 2))
        expected = peer.mcnemar([[10, a], [b, 20]], exact=True).pvalue
        assert evaluation.mcnemar(a, b) == pytest.approx(expected, rel=1e-9)


def test_wilson_is_that_of_statsmodels():
    """The bounds of 100 fractions, 0 and 1 among them."""
    peer = pytest.importorskip("statsmodels.stats.proportion")
    for _ in range(100):
        total = int(RNG.integers(1, 500))
        right = int(RNG.integers(0, total + 1))
        expected = peer.proportion_confint(right, total, method="wilson")
        assert wilson_interval(right, total) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [2, 3, 8, 31, 32, 60, 500])
def test_the_interval_of_a_mean_is_that_of_scipy(n):
    """Student's t, within the table and beyond it."""
    stats = pytest.importorskip("scipy.stats")
    values = RNG.normal(size=n)
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert evaluation.mean_interval(values) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_the_bootstrap_is_that_of_scipy():
    """The percentile interval of a mean, within the noise of the draws."""
    stats = pytest.importorskip("scipy.stats")
    values = RNG.exponential(size=150)
    peer = stats.bootstrap((values,), np.mean, method="percentile", random_state=1)
    found = evaluation.bootstrap_interval(values)
    assert found == pytest.approx(tuple(peer.confidence_interval), abs=0.01)


@pytest.mark.parametrize("levels", [4, 10_000])
def test_curves_are_those_of_scikit_learn(levels):
    """Areas and all points, with ties and without."""
    peer = pytest.importorskip("sklearn.metrics")
    y = RNG.integers(0, 2, 300)
    score = (RNG.integers(0, levels, 300) + levels * 0.3 * y) / levels
    roc = evaluation.roc_curve(y, score)
    x, z, cuts = peer.roc_curve(y, score, drop_intermediate=False)
    np.testing.assert_allclose(roc.x, x)
    np.testing.assert_allclose(roc.y, z)
    np.testing.assert_allclose(roc.thresholds[1:], cuts[1:])
    assert roc.area == pytest.approx(peer.roc_auc_score(y, score))
    pr = evaluation.precision_recall_curve(y, score)
    assert pr.area == pytest.approx(peer.average_precision_score(y, score))
    precision, recall, _ = peer.precision_recall_curve(y, score)
    np.testing.assert_allclose(pr.x, recall[::-1])
    np.testing.assert_allclose(pr.y, precision[::-1])


def test_calibration_is_that_of_scikit_learn():
    """How sure and how often right, bin by bin, of two classes."""
    peer = pytest.importorskip("sklearn.calibration")
    p = RNG.uniform(0, 1, 500)
    y = (RNG.random(500) < p**2).astype(int)
    scores = np.stack([1 - p, p], axis=1)
    found = evaluation.calibration_curve(y, scores, bins=10)
    right = scores.argmax(axis=1) == y
    fraction, mean = peer.calibration_curve(right, scores.max(axis=1), n_bins=10)
    np.testing.assert_allclose(found.right, fraction)
    np.testing.assert_allclose(found.sure, mean)
