"""BatchNorm of a batch whose parts are computed apart, as several machines do."""

import threading

import numpy as np
import pytest

import minicnn
from minicnn.kernels import Then
from minicnn.models.fused_norm import FusedNorm


def passes(unit, xs, dy):
    y, cache = unit.forward(xs if unit.merges else xs[0], training=True)
    y = y.copy()
    dx, grads = unit.backward(dy.copy(), cache)
    return [y, *(dx if unit.merges else (dx,))], grads, unit.next_state(cache)


@pytest.mark.parametrize("kind", ["vectorized", "compiled", "fused", "fused sum", "pooled"])
def test_parts_that_tell_each_other_give_the_batch_s_numbers(kind):
    """Outputs and dx of two unequal parts are those of the batch, its gradients their sum, and
    the moving statistics of both are the batch's."""
    rng = np.random.default_rng(0)
    x, other, dy = rng.standard_normal((3, 12, 4, 4, 5)) * 3 + 1
    layer = minicnn.BatchNorm()
    layer.kernel_set = "vectorized" if kind == "vectorized" else "compiled"
    layer.build((4, 4, 5), rng, "float64")
    layer.params["gamma"][...] = rng.random(5) + 0.5
    unit = layer
    if kind != "vectorized" and layer.kernels.normalization is None:
        pytest.skip("there is no compiler")
    if kind.startswith("fused") or kind == "pooled":
        how = Then(relu=True), kind == "fused sum", True, (2, 2) if kind == "pooled" else None
        unit = FusedNorm(layer.kernels.normalization, layer, *how)
    dy = dy[:, ::2, ::2] if kind == "pooled" else dy
    whole = passes(unit, (x.copy(), other.copy()), dy)
    cuts, told, found = (slice(0, 5), slice(5, 12)), [None, None], [None, None]
    meeting = threading.Barrier(2, timeout=10)

    def part(i):
        def gather(own):
            told[i] = own
            meeting.wait()
            both = np.stack(told)
            meeting.wait()
            return both

        at = cuts[i]
        found[i] = passes(unit.joined(gather), (x[at].copy(), other[at].copy()), dy[at])

    both = [threading.Thread(target=part, args=(i,)) for i in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    for i, wanted in enumerate(whole[0]):
        joined = np.concatenate([found[0][0][i], found[1][0][i]])
        np.testing.assert_allclose(joined, wanted, rtol=1e-10, atol=1e-12)
    for name, wanted in whole[1].items():
        np.testing.assert_allclose(found[0][1][name] + found[1][1][name], wanted, rtol=1e-10)
    for name, wanted in whole[2].items():
        np.testing.assert_allclose(found[0][2][name], wanted, rtol=1e-10)
        assert np.array_equal(found[0][2][name], found[1][2][name])
