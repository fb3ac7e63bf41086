"""Pictures of where a network looked."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, DepthwiseConv2D, GlobalAvgPool, Input, Sequential, explain, plots
from minicnn.errors import ConfigError, ShapeError

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (16, 12, 3)).astype(np.uint8)


def network():
    """A convolution of six filters, and one of each channel."""
    return Sequential(
        [
            *(Input((16, 12, 3)), Conv2D(6, 3, activation="relu"), DepthwiseConv2D(3)),
            *(GlobalAvgPool(), Dense(2, activation="softmax")),
        ],
        seed=0,
    )


@pytest.mark.parametrize("kind", ["grad_cam", "saliency", "occlusion"])
def test_the_map_lies_over_the_picture(kind, tmp_path):
    """What is drawn is the picture and the map of ``explain``, of the same extent."""
    model = network()
    figure = getattr(plots, f"plot_{kind}")(model, IMAGE, 1, path=tmp_path / "a.png")
    left, right = figure.axes[:2]
    np.testing.assert_allclose(left.get_images()[0].get_array(), IMAGE / 255)
    options = {"samples": 16} if kind == "saliency" else {}
    found = getattr(explain, kind)(model, IMAGE, 1, **options)
    drawn = right.get_images()[-1]
    np.testing.assert_allclose(drawn.get_array(), found.map, rtol=1e-5)
    assert list(drawn.get_extent()) == [0, 12, 16, 0]
    assert left.get_title() == f"1: {found.value:.3g}"
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_an_empty_map_says_so():
    """Where no place speaks for a class the title says it, as the picture has one colour."""
    model = network()
    model.layers[1].params["kernel"][:] = 1
    model.layers[-1].params["kernel"][:] = [1, -1]  # every map speaks against class 1
    titles = [
        plots.plot_grad_cam(model, IMAGE, of, layer="conv2d").axes[1].get_title() for of in (0, 1)
    ]
    assert ["0 everywhere" in title for title in titles] == [False, True]


def test_maps_and_filters_have_a_panel_each():
    """The first ones, with one scale for all; what has none is refused."""
    model = network()
    figure = plots.plot_feature_maps(model, IMAGE, "conv2d", most=4)
    maps = explain.feature_maps(model, IMAGE, "conv2d")
    *panels, scale = figure.axes
    assert len(panels) == 4
    assert scale.get_ylim() == (0, pytest.approx(abs(maps).max()))
    for i, axes in enumerate(panels):
        drawn = axes.get_images()[0]
        np.testing.assert_array_equal(drawn.get_array(), maps[..., i])
        assert drawn.get_clim() == (0, abs(maps).max())
    assert len(plots.plot_filters(model.layers[0]).axes) == 6
    assert len(plots.plot_filters(model.layers[1]).axes) == 6 + 1
    with pytest.raises(ConfigError, match="expected a convolution"):
        plots.plot_filters(model.layers[-1])
    with pytest.raises(ShapeError, match="a layer of maps"):
        plots.plot_feature_maps(model, IMAGE, "dense")
