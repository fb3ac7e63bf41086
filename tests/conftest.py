"""Common to all tests."""

import os
import signal

import pytest

from as_keras_helpers import take_back
from minicnn._parallel import blas

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background: the tests of Ctrl-C, and the processes that they start, need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    take_back()


@pytest.fixture(autouse=True)
def plain_minicnn():
    """Each test has minicnn as it is, and leaves it so."""
    yield
    take_back()


@pytest.fixture(autouse=True)
def no_advice(monkeypatch):
    """Be silent about the BLAS of this machine, which a test does not choose."""
    monkeypatch.setattr(blas, "_told", True)


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """No test pulls the plug: files need not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def vectorized(monkeypatch):
    """Models compute with NumPy."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")
