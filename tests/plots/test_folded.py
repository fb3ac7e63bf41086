"""A network on a slide: what its boxes say, and where they lie."""

from itertools import combinations, pairwise

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, Rectangle

from minicnn import Dense, Flatten, Input, Model, Sequential, applications, layers, plots
from minicnn.errors import ConfigError
from random_graphs import random_graph


def boxes(figure):
    """(left, top, right, bottom) of each box, whose body is white."""
    return [
        (x, y, x + patch.get_width(), y + patch.get_height())
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle) and to_hex(patch.get_facecolor()) == "#ffffff"
        for x, y in [patch.get_xy()]
    ]


def said(figure):
    return [text.get_text() for text in figure.axes[0].texts]


NETWORKS = {
    "small": lambda: applications.small((64, 64, 3), 6),
    "resnet20": lambda: applications.resnet20((32, 32, 3), 10),
    "unet": lambda: applications.unet((32, 32, 3), 3),
    "random": lambda: random_graph(1)[0],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_do_not_overlap_and_all_is_within(name):
    """Each is in the picture, which is no long strip; each arrow between layers is drawn."""
    model = NETWORKS[name]()
    figure = plots.plot_network(model)
    found = boxes(figure)
    for one, other in combinations(found, 2):
        apart = one[2] < other[0], other[2] < one[0], one[3] < other[1], other[3] < one[1]
        assert any(apart)
    width, height = figure.get_size_inches()
    for left, top, right, bottom in found:
        assert min(left, top) > -1e-6
        assert right <= width
        assert bottom <= height
    assert 0.5 < width / height < 3
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) >= len(found) - len(model.inputs)


def test_what_the_boxes_say():
    """Kernel, layers that go with it, shape, parameters and receptive field."""
    figure = plots.plot_network(applications.small((64, 64, 3), 6))
    assert said(figure)[:6] == [
        *("InputLayer", "input_layer, Rescaling", "64x64x3"),
        *("Conv2D 5x5/2", "conv2d, BatchNorm, ReLU", "32x32x16, 1,264 params, sees 5x5"),
    ]
    assert said(figure)[-3:] == ["Dense", "dense", "6, 3,078 params, sees all"]


def test_a_u_net_is_a_u():
    """Images of one size are on one level, and the smallest lie lowest and in the middle."""
    figure = plots.plot_network(applications.unet((32, 32, 3), 3))
    levels = {}
    for text, place in zip(said(figure)[2::3], boxes(figure), strict=True):
        levels.setdefault(int(text.split("x")[0]), []).append(place)
    assert list(levels) == [32, 16, 8, 4]
    for upper, lower in pairwise(levels.values()):
        assert max(box[3] for box in upper) < min(box[1] for box in lower)
    lowest = levels[4]
    for level in (32, 16, 8):
        assert min(box[2] for box in levels[level]) < min(box[0] for box in lowest)
        assert max(box[0] for box in levels[level]) > max(box[2] for box in lowest)


def test_a_layer_that_several_read_has_a_box_of_its_own():
    """What follows it is not put into it; neither is a layer with weights."""
    x = Input((8, 8, 2), name="image")
    y = layers.ReLU(name="both")(layers.Conv2D(2, 1, name="conv")(x))
    y = layers.Add(name="sum")([layers.Tanh(name="tanh")(y), y])
    model = Model(x, Dense(2, name="end")(Flatten(name="flat")(y)))
    names = said(plots.plot_network(model))[1::3]
    assert names == ["image", "conv, ReLU", "tanh", "sum", "flat", "end"]


def test_files_and_mistakes(tmp_path):
    """PNG and SVG; one line for what is no model, or not built."""
    model = Sequential([Input((4,)), Dense(2)])
    for name in ("a.png", "a.svg"):
        plots.plot_network(model, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(ConfigError, match="plot_network: expected a model, got 3"):
        plots.plot_network(3)
    with pytest.raises(ConfigError):
        plots.plot_network(Sequential([Dense(2)]))
