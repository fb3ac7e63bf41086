"""The documentation's list of Keras' names is what the code makes of it today."""

import importlib.util
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def keras_list():
    spec = importlib.util.spec_from_file_location("keras_list", CHECKOUT / "docs/keras_list.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_list_as_it_is(keras_list):
    """``python docs/keras_list.py --write`` would change nothing."""
    text = (CHECKOUT / "docs/from_keras.md").read_text(encoding="utf-8")
    inside = text.split(keras_list.BEGIN)[1].split(keras_list.END)[0]
    assert inside.strip() == keras_list.markdown()


def test_a_difference_must_have_a_reason(keras_list, monkeypatch):
    """A signature that is not Keras', and a reason for nothing, stop the list."""
    monkeypatch.delitem(keras_list.DIFFERENCES, "layers.AveragePooling2D")
    with pytest.raises(SystemExit, match=r"AveragePooling2D is not Keras' \(pool_size=\(2, 2\)\)"):
        keras_list.markdown()
    monkeypatch.setitem(keras_list.DIFFERENCES, "layers.AveragePooling2D", "a reason")
    monkeypatch.setitem(keras_list.DIFFERENCES, "layers.Foo", "a reason")
    with pytest.raises(SystemExit, match=r"not on the list: layers\.Foo"):
        keras_list.markdown()


def test_what_is_compared(keras_list):
    """Missing names, missing arguments, other defaults and another order are all seen."""
    compared = keras_list.compared
    assert compared("layers", "Dense", {"units": ..., "activation": None}) == ""
    assert compared("layers", "Foo", {}) == "not here"
    assert compared("layers", "Dense", {"units": ..., "foo": 1}) == "no foo"
    assert compared("layers", "Dense", {"units": 3}) == "units=Ellipsis"
    assert compared("layers", "Dense", {"activation": None, "units": ...}) == "the order"
