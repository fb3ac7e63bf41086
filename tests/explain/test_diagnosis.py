"""The doctor for runs: each ailment is found first, and nothing is said when all is well."""

import numpy as np
import pytest

from minicnn import SGD, Dense, Flatten, Input, Rescaling, Sequential, explain
from minicnn.errors import ConfigError

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (64, 8, 8, 1), np.uint8)
Y = np.arange(64) % 4


def network(scaled=True, loss="sparse_categorical_crossentropy"):
    scaling = [Rescaling(1 / 255)] if scaled else []
    layers = [Input((8, 8, 1)), *scaling, Flatten(), Dense(4, activation="softmax")]
    model = Sequential(layers, seed=0)
    model.compile(SGD(0.1), loss)
    return model


def test_what_is_found_is_a_list_that_can_be_read():
    """Each finding has name, sentence and remedy; printed, they are a line each."""
    found = explain.diagnose(network(scaled=False), X, Y)
    assert found[0].name == "images not scaled"
    assert found[0].remedy == "Put Rescaling(1 / 255) after Input."
    assert repr(found).splitlines()[0] == f"{found[0].name}: {found[0].sentence} {found[0].remedy}"
    assert "Rescaling" in found._repr_html_()
    assert repr(explain.Findings()) == "Nothing found."


def test_the_model_stays_as_it_is():
    """Weights, optimizer, generator and history are afterwards what they were before."""
    model = network()
    history = model.fit(X, Y, epochs=2, verbose=0)
    before = [*model.get_weights(), *model.optimizer.get_state(model.params)]
    generator = model.rng.bit_generator.state
    explain.diagnose(model, X, Y)
    after = [*model.get_weights(), *model.optimizer.get_state(model.params)]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    assert model.rng.bit_generator.state == generator
    assert model.history is history


def test_a_history_of_another_kind_is_refused():
    """It is what fit returns, or its dictionary."""
    with pytest.raises(ConfigError, match="expected history as what fit returns"):
        explain.diagnose(network(), X, Y, history=[1.0])
