"""Common to all tests."""

import signal
import sys

import pytest

from minicnn import Model
from minicnn._parallel import blas
from minicnn.data.pipeline import Dataset
from minicnn.layers import Layer
from minicnn.models.base import BaseModel

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background: the tests of Ctrl-C, and the processes that they start, need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


MANNERS = [
    (owner, name, vars(owner)[name])
    for owner, names in (
        (Layer, ["__call__"]),
        (BaseModel, ["__call__"]),
        (Model, ["compile", "fit", "train_on_batch"]),
        (Dataset, ["shown", "cardinality"]),
    )
    for name in names
]
"""What import minicnn.as_keras changes in its process."""


def take_back():
    """Undo an import of minicnn.as_keras, which a test, or what collects the tests, has made."""
    if "minicnn.as_keras.finder" in sys.modules:
        finder = sys.modules["minicnn.as_keras.finder"]
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, finder.Finder)]
        for name, module in list(sys.modules.items()):
            if isinstance(module, finder.Answer):
                del sys.modules[name]
        sys.modules.pop("minicnn.as_keras", None)  # to be imported again is to be taken on again
        for owner, name, value in MANNERS:
            setattr(owner, name, value)


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
