"""What all tests need."""

import pytest

from minicnn import blas


@pytest.fixture(autouse=True)
def no_advice(monkeypatch):
    """Be silent about the BLAS of this machine, which a test does not choose."""
    monkeypatch.setattr(blas, "_told", True)
