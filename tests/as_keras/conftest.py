"""Keras answered by minicnn, for one test."""

import importlib
import sys

import pytest

from minicnn._core import console


def take_back():
    """Have all as it was before ``minicnn.as_keras`` was imported."""
    if "minicnn.as_keras.finder" not in sys.modules:
        return
    from minicnn.as_keras import finder, manners

    manners.take_back()
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, finder.Finder)]
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        inert = isinstance(getattr(spec, "loader", None), finder._Inert)
        if isinstance(module, finder.Answer) or inert:
            del sys.modules[name]
    sys.modules.pop("minicnn.as_keras", None)


@pytest.fixture
def as_keras(monkeypatch):
    """Import ``minicnn.as_keras``; afterwards all is as it was."""
    monkeypatch.setattr(console, "_said", set())
    take_back()
    importlib.import_module("minicnn.as_keras")
    yield
    take_back()


def pytest_collection_finish():
    """What collects the tests has imported it."""
    take_back()
