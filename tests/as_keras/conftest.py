"""Keras answered by minicnn, for one test."""

import importlib

import pytest

from as_keras_helpers import take_back
from minicnn._core import console


@pytest.fixture
def as_keras(monkeypatch):
    """Import ``minicnn.as_keras``; afterwards all is as it was."""
    monkeypatch.setattr(console, "_said", set())
    take_back()
    importlib.import_module("minicnn.as_keras")
    yield
    take_back()
