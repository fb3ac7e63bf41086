"""How Keras describes objects, and that no class must be listed a second time for it."""

import pytest

from minicnn import losses, optimizers
from minicnn._core.config import save_config
from minicnn._keras.descriptions import described, for_all, is_custom, modern, name_of_old
from minicnn._keras.spelling import snake_case


def classes(module, parent):
    found = {value for value in vars(module).values() if isinstance(value, type)}
    return sorted((c for c in found if issubclass(c, parent) and c is not parent), key=repr)


LOSSES = classes(losses, losses.Loss)
OPTIMIZERS = classes(optimizers, optimizers.Optimizer)


def test_classes_are_found():
    """The tables that the other tests run over are not empty."""
    assert len(LOSSES) > 10
    assert len(OPTIMIZERS) > 6


@pytest.mark.parametrize("cls", LOSSES)
def test_every_loss_is_written_with_the_name_that_keras_finds_it_by(cls):
    """A loss that is added to minicnn gets it too; a custom loss of the same name does not."""
    description = save_config(cls())
    assert for_all(description)["config"]["name"] == snake_case(cls.__name__)
    assert "name" not in for_all({**description, "module": None})["config"]


@pytest.mark.parametrize("cls", LOSSES)
def test_every_loss_is_read_without_what_only_some_releases_say(cls):
    """As a loss, and as a metric that is a loss."""
    config = {"reduction": "auto", "fn": snake_case(cls.__name__)}
    assert modern({"class_name": cls.__name__, "config": config}, "losses")["config"] == {}


@pytest.mark.parametrize("cls", OPTIMIZERS)
def test_every_optimizer_is_read_under_the_names_of_today(cls):
    """``lr`` is its learning rate, and what says nothing is left out."""
    old = {"class_name": cls.__name__, "config": {"lr": 0.5, "decay": 0.0, "epsilon": None}}
    assert modern(old, "optimizers")["config"] == {"learning_rate": 0.5}
    assert modern(old)["config"] == old["config"], "only of an optimizer"


@pytest.mark.parametrize("custom", [True, False])
def test_a_custom_class_is_known_again_in_both_kinds_of_file(custom):
    """By its missing module in .keras, by its package in .h5."""
    description = described("keras.layers", "Dense", {}, custom)
    assert is_custom(description) is custom
    old = {"class_name": name_of_old(description), "config": {}}
    assert is_custom(old) is custom
    assert modern(old).get("custom", False) is custom
