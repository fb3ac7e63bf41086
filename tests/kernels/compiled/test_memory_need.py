"""The memory that compiled convolutions compute in: once for all calls, as much as is said."""

import numpy as np
import pytest

import minicnn
from minicnn.kernels import PLAIN, Convolution, Scale, Tail
from minicnn.kernels.compiled import COMPILED
from minicnn.kernels.compiled.convolution import convolve, convolve_backward

NONE, SAME = ((0, 0), (0, 0)), ((1, 1), (1, 1))
LINE = 64
"""Bytes more, so that it begins where a line of the cache does."""


@pytest.fixture(autouse=True)
def two_threads():
    minicnn.set_threads(2)
    yield
    minicnn.set_threads(None)


def passes(workspace, conv, n, training):
    """A forward pass and, in training, the backward pass of n images."""
    rng = np.random.default_rng(0)
    x = rng.random((n, *conv.image)).astype(conv.dtype)
    kernel = rng.random(conv.kernel).astype(conv.dtype)
    fused, groups = (conv.strides, conv.pads, conv.tail, conv.scale), (conv.dilation, conv.groups)
    with workspace:
        y, trace = convolve(x, kernel, None, *fused, training, *groups)
        if training:
            convolve_backward(np.ones_like(y), x, trace, kernel, *fused, True, *groups)


CASES = {
    "plain": Convolution((20, 20, 5), (3, 2, 5, 7), (1, 1), NONE, (1, 1), 1, np.dtype("f4")),
    "Winograd": Convolution((32, 32, 64), (3, 3, 64, 64), (1, 1), SAME, (1, 1), 1, np.dtype("f4")),
    "strides": Convolution((33, 33, 8), (5, 5, 8, 16), (2, 2), SAME, (1, 1), 1, np.dtype("f8")),
    "dilation": Convolution((24, 24, 8), (3, 3, 8, 4), (1, 1), SAME, (2, 3), 1, np.dtype("f4")),
    "groups": Convolution((24, 24, 8), (3, 3, 4, 6), (1, 1), SAME, (1, 1), 2, np.dtype("f4")),
    "pooled": Convolution(
        (64, 64, 3), (5, 5, 3, 8), (1, 1), SAME, (1, 1), 1, np.dtype("f4"),
        Tail(True, "max", (4, 4)), Scale(1 / 255, 0),
    ),
    "mean": Convolution(
        (28, 28, 1), (5, 5, 1, 6), (1, 1), NONE, (1, 1), 1, np.dtype("f4"),
        PLAIN._replace(relu=True, pool="avg", size=(2, 2)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_what_a_convolution_takes_is_what_it_is_said_to_take(case, training):
    """To the byte, for each kind of convolution, with and without its gradients."""
    conv, n = CASES[case], 9
    workspace = COMPILED.workspace()
    passes(workspace.begin(), conv, n, training)
    said = COMPILED.work_of(conv, n, 2)
    assert workspace.scratch.nbytes == (said.training if training else said.predicting) + LINE


def test_calls_compute_in_the_same_memory():
    """A step's calls share it, and it is as large as the largest of them asks for; what the calls
    make is apart from it."""
    workspace, convs, n = COMPILED.workspace(), list(CASES.values()), 4
    workspace.begin()
    for conv in convs * 2:
        passes(workspace, conv, n, training=True)
    most = max(COMPILED.work_of(conv, n, 2).training for conv in convs)
    assert workspace.scratch.nbytes == most + LINE
    assert not any(np.shares_memory(array, workspace.scratch) for array in workspace.arrays)
