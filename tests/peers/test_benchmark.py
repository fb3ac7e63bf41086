"""The networks of the benchmark are the same in every framework."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.peers

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_all_find_the_same_losses(monkeypatch):
    """From the same weights, outside training and in it, on networks with every kind of layer."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import compare

    wanted = ["minicnn", "torch", "torch-channels-last", "keras-tensorflow", "onnxruntime"]
    keys, _ = compare.installed(wanted)
    versions = compare.check_losses(["lenet", "small", "resnet20", "mobilenet"], keys)
    assert list(versions) == keys
