"""Layers as descriptions, and back."""

import json

import pytest

from minicnn import Conv2D, Dense, Layer, ReLU, Residual
from minicnn.errors import ConfigError
from minicnn.layers import LAYERS
from minicnn.layers.registry import described, from_description, with_layers


class Doubling(Layer):
    """y = 2 x."""


def test_a_layer_of_layers_is_described_and_made_again():
    """Names, arguments and what is not trainable come back, through JSON."""
    inner = Residual([Conv2D(4, 3, padding="same", name="a"), ReLU()], name="inner")
    block = Residual([inner, Conv2D(4, 1, name="b")], [Conv2D(4, 1)], name="block")
    inner.layers[0].trainable = False
    description = json.loads(json.dumps(described(block)))
    again = from_description(description, {})
    assert described(again) == described(block)
    assert [layer.trainable for layer in again.layers[0].layers] == [False, True]


def test_a_layer_within_that_is_marked_as_custom_is_not_taken_for_another():
    """What a file marks as custom is asked for, even if minicnn has a layer of its name."""
    within = {"class_name": "Dense", "config": {"units": 3}}
    config = {"layers": [within], "shortcut": None, "name": "block"}
    block = from_description({"class_name": "Residual", "config": config}, {})
    assert isinstance(block.layers[0], Dense)
    config["layers"] = [within | {"custom": True}]
    with pytest.raises(ConfigError, match=r"got 'Dense', a custom class.*custom_objects"):
        from_description({"class_name": "Residual", "config": config}, {})


def test_custom_layers_are_found_by_name_at_any_depth():
    """``custom_objects`` counts for layers within layers too."""
    block = Residual([Residual([Doubling()])])
    again = from_description(described(block), {"Doubling": Doubling})
    assert isinstance(again.layers[0].layers[0], Doubling)
    with pytest.raises(ConfigError, match="expected layers that minicnn has, got 'Doubling'"):
        from_description(described(block), {})


def test_layers_are_refused_where_they_are_too_many():
    """A few bytes for each layer would else make a program run for hours."""
    with pytest.raises(ConfigError, match="at most 1000 layers in layers, got 1001"):
        with_layers({"layers": [{"class_name": "ReLU", "config": {}}] * 1001})


def test_the_table_has_each_class_under_its_name_in_keras():
    """``described`` names only what the table has."""
    assert LAYERS["MaxPooling2D"].__name__ == "MaxPool"
    assert all((cls.keras_name or cls.__name__) == name for name, cls in LAYERS.items())
