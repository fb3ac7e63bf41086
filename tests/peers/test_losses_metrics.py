"""The same losses, gradients and metrics as Keras and PyTorch, from the same numbers."""

import numpy as np
import pytest

from minicnn import losses, metrics
from minicnn._keras.spelling import snake_case
from minicnn.activations import sigmoid
from minicnn.testing.cases import LOSSES, METRICS

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)

LOGITS = 2 * rng.standard_normal((9, 4))
LABELS = rng.integers(0, 4, 9)
ONE_HOT = np.eye(4)[LABELS]
BITS = rng.integers(0, 2, (9, 4)).astype(float)
NUMBERS = rng.standard_normal((9, 4))


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize(("loss", "y_true", "y_pred"), LOSSES, ids=[repr(c[0]) for c in LOSSES])
def test_loss_in_keras(loss, y_true, y_pred, keras):
    """Each loss gives Keras' number within 1e-6, with weights of the samples and without."""
    theirs = getattr(keras.losses, type(loss).__name__)(**loss.get_config(), dtype="float64")
    shape = y_pred.shape[:-1]
    for weight in (None, *([] if isinstance(loss, losses.Tversky) else [rng.uniform(0, 3, shape)])):
        expected = float(theirs(y_true, y_pred, sample_weight=weight))
        assert loss(y_true, y_pred, weight) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("loss", "y_true", "y_pred"), LOSSES, ids=[repr(c[0]) for c in LOSSES])
def test_gradient_in_keras(loss, y_true, y_pred, keras):
    """Each gradient is TensorFlow's of Keras' loss within 1e-4, in float32."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    theirs = getattr(keras.losses, type(loss).__name__)(**loss.get_config())
    y_pred = y_pred.astype(np.float32)
    weights = rng.uniform(0, 3, y_pred.shape[:-1]).astype(np.float32)
    for weight in (None, *([] if isinstance(loss, losses.Tversky) else [weights])):
        x = tf.Variable(y_pred)
        with tf.GradientTape() as tape:
            value = theirs(y_true, x, sample_weight=weight)
        expected = tape.gradient(value, x).numpy()
        ours = loss.gradient(y_true, y_pred, weight)
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred", "name", "options"),
    [
        (losses.MeanSquaredError(), NUMBERS, LOGITS, "mse_loss", {}),
        (losses.MeanAbsoluteError(), NUMBERS, LOGITS, "l1_loss", {}),
        (losses.Huber(1.5), NUMBERS, LOGITS, "huber_loss", {"delta": 1.5}),
        (losses.BinaryCrossentropy(), BITS, sigmoid(LOGITS), "binary_cross_entropy", {}),
        (
            losses.BinaryCrossentropy(from_logits=True),
            BITS,
            LOGITS,
            "binary_cross_entropy_with_logits",
            {},
        ),
        (losses.CategoricalCrossentropy(True), ONE_HOT, LOGITS, "cross_entropy", {}),
        (
            losses.CategoricalCrossentropy(True, label_smoothing=0.2),
            ONE_HOT,
            LOGITS,
            "cross_entropy",
            {"label_smoothing": 0.2},
        ),
        (losses.SparseCategoricalCrossentropy(True), LABELS, LOGITS, "cross_entropy", {}),
        (
            losses.SparseCategoricalCrossentropy(True, ignore_class=2),
            LABELS,
            LOGITS,
            "cross_entropy",
            {"ignore_index": 2},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_loss_in_torch(loss, y_true, y_pred, name, options, torch):
    """Loss and gradient agree with PyTorch in double precision within 1e-9."""
    x = torch.tensor(y_pred, requires_grad=True)
    value = getattr(torch.nn.functional, name)(x, torch.tensor(y_true), **options)
    value.backward()
    assert loss(y_true, y_pred) == pytest.approx(value.item(), rel=1e-9)
    np.testing.assert_allclose(loss.gradient(y_true, y_pred), x.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred"), METRICS, ids=lambda value: repr(value)[:60]
)
def test_metric_in_keras(metric, y_true, y_pred, keras):
    """Each metric gives Keras' figure within 1e-6 after each of three batches."""
    theirs = getattr(keras.metrics, type(metric).__name__)(**metric.get_config())
    metric.reset_state()
    for batch in np.array_split(np.arange(30), 3):
        metric.update_state(y_true[batch], y_pred[batch].astype(np.float32))
        theirs.update_state(y_true[batch], y_pred[batch].astype(np.float32))
        expected = np.asarray(theirs.result())
        np.testing.assert_allclose(metric.result(), expected, rtol=1e-6, atol=1e-6)
    assert np.shape(metric.result()) == expected.shape
    assert metric.name == theirs.name


OF_LABELS = [case for case in METRICS if not isinstance(case[0], metrics.Mean | metrics.Sum)]
"""Without those that take values and weights, and no labels."""


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred"), OF_LABELS, ids=lambda value: repr(value)[:60]
)
def test_weighted_metric_in_keras(metric, y_true, y_pred, keras):
    """With a weight for each sample, some of them 0, within 1e-5 after each of three batches."""
    config = metric.get_config() | {"dtype": "float32"}  # of weights that Keras' IoU else rounds
    theirs = getattr(keras.metrics, type(metric).__name__)(**config)
    weights = np.random.default_rng(1).integers(0, 4, len(y_true)) / 2
    metric.reset_state()
    for batch in np.array_split(np.arange(len(y_true)), 3):
        y, p, w = y_true[batch], y_pred[batch].astype(np.float32), weights[batch]
        metric.update_state(y, p, w)
        theirs.update_state(y, p, w.astype(np.float32))
        np.testing.assert_allclose(metric.result(), np.asarray(theirs.result()), rtol=1e-5)


@pytest.mark.parametrize("name", sorted({type(case.loss).__name__ for case in LOSSES}))
def test_loss_config_of_keras(name, keras):
    """What Keras saves of a loss makes ours, and its names in lower case are the same."""
    if name == "Loss":
        return
    theirs = getattr(keras.losses, name)()
    saved = {"class_name": name, "config": theirs.get_config()}
    assert repr(losses.get("test", saved)) == f"{name}()"
    assert callable(keras.losses.get(snake_case(name)))
    assert type(losses.get("test", snake_case(name))).__name__ == name


@pytest.mark.parametrize("metric", [case[0] for case in METRICS], ids=repr)
def test_metric_config_of_keras(metric, keras):
    """What Keras saves of a metric makes ours."""
    theirs = getattr(keras.metrics, type(metric).__name__)(**metric.get_config())
    saved = {"class_name": type(metric).__name__, "config": theirs.get_config()}
    assert metrics.get("test", saved).get_config() == metric.get_config()


FUNCTIONS = {
    "losses": [
        "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
        "categorical_focal_crossentropy", "sparse_categorical_crossentropy", "categorical_hinge",
        "cosine_similarity", "dice", "tversky", "hinge", "huber", "kl_divergence", "log_cosh",
        "mean_absolute_error",
        "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
        "poisson", "squared_hinge",
    ],
    "metrics": [
        "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
        "top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("module", "names"), FUNCTIONS.items())
def test_functions_in_keras(module, names, keras):
    """Each function gives Keras' value for each sample within 1e-5."""
    rows = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=-1, keepdims=True)
    rows = rows.astype(np.float32)
    for name in names:
        y_true = LABELS if "sparse" in name else BITS if "binary" in name else ONE_HOT
        expected = np.asarray(getattr(getattr(keras, module), name)(y_true, rows))
        found = getattr(losses if module == "losses" else metrics, name)(y_true, rows)
        assert found.shape == expected.shape, name
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)
