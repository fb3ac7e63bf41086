"""Pictures of explanations: the window, the kernel, the products; bars of the largest terms."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, MaxPool, Sequential
from minicnn.errors import ConfigError
from minicnn.plots import plot_explanation


@pytest.fixture(scope="module")
def network():
    layers = [Conv2D(4, 3, padding="same", activation="relu"), MaxPool(2), Flatten(), Dense(3)]
    model = Sequential([Input((8, 8, 2)), *layers], seed=0)
    return model, np.random.default_rng(0).standard_normal((8, 8, 2))


def test_a_convolution_is_drawn_with_its_window(network):
    """The rectangle lies where the window lies, and the products of the channel are written."""
    model, x = network
    one = model.explain(x, "conv2d", (0, 3, 1))
    figure = plot_explanation(one, channel=1)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "input_layer, channel 1"
    box = figure.axes[0].patches[-1].get_bbox().bounds
    assert box == (1.5, -1.5, 3, 3)
    products = figure.axes[3].images[0].get_array()
    terms = one.terms
    of_channel = terms.products[[at[-1] == 1 for at in terms.positions]]
    assert np.allclose(np.ma.compressed(products), of_channel)
    assert len(np.ma.compressed(products)) == 6, "a row lies in the padding"
    assert "relu" in figure.get_supxlabel()


def test_a_pool_marks_its_winner(network):
    """A box lies on the largest pixel of the window."""
    model, x = network
    one = model.explain(x, "max_pooling2d", (1, 1, 0))
    figure = plot_explanation(one)
    (box,) = figure.axes[1].patches
    at = one.terms.positions[int(one.terms.weights.argmax())]
    assert (box.get_y() + 0.5 + 2, box.get_x() + 0.5 + 2) == at[:2]


def test_others_are_bars(network, tmp_path):
    """Of Dense, and of a gradient: the largest terms, the rest and the bias add up."""
    model, x = network
    for one in (
        model.explain(x, "dense", 1),
        model.explain_gradient(x, "input_layer", (4, 4, 0), output=1),
    ):
        figure = plot_explanation(one, tmp_path / "bars.png")
        drawn = sum(bar.get_width() for bar in figure.axes[0].containers[0])
        assert drawn == pytest.approx(one.total)
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_mistakes_are_told(network):
    """Something else than an explanation, and a channel that is not there."""
    model, x = network
    with pytest.raises(ConfigError, match="expected what model"):
        plot_explanation(x)
    with pytest.raises(ConfigError, match="of 2, got 5"):
        plot_explanation(model.explain(x, "conv2d", (0, 3, 1)), channel=5)
