"""Forty networks drawn at random, in Keras and in onnxruntime."""

import numpy as np
import pytest

from minicnn import export_onnx, load_model
from random_graphs import GRAPHS, random_graph

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


def listed(values):
    return values if isinstance(values, list | tuple) else [values]


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_in_keras_and_back(seed, tmp_path):
    """minicnn -> Keras -> minicnn: equal weights, outputs within 1e-5, and the same layers."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model, xs = random_graph(seed)
    xs = [x.astype(np.float32) for x in xs]
    expected = listed(model.predict(xs))
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    given = xs if len(xs) > 1 else xs[0]
    for a, b in zip(listed(theirs(given, training=False)), expected, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-4, atol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    assert [x.name for x in again.layers] == [x.name for x in theirs.layers]
    for a, b in zip(listed(again.predict(xs)), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    ours, other = (sorted(w.ravel().tolist() for w in m.get_weights()) for m in (model, again))
    assert ours == other


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("seed", range(GRAPHS))
def test_in_onnxruntime(seed, layout, tmp_path):
    """Outputs within 1e-5 in both layouts."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model, xs = random_graph(seed)
    export_onnx(model, tmp_path / "m.onnx", layout=layout)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    given = {}
    for info, x in zip(session.get_inputs(), xs, strict=True):
        turned = x.transpose(0, 3, 1, 2) if layout == "NCHW" and x.ndim == 4 else x
        given[info.name] = turned.astype(np.float32)
    for a, b in zip(session.run(None, given), listed(model.predict(xs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
