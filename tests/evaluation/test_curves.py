"""Curves over the threshold, calibration, and the samples that are most wrong."""

import numpy as np
import pytest

from minicnn.data import Dataset
from minicnn.errors import DataError
from minicnn.evaluation import (
    calibration_curve,
    precision_recall_curve,
    roc_curve,
    worst_mistakes,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("levels", [3, 1000])
def test_curves_are_counted_at_every_threshold(levels):
    """Each point is counted from the samples above its threshold, ties together."""
    y = RNG.integers(0, 2, 80)
    score = RNG.integers(0, levels, 80) / levels
    roc, pr = roc_curve(y, score), precision_recall_curve(y, score)
    for i, cut in enumerate(roc.thresholds):
        above = score >= cut
        assert roc.x[i] == above[y == 0].mean()
        assert roc.y[i] == above[y == 1].mean()
        assert pr.x[i] == roc.y[i]
        assert pr.y[i] == (y[above].mean() if above.any() else 1)
    pairs = (score[y == 1][:, None] > score[y == 0]) + 0.5 * (
        score[y == 1][:, None] == score[y == 0]
    )
    assert roc.area == pytest.approx(pairs.mean())


def test_calibration_is_counted_in_bins():
    """Hand-worked: what was said with 90% and 60%, and how often that was right."""
    p = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    found = calibration_curve([0, 0, 0, 1, 1, 0], p, bins=5)
    assert found.sure.tolist() == pytest.approx([0.6, 0.9])
    assert found.right.tolist() == [0.5, 0.75]
    assert found.counts.tolist() == [2, 4]
    assert found.error == pytest.approx((2 * 0.1 + 4 * 0.15) / 6)


def test_labels_of_one_kind_have_no_curve():
    """What cannot be drawn is refused in one line."""
    for y, score, words in (
        ([1, 1], [0.1, 0.2], "samples of both kinds"),
        ([0, 2], [0.1, 0.2], "labels of 0 and 1"),
        ([0, 1], [0.1, np.nan], "finite"),
        ([0, 1], [0.1], "as many scores"),
    ):
        with pytest.raises(DataError, match=words):
            roc_curve(y, score)


def test_the_surest_mistakes_come_first():
    """Ordered by how much surer it was of what it said than of the truth."""
    p = np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.2, 0.8, 0.0], [0.5, 0.3, 0.2]])
    x = np.arange(4 * 4, dtype=np.uint8).reshape(4, 2, 2, 1)
    data = Dataset(x, np.array([0, 0, 2, 1]), ("a", "b", "c"))
    found = worst_mistakes(p, data)
    assert [one.sample for one in found] == [2, 1, 3]
    assert found[0] == (2, 2, 1, 0.8, 0.0)
    np.testing.assert_array_equal(found.images, x[[2, 1, 3]])
    assert (found.wrong, found.total) == (3, 4)
    assert len(worst_mistakes(p, data, most=1)) == 1
    assert "3 of 4 are wrong." in str(found)
    assert "<td>c</td>" in found._repr_html_()
