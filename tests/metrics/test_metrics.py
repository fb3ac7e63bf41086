"""Metrics by hand-worked numbers and by plain loops, and the report with its intervals."""

import math

import numpy as np
import pytest

from minicnn import losses, metrics
from minicnn.errors import ConfigError, DataError
from minicnn.metrics import (
    AUC,
    BinaryAccuracy,
    CategoricalAccuracy,
    F1Score,
    Precision,
    Recall,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    classification_report,
    confusion_matrix,
    for_shapes,
    get,
    wilson_interval,
)
from minicnn.testing.cases import METRICS

rng = np.random.default_rng(0)
SCORES = rng.random((40, 3)).round(2)
BITS = rng.integers(0, 2, (40, 3))


def result_of(metric, y_true, y_pred, batches=3):
    """The result over some batches, which stays the same after a reset."""
    for _ in range(2):
        metric.reset_state()
        for part in np.array_split(np.arange(len(y_pred)), batches):
            metric.update_state(y_true[part], y_pred[part])
    return metric.result()


def test_running_over_batches():
    """The value is over all batches since the last reset."""
    metric = SparseCategoricalAccuracy()
    assert math.isnan(metric.result())
    metric.update_state(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]]))
    metric.update_state(np.array([[1]]), np.array([[0.1, 0.9]]))
    assert metric.result() == pytest.approx(2 / 3)
    metric.reset_state()
    assert math.isnan(metric.result())


def test_weights_count_samples_so_often():
    """Whole weights give what samples repeated so often give, and a weight of 0 leaves one out."""
    weights = rng.integers(0, 4, 40)
    many = np.repeat(np.arange(40), weights)
    labels = SCORES.argmax(axis=1)
    cases = [
        (metrics.BinaryAccuracy(), BITS), (metrics.MeanSquaredError(), BITS),
        (metrics.SparseTopKCategoricalAccuracy(2), labels), (metrics.AUC(9), BITS),
        (metrics.Precision([0.2, 0.7]), BITS), (metrics.Recall(top_k=1), BITS),
        (metrics.F1Score("weighted"), BITS), (metrics.F1Score(threshold=0.4), BITS),
        (metrics.SparseCategoricalCrossentropy(), labels),
    ]  # fmt: skip
    for metric, y in cases:
        metric.reset_state()
        for part in np.array_split(np.arange(40), 3):
            metric.update_state(y[part], SCORES[part], weights[part])
        weighted = metric.result()
        np.testing.assert_allclose(weighted, result_of(metric, y[many], SCORES[many]), rtol=1e-12)
        with pytest.raises(DataError, match="expected sample_weight as 40 numbers"):
            metric.update_state(y, SCORES, weights[:3])


def test_binary_is_strictly_above_the_threshold():
    """0.5 is not above 0.5, so it counts as class 0, as in Keras."""
    metric = BinaryAccuracy()
    metric.update_state(np.array([[0], [1]]), np.array([[0.5], [0.5]]))
    assert metric.result() == 0.5


def test_accuracy_means_what_the_shapes_say():
    """'accuracy' is binary, sparse or categorical by the shapes, under the user's name."""
    for labels_rank, output_shape, kind in (
        (1, (1,), BinaryAccuracy),
        (2, (1,), BinaryAccuracy),
        (1, (6,), SparseCategoricalAccuracy),
        (2, (6,), CategoricalAccuracy),
    ):
        for name in ("accuracy", "acc"):
            metric = for_shapes("test", get("test", name), labels_rank, output_shape)
            assert type(metric) is kind
            assert metric.name == name
    with pytest.raises(
        ConfigError,
        match="metrics as Metric or one of accuracy, acc, crossentropy, ce, auc, bin",
    ):
        get("test", "acuracy")


def test_crossentropy_means_what_the_shapes_say():
    """'crossentropy' and 'ce' are resolved as 'accuracy' is."""
    for labels_rank, output_shape, kind in (
        (2, (1,), metrics.BinaryCrossentropy),
        (1, (6,), metrics.SparseCategoricalCrossentropy),
        (2, (6,), metrics.CategoricalCrossentropy),
    ):
        metric = for_shapes("test", get("test", "ce"), labels_rank, output_shape)
        assert type(metric) is kind
        assert metric.name == "ce"


def test_names():
    """A metric goes by Keras' names; by name it bears that name, as an object its default."""
    for name, default in (
        ("mse", "mean_squared_error"),
        ("precision", "precision"),
        ("auc", "auc"),
        ("F1Score", "f1_score"),
        ("sparse_top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy"),
    ):
        metric = get("test", name)
        assert metric.name == name
        assert type(metric)().name == default
        assert repr(type(metric).from_config(metric.get_config())) == repr(metric)


def test_top_k_counts_the_larger_ones():
    """A label is among the k largest when fewer than k exceed it, so ties are in."""
    p = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.4, 0.4, 0.1], [np.nan, 0.5, 0.3, 0.2]])
    labels = np.array([2, 2, 0])
    for k, right in ((1, [0, 1, 0]), (2, [0, 1, 0]), (3, [1, 1, 0]), (4, [1, 1, 0])):
        for metric, y in (
            (SparseTopKCategoricalAccuracy(k), labels),
            (TopKCategoricalAccuracy(k), np.eye(4)[labels]),
        ):
            assert result_of(metric, y, p) == pytest.approx(np.mean(right))


@pytest.mark.parametrize("threshold", [None, 0.3, (0.2, 0.5, 0.9)])
@pytest.mark.parametrize("class_id", [None, 1])
def test_precision_and_recall_are_counts(threshold, class_id):
    """Precision and recall are what a loop over all predictions counts."""
    precisions, recalls = [], []
    for cut in threshold if isinstance(threshold, tuple) else (threshold or 0.5,):
        tp = fp = fn = 0
        for bits, scores in zip(BITS, SCORES, strict=True):
            for c in range(3) if class_id is None else (class_id,):
                found = scores[c] > cut
                tp += found and bits[c]
                fp += found and not bits[c]
                fn += not found and bits[c]
        precisions.append(tp / (tp + fp))
        recalls.append(tp / (tp + fn))
    precision = result_of(Precision(threshold, class_id=class_id), BITS, SCORES)
    recall = result_of(Recall(threshold, class_id=class_id), BITS, SCORES)
    assert np.atleast_1d(precision) == pytest.approx(precisions)
    assert np.atleast_1d(recall) == pytest.approx(recalls)
    assert isinstance(precision, np.ndarray) == isinstance(threshold, tuple)


def test_precision_among_the_top_k():
    """With top_k all of a row's k largest are positive, and with a threshold those above it."""
    y, p = np.array([[0, 1, 1]]), np.array([[0.4, 0.3, 0.1]])
    assert result_of(Precision(top_k=2), y, p, 1) == 0.5
    assert result_of(Recall(top_k=2), y, p, 1) == 0.5
    assert result_of(Precision(0.35, top_k=2), y, p, 1) == 0
    assert result_of(Recall(top_k=2, class_id=2), y, p, 1) == 0


def test_nothing_found_is_zero():
    """Where there is nothing to divide by, the values are 0, as in Keras."""
    y, p = np.zeros((2, 2)), np.zeros((2, 2))
    for metric in (Precision(), Recall(), AUC(), AUC(curve="PR"), F1Score("weighted")):
        assert metric.result() == 0
        assert result_of(metric, y, p, 1) == 0
    # The largest of a row of zeros is not found, though it is the largest.
    assert result_of(F1Score("micro"), np.eye(2), p, 1) == 0


def test_auc_is_the_fraction_of_pairs_in_order():
    """ROC's area is the fraction of (positive, negative) pairs in order, ties counting half."""
    scores, bits = np.arange(101)[rng.integers(0, 101, 200)] / 100, rng.integers(0, 2, 200)
    pairs = scores[bits == 1][:, None] - scores[bits == 0]
    expected = np.mean((pairs > 0) + (pairs == 0) / 2)
    # Thresholds between any two scores: the curve is drawn without loss.
    assert result_of(AUC(num_thresholds=2001), bits, scores) == pytest.approx(expected, abs=1e-12)
    logits = np.log((scores + 1e-9) / (1 - scores + 1e-9))
    found = result_of(AUC(num_thresholds=2002, from_logits=True), bits, logits)
    assert found == pytest.approx(expected, abs=1e-3)


def test_area_under_precision_and_recall():
    """The area is that of hand-worked steps, bounded by the lower and the higher ones."""
    y, p = np.array([0, 0, 1, 1]), np.array([0.0, 0.5, 0.3, 0.9])
    # TP = 2, 1, 0 and FP = 2, 0, 0 at the thresholds 0, 0.5 and 1; recall 1, 0.5, 0.
    assert result_of(AUC(3, "PR", "minoring"), y, p, 2) == pytest.approx(0.5 * 0.5 + 0.5 * 0)
    assert result_of(AUC(3, "PR", "majoring"), y, p, 2) == pytest.approx(0.5 * 1 + 0.5 * 1)
    first = (1 / 3) * (1 + (1 - 1 / 3) * math.log(4 / 1)) / 2
    assert result_of(AUC(3, "PR"), y, p, 2) == pytest.approx(first + 0.5)


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_f1_is_the_harmonic_mean(threshold):
    """Each class' F1 is 2 P R / (P + R), and the averages are made of it."""
    bits = BITS.copy()
    bits[:, 0] &= BITS[:, 1]
    found = (SCORES.max(axis=1, keepdims=True) if threshold is None else threshold + 1e-9) <= SCORES
    tp = (found & (bits == 1)).sum(axis=0)
    precision, recall = tp / found.sum(axis=0), tp / bits.sum(axis=0)
    each = 2 * precision * recall / (precision + recall)
    p, r = tp.sum() / found.sum(), tp.sum() / bits.sum()
    for average, expected in (
        (None, each),
        ("macro", each.mean()),
        ("weighted", np.average(each, weights=bits.sum(axis=0))),
        ("micro", 2 * p * r / (p + r)),
    ):
        assert result_of(F1Score(average, threshold), bits, SCORES) == pytest.approx(expected)


def test_losses_as_metrics():
    """A loss as a metric is the loss over all batches at once."""
    p = SCORES + 0.1
    labels = rng.integers(0, 3, 40)
    for name, y in (
        ("MeanSquaredError", BITS),
        ("MeanAbsoluteError", BITS),
        ("BinaryCrossentropy", BITS),
        ("CategoricalCrossentropy", np.eye(3)[labels]),
        ("SparseCategoricalCrossentropy", labels),
    ):
        metric = getattr(metrics, name)()
        assert math.isnan(metric.result())
        q = np.minimum(p, 1)
        assert result_of(metric, y, q) == pytest.approx(getattr(losses, name)()(y, q))
    metric = metrics.SparseCategoricalCrossentropy(ignore_class=-1)
    rows = np.full((2, 2), 0.5)
    assert result_of(metric, np.array([-1, 0]), rows) == pytest.approx(math.log(2) / 2)


def test_every_metric_may_be_tried_with_zeros():
    """Zeros of one sample, with which fit tries a metric, neither warn nor raise."""
    for metric in {type(case.metric): case.metric for case in METRICS}.values():
        name = type(metric).__name__
        y = np.zeros(1, int) if name.startswith("Sparse") else np.eye(6)[:1]
        type(metric).from_config(metric.get_config()).update_state(y, np.zeros((1, 6), np.float32))


def test_labels_that_do_not_fit():
    """Labels of a wrong shape raise, instead of being broadcast to a wrong answer."""
    with pytest.raises(DataError, match=r"expected labels of shape \(2,\), got \(3,\)"):
        SparseCategoricalAccuracy().update_state(np.zeros(3), np.zeros((2, 4)))
    with pytest.raises(DataError, match="expected labels of shape"):
        CategoricalAccuracy().update_state(np.zeros(4), np.zeros((4, 4)))
    with pytest.raises(DataError, match="from 0 to 3, got 4"):
        SparseTopKCategoricalAccuracy().update_state(np.array([4]), np.zeros((1, 4)))
    for metric in (Precision(), Recall(), AUC(), F1Score()):
        with pytest.raises(
            DataError, match=r"expected labels of shape .* one-hot rows with np.eye"
        ):
            metric.update_state(np.zeros(4), np.zeros((4, 3)))
        with pytest.raises(DataError, match="expected labels of 0 and 1, got 2"):
            metric.update_state(np.full((4, 3), 2), np.zeros((4, 3)))
    with pytest.raises(DataError, match="more than 3 classes"):
        Precision(class_id=3).update_state(np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(DataError, match=r"Use F1Score\(threshold=0\.5\)"):
        F1Score().update_state(np.zeros(2), np.zeros((2, 1)))
    with pytest.raises(DataError, match="MeanSquaredError: expected labels of shape"):
        metrics.MeanSquaredError().update_state(np.zeros(2), np.zeros((2, 3)))


def test_arguments_that_make_no_sense():
    """A metric's arguments are checked when it is made."""
    for make, message in (
        (lambda: TopKCategoricalAccuracy(0), "k as a whole number of at least 1, got 0"),
        (lambda: Precision(1.5), "thresholds as a number, 0 or more and 1 or less, got 1.5"),
        (lambda: Recall([0.5, None]), "thresholds as a number"),
        (lambda: Precision([]), "at least one"),
        (lambda: Recall(top_k=0.5), "top_k as a whole number"),
        (lambda: AUC(1), "num_thresholds as a whole number from 2 to 100,000"),
        (lambda: AUC(curve="PRGAIN"), "curve as 'ROC' or 'PR'"),
        (lambda: AUC(summation_method="simpson"), "one of interpolation, minoring, majoring"),
        (lambda: F1Score("mean"), "average as None, 'micro'"),
        (lambda: F1Score(threshold=0), "threshold as a number, above 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()


def test_confusion_matrix():
    """Rows are true and columns predicted, in any form of the predictions."""
    y = np.array([0, 2, 2, 1])
    expected = [[1, 0, 0], [0, 0, 1], [1, 0, 1]]
    guesses = np.array([0, 0, 2, 2])
    for labels in (y, y[:, None], np.eye(3)[y], y.astype(float)):
        for predictions in (guesses, guesses[:, None], np.eye(3)[guesses] * 0.4 + 0.2):
            assert confusion_matrix(labels, predictions).tolist() == expected
    assert confusion_matrix(y, guesses, classes=4).shape == (4, 4)
    sigmoid = np.array([0.5, 0.6, 0.1, 0.9])
    for predictions in (sigmoid, sigmoid[:, None]):
        assert confusion_matrix([0, 0, 1, 1], predictions).tolist() == [[1, 1], [1, 1]]
    for y_true, y_pred, message in (
        (y, guesses[:2], "4 labels and 2 predictions"),
        ([], [], "0 labels"),
        (y, guesses + 0.5, r"probabilities from 0 to 1, got 2\.5"),
        (y - 1, guesses, "y_true as class numbers from 0, got -1"),
        (y, np.zeros((4, 3, 3)), r"y_pred of shape \(N,\) or \(N, classes\)"),
        (["a"], [0], "y_true of shape"),
        (np.array([[2, 1]]), [0], "one-hot rows, got numbers from 1 to 2"),
    ):
        with pytest.raises(DataError, match=message):
            confusion_matrix(y_true, y_pred)
    with pytest.raises(DataError, match="classes from 0 to 1, got 2"):
        confusion_matrix(y, guesses, classes=2)
    with pytest.raises(ConfigError, match="classes as a whole number of at least 1"):
        confusion_matrix(y, guesses, classes=3.0)


def test_classification_report():
    """The report's numbers are those worked out by hand, with intervals around them."""
    y = np.repeat([0, 1, 2], [6, 3, 1])
    guesses = np.array([0, 0, 0, 0, 1, 2, 1, 1, 0, 1])
    report = classification_report(y, guesses, ["a", "bc", "d", "never"])
    assert report.precision == pytest.approx([4 / 5, 2 / 4, 0, 0])
    assert report.recall == pytest.approx([4 / 6, 2 / 3, 0, 0])
    assert report.f1 == pytest.approx([8 / 11, 4 / 7, 0, 0])
    assert report.support.tolist() == [6, 3, 1, 0]
    assert report.accuracy == 0.6
    assert report.accuracy_interval == wilson_interval(6, 10)
    assert report.macro == pytest.approx((1.3 / 3, 4 / 9, (8 / 11 + 4 / 7) / 3))
    assert report.weighted == pytest.approx((6.3 / 10, 6 / 10, (48 / 11 + 12 / 7) / 10))
    assert tuple(report.precision_interval[0]) == wilson_interval(4, 5)
    assert tuple(report.recall_interval[1]) == wilson_interval(2, 3)
    low, high = wilson_interval(4, 7)
    assert report.f1_interval[0] == pytest.approx([2 * low / (1 + low), 2 * high / (1 + high)])
    assert report.precision_interval[3].tolist() == [0, 1]
    lines = str(report).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["a", "bc", "d", "never"]
    assert len({len(line) for line in lines[:-1]}) == 1
    with pytest.raises(DataError, match="classes from 0 to 1, got 2"):
        classification_report(y, guesses, ["a", "b"])


def test_wilson_interval():
    """The interval solves |p - p0| = z sqrt(p0 (1 - p0) / n), Wilson's equation."""
    z = 1.959963984540054
    for right, total in ((0, 10), (10, 10), (114, 120), (33, 50)):
        low, high = wilson_interval(right, total)
        p = right / total
        assert 0 <= low <= p <= high <= 1
        for bound in (low, high):
            if 0 < bound < 1:
                assert abs(p - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / total))
    assert wilson_interval(0, 10)[0] == 0
    with pytest.raises(ConfigError, match="got 3 of 2"):
        wilson_interval(3, 2)


def test_lists_will_do():
    """A metric used by itself takes lists, as losses do."""
    metric = metrics.Precision()
    metric.update_state([0, 1], [0.9, 0.2])
    metric.update_state([1], [0.8])
    assert metric.result() == 0.5


def test_a_prediction_that_is_nan_is_not_found():
    """It lies above no threshold, as a comparison with NaN is never true."""
    y_true, y_pred = np.array([1, 1, 0]), np.array([np.nan, np.nan, 0.1])
    for metric in (Recall(), Precision(), AUC()):
        metric.update_state(y_true, y_pred)
        assert metric.result() < 1
