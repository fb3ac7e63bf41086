"""Pictures can be read in grey, on dark pages and whole."""

import numpy as np
import pytest
from matplotlib import colormaps, style
from matplotlib.colors import to_rgb

from minicnn import Conv2D, GlobalAvgPool, Input, Sequential, plots
from minicnn.plots.drawing import DARK, LIGHT, RUNS, SIGNED, on_page
from minicnn.plots.explanations import ABOVE, BELOW

GREY = np.array([0.299, 0.587, 0.114])


def luminance(colour):
    """As WCAG has it."""
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (
        np.array([0.2126, 0.7152, 0.0722])
    )


@pytest.mark.parametrize("colour", [LIGHT, DARK, ABOVE, BELOW, *RUNS])
def test_lines_stand_out_on_a_dark_page(colour):
    """At least 4.5 times as light as black, and on a light page as they are."""
    assert on_page(colour) == colour
    with style.context("dark_background"):
        assert (luminance(on_page(colour)) + 0.05) / 0.05 > 4.5


def test_the_sign_is_seen_in_grey():
    """Colours of numbers on both sides of 0 rise all the way, and 0 is grey."""
    shown = colormaps[SIGNED](np.linspace(0, 1, 64))[:, :3]
    assert (np.diff(shown @ GREY) > 0).all()
    assert np.ptp(colormaps[SIGNED](0.5)[:3]) < 0.06


@pytest.mark.parametrize("names", [("no", "yes"), ("a long name of a class", "another long name")])
def test_the_title_of_a_confusion_is_whole(names):
    """It lies within the picture, however many images there are."""
    figure = plots.plot_confusion(np.array([[46_019, 4_006], [3_952, 46_023]]), None, names)
    figure.canvas.draw()
    box, whole = figure._suptitle.get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0
    assert box.x1 <= whole.x1
    assert box.y1 <= whole.y1


def test_many_classes_have_a_scale():
    """Where cells have no numbers, a bar says what the colours are."""
    assert len(plots.plot_confusion(np.eye(15, dtype=int)).axes) == 1
    assert len(plots.plot_confusion(np.eye(16, dtype=int)).axes) == 2


def test_legends_lie_below_the_panels():
    """Eight runs, and twelve classes of long names, cover no curve and are not cut."""
    runs = {f"seed {i}": {"loss": [1.0, 0.5], "val_loss": [1.1, 0.8]} for i in range(8)}
    y = np.arange(240) % 12
    scores = np.sin(np.arange(240 * 12)).reshape(240, 12) + 1.1
    scores /= scores.sum(axis=1, keepdims=True)
    names = [f"a rather long name {i}" for i in range(12)]
    for figure in (
        plots.plot_history(runs),
        plots.plot_roc(y, scores, names),
        plots.plot_precision_recall(y, scores, names),
    ):
        figure.canvas.draw()
        legend = figure.legends[0].get_window_extent()
        assert legend.x0 >= 0
        assert legend.x1 <= figure.bbox.x1
        assert all(axes.get_tightbbox().y0 >= legend.y1 - 1 for axes in figure.axes)
        styles = {
            (line.get_color(), line.get_linestyle(), line.get_marker())
            for line in figure.axes[0].get_lines()
            if not line.get_label().startswith("_")
        }
        assert len(styles) == len(figure.legends[0].get_texts())


def test_the_strongest_part_has_a_line_around_it():
    """It is a contour at half of the largest value; a map of one number has none."""
    model = Sequential([Input((8, 8, 1)), Conv2D(1, 3), GlobalAvgPool()], seed=0)
    model.layers[0].params["kernel"][...] = 1
    image = np.zeros((8, 8, 1))
    image[1:4, 1:4] = 1
    drawn = [plots.plot_grad_cam(model, one).axes[1] for one in (image, np.ones((8, 8, 1)))]
    assert [len(axes.collections) for axes in drawn] == [2, 0]
    ring = drawn[0].collections[0].get_paths()[0].vertices
    assert ring.max() < 5.5


def test_the_learning_rate_lies_below():
    """Under all metrics, and as wide as they are together."""
    curves = {"learning_rate": [0.1, 0.01], "loss": [1.0, 0.5], "accuracy": [0.5, 0.7]}
    figure = plots.plot_history(curves)
    figure.canvas.draw()
    panels = {axes.get_ylabel(): axes.get_position() for axes in figure.axes}
    assert panels["learning_rate"].y1 < panels["loss"].y0
    assert panels["learning_rate"].x1 == pytest.approx(panels["accuracy"].x1)
