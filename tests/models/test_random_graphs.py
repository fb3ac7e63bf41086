"""Forty networks drawn at random: gradients, fusing, files, ONNX."""

import numpy as np
import pytest

from minicnn import export_onnx, import_onnx, load_model
from minicnn.testing import numeric_gradient
from random_graphs import GRAPHS, random_graph


def listed(values):
    return values if isinstance(values, list) else [values]


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_gradients_are_central_differences(seed):
    """Of every parameter, and of an image, in float64, outside training."""
    model, xs = random_graph(seed, "float64")
    ys, caches = model.forward(xs)
    rng = np.random.default_rng(seed)
    dys = [rng.standard_normal(y.shape) for y in listed(ys)]
    dxs, grads = model.backward(dys, caches)
    assert grads.keys() == model.params.keys()

    def total():
        return sum(
            float((y * dy).sum()) for y, dy in zip(listed(model.forward(xs)[0]), dys, strict=True)
        )

    def close(found, array, name):
        kept, chosen = array.copy(), np.random.default_rng(0).permutation(array.size)[:6]

        def moved(values):
            array.ravel()[chosen] = values
            return total()

        flat = array.reshape(-1)
        assert np.shares_memory(flat, array)
        wanted = numeric_gradient(moved, flat[chosen])
        array[...] = kept
        # A number that lies at the corner of a ReLU or a maximum has another slope on either side.
        off = ~np.isclose(found.ravel()[chosen], wanted, rtol=1e-4, atol=1e-6)
        assert off.sum() <= 1, name

    for name, param in model.params.items():
        close(grads[name], param, name)
    close(listed(dxs)[0], xs[0], "dx")


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_files_and_onnx_give_the_same(seed, tmp_path):
    """Fused or not, from a .keras and an .h5 file to the bit, and through ONNX."""
    model, xs = random_graph(seed)
    expected = listed(model.predict(xs))
    model.fuse = False
    for a, b in zip(listed(model.predict(xs)), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    model.fuse = True
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"m.{ending}")
        for a, b in zip(
            listed(load_model(tmp_path / f"m.{ending}").predict(xs)), expected, strict=True
        ):
            np.testing.assert_array_equal(a, b)
    pytest.importorskip("onnx", reason="onnx is not installed")
    for layout in ("NHWC", "NCHW"):
        export_onnx(model, tmp_path / "m.onnx", layout=layout)
        again = import_onnx(tmp_path / "m.onnx")
        given = dict(zip(again.input_names, xs, strict=True)) if len(xs) > 1 else xs[0]
        found = again.predict(given)
        found = list(found.values()) if isinstance(found, dict) else [found]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
