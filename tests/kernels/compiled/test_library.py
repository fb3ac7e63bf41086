"""Calling compiled kernels, and choosing them."""

import os
import subprocess
import sys

import numpy as np
import pytest

from compiler_helpers import good_library
from minicnn import kernels
from minicnn._parallel.threads import alone, get_threads, set_threads, threads_now
from minicnn.errors import ConfigError
from minicnn.kernels.compiled import library
from minicnn.layers import Conv2D, Dense, Input
from minicnn.models import Sequential


def arrays(tmp_path):
    np.arange(6.0).tofile(tmp_path / "x")
    x = np.arange(24.0).reshape(4, 6)
    frozen = x.copy()
    frozen.flags.writeable = False
    mapped = np.memmap(tmp_path / "x", mode="r")
    return [x, x[1:, 2:], x.T, np.empty((0, 3)), np.array(3.0), frozen, mapped]


def test_an_array_is_where_numpy_says(tmp_path):
    """Views, arrays of nothing and of a file, and those that may not be written to."""
    for x in arrays(tmp_path):
        assert library.address(x) == x.__array_interface__["data"][0]


def test_a_kernel_within_a_shard_has_one_thread():
    """The others are at work on other shards; else it has as many as were set."""
    set_threads(3)
    try:
        assert threads_now() == 3
        with alone():
            assert threads_now() == 1
    finally:
        set_threads(None)
    assert threads_now() == get_threads()


def small(**options):
    return Sequential([Input((4, 4, 1)), Conv2D(2, 3)], seed=0, **options)


@pytest.mark.parametrize("name", ["reference", "vectorized", "compiled"])
def test_minicnn_kernels_chooses(monkeypatch, name):
    """It names the kernels of models that are not given any."""
    if name == "compiled":
        good_library()
    monkeypatch.setenv("MINICNN_KERNELS", name)
    model = small()
    assert model.kernels == name
    assert model.layers[0].kernels is kernels.KERNELS[name]
    assert small(kernels="reference").kernels == "reference"
    layer = Dense(2)
    assert layer.kernels is kernels.KERNELS[name]


def test_minicnn_kernels_that_are_none(monkeypatch):
    """The mistake is named with its place; an empty one is none."""
    monkeypatch.setenv("MINICNN_KERNELS", "fast")
    message = "MINICNN_KERNELS: expected kernels to be one of reference, vectorized, compiled, got"
    with pytest.raises(ConfigError, match=message):
        small()
    monkeypatch.setenv("MINICNN_KERNELS", "")
    assert small().kernels == kernels.choose("test")


def test_a_model_from_elsewhere_computes_without_a_compiler(monkeypatch):
    """One that was pickled where there was one: NumPy computes the same."""
    good_library()
    model = small(kernels="compiled")
    x = np.random.default_rng(0).random((3, 4, 4, 1), np.float32)
    wanted = model.predict(x, verbose=0)
    monkeypatch.setattr(library._state, "loaded", {})
    monkeypatch.setattr(library._state, "failure", {"float32": "no compiler"})
    monkeypatch.setattr(library._state, "said", True)
    assert model.layers[0].kernels is kernels.KERNELS["vectorized"]
    np.testing.assert_allclose(model.predict(x, verbose=0), wanted, rtol=1e-5)


def test_each_dtype_has_a_library_of_its_own(monkeypatch):
    """Where that of float64 cannot be had, only models of float64 are NumPy's."""
    good_library()
    monkeypatch.setattr(library._state, "loaded", {"float32": library.loaded()})
    monkeypatch.setattr(library._state, "failure", {"float64": "the disk is full"})
    monkeypatch.setattr(library._state, "said", True)
    assert small(kernels="compiled").kernels == "compiled"
    model = small(kernels="compiled", dtype="float64")
    assert model.kernels == "vectorized"
    assert model.predict(np.ones((1, 4, 4, 1)), verbose=0).dtype == np.float64


def test_importing_looks_for_no_compiler():
    """What that takes is not even loaded."""
    program = "import sys, minicnn; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    of_building = ("building", "cache", "compilers", "trial")
    loaded = set(ran.stdout.split())
    assert "minicnn.kernels.compiled.library" in loaded
    assert not loaded & {f"minicnn.kernels.compiled.{name}" for name in of_building}


FORKS = """
import os, numpy as np
from minicnn._parallel.threads import set_threads
from minicnn.kernels import KERNELS
set_threads(2)
rng = np.random.default_rng(0)
x, kernel = rng.random((8, 32, 32, 16), np.float32), rng.random((3, 3, 16, 32), np.float32)
def y():
    return KERNELS["compiled"].conv2d(x, kernel, None, (1, 1), ((1, 1), (1, 1)))
first = y()
child = os.fork()
for _ in range(50):
    assert (y() == first).all()
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert (y() == first).all()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_both_sides_of_a_fork_go_on():
    """The child starts threads of its own."""
    good_library()
    program = [sys.executable, "-W", "ignore", "-c", FORKS]
    subprocess.run(program, check=True, timeout=60)
