"""Nothing on the list of Keras' names is left without a comparison."""

import importlib.util
import inspect
from collections.abc import Iterable
from pathlib import Path

import pytest

from minicnn._core.config import Configurable
from minicnn._keras.signatures import signatures
from minicnn.testing import LayerCase

pytestmark = pytest.mark.peers

FOLDER = Path(__file__).parent

# The parent of the schedules; and what makes an InputLayer, which is compared.
NOTHING_TO_COMPARE = ["LearningRateSchedule", "Input"]
NOT_IN_TORCH = {
    # Layers that draw numbers of their own, and functions that make a layer, which is compared.
    "layers": "Dropout SpatialDropout2D AlphaDropout GaussianNoise RandomCrop RandomFlip "
    "RandomRotation RandomTranslation RandomZoom RandomContrast RandomBrightness "
    "add subtract multiply average maximum minimum concatenate dot "
    "Lambda",
    "optimizers": "Lion Ftrl",
    "losses": "CategoricalHinge Hinge LogCosh SquaredHinge BinaryFocalCrossentropy "
    "CategoricalFocalCrossentropy CosineSimilarity KLDivergence Poisson Dice Tversky "
    "MeanAbsolutePercentageError MeanSquaredLogarithmicError "
    # Functions of the classes, which are compared.
    + " ".join(name for name in signatures()["losses"] if name.islower()),
    "optimizers.schedules": "InverseTimeDecay",
}


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KERAS_LIST = signatures()


def flat(value):
    """All that is in a table: rows, their parts, and what functions without arguments make."""
    if isinstance(value, str | Configurable):
        yield value
    elif isinstance(value, LayerCase):
        yield value.make()
    elif inspect.isfunction(value) and not inspect.signature(value).parameters:
        yield from flat(value())
    elif isinstance(value, Iterable) and not hasattr(value, "dtype"):
        for part in value:
            yield from flat(part)


@pytest.fixture(scope="module")
def compared():
    """Peer -> what the tables of its tests hold: (module, name), and strings."""
    found = {"keras": set(), "torch": set()}
    for path in FOLDER.glob("test_*.py"):
        if path.name == Path(__file__).name:
            continue
        for name, test in vars(loaded(path)).items():
            if not name.startswith("test_"):
                continue
            fixtures = {"tf": "keras"} | {peer: peer for peer in found}
            peers = {fixtures[p] for p in inspect.signature(test).parameters if p in fixtures}
            marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
            for thing in flat([mark.args[1] for mark in marks]):
                for peer in peers:
                    found[peer] |= {thing} if isinstance(thing, str) else listed_as(thing)
    return found


def listed_as(thing):
    """The module and the names, ours and Keras', of what a table holds."""
    module = thing.keras_module.removeprefix("keras.")
    return {(module, type(thing).__name__), (module, getattr(thing, "keras_name", ""))}


def missing(module, found, absent=""):
    """Names of the list that no table has."""
    left_out = {*NOTHING_TO_COMPARE, *absent.split()}
    # Functions stand in tables by name.
    tables = {name if name.islower() else (module, name): name for name in KERAS_LIST[module]}
    return [name for key, name in tables.items() if key not in found and name not in left_out]


KINDS = ["layers", "losses", "metrics", "optimizers", "optimizers.schedules", "regularizers"]


@pytest.mark.parametrize("module", [*KINDS, "constraints", "initializers", "activations"])
def test_every_name_is_compared_with_keras(module, compared):
    """Each layer, loss, metric, optimizer, ... of the list stands in a table of these tests."""
    assert missing(module, compared["keras"]) == []


@pytest.mark.parametrize("module", [m for m in KINDS if m != "metrics"] + ["activations"])
def test_every_name_that_torch_has_is_compared_with_it(module, compared):
    """And so does, in the tables for PyTorch, each that it has."""
    assert missing(module, compared["torch"], NOT_IN_TORCH.get(module, "")) == []
