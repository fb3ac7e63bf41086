"""Pictures of a classifier's results."""

import numpy as np
import pytest

from minicnn import evaluation, plots
from minicnn.data import Dataset
from minicnn.errors import ConfigError, DataError
from minicnn.metrics import classification_report

RNG = np.random.default_rng(0)


def results(classes, n=200):
    """Labels, and probabilities that are right more often than not."""
    y = np.append(np.arange(classes), RNG.integers(0, classes, n - classes))
    z = RNG.normal(size=(n, classes))
    z[np.arange(n), y] += 2
    p = np.exp(z)
    return y, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 6, 40])
def test_a_cell_has_its_count_and_is_as_dark_as_its_part(classes):
    """What is drawn is the matrix: the counts as texts, and the parts of the rows as colours."""
    y, p = results(classes)
    figure = plots.plot_confusion(y, p)
    axes = figure.axes[0]
    counts = np.zeros((classes, classes), int)
    for truth, said in zip(y, p.argmax(axis=1), strict=True):
        counts[truth, said] += 1
    drawn = axes.get_images()[0].get_array()
    np.testing.assert_allclose(drawn, counts / counts.sum(axis=1, keepdims=True))
    texts = [text.get_text().split("\n")[0] for text in axes.texts]
    assert texts == ([str(n) for n in counts.ravel()] if classes < 16 else [])
    assert f"{np.trace(counts)} of 200 right (95% interval" in figure.get_suptitle()
    again = plots.plot_confusion(classification_report(y, p))
    assert again.get_suptitle() == figure.get_suptitle()


def test_pictures_are_written_and_hostile_names_are_texts(tmp_path):
    """Names with formulas, markup and of great length are drawn as they are, or cut."""
    y, p = results(3)
    names = ["$x_1$", "<b>&", "a name of a class that goes on and on 17"]
    figure = plots.plot_confusion(y, p, names, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[:2] == [r"\$x_1\$", "<b>&"]
    assert labels[2].startswith("a name")
    assert labels[2].endswith("17")
    with pytest.raises(ConfigError, match="a name for each of the 3 classes"):
        plots.plot_confusion(np.zeros((3, 3), int), None, ["one"])


def test_mistakes_show_the_pictures_that_are_wrong():
    """Each panel has its picture, what was said and the truth."""
    y, p = results(4, 40)
    x = RNG.integers(0, 256, (40, 6, 6, 3)).astype(np.uint8)
    data = Dataset(x, y, ("a", "b", "c", "d"))
    found = evaluation.worst_mistakes(p, data, most=5)
    figure = plots.plot_mistakes(found)
    assert len(figure.axes) == len(found)
    for axes, one in zip(figure.axes, found, strict=True):
        np.testing.assert_allclose(axes.get_images()[0].get_array(), x[one.sample] / 255)
        assert f"said {found.name(one.said)}" in axes.get_title()
        assert axes.get_xlabel() == f"image {one.sample}"
    right = evaluation.worst_mistakes(np.eye(4)[y], data)
    with pytest.raises(DataError, match="all are right"):
        plots.plot_mistakes(right)


def test_images_of_one_class():
    """Only those of the class, by its name or its number, with their places among all."""
    x, y = RNG.random((9, 5, 5)), np.array([0, 1, 2] * 3)
    data = Dataset(x[..., None], y, ("a", "b", "c"))
    figure = plots.plot_images(data, of="b")
    assert [axes.get_xlabel() for axes in figure.axes] == ["1", "4", "7"]
    assert [axes.get_title() for axes in figure.axes] == ["b"] * 3
    assert len(plots.plot_images(x, most=4).axes) == 4
    with pytest.raises(DataError, match="one of the classes a, b, c"):
        plots.plot_images(data, of="z")
    with pytest.raises(DataError, match="got none"):
        plots.plot_images(x[:0])


@pytest.mark.parametrize("classes", [2, 6, 40])
def test_curves_are_those_of_the_classes(classes):
    """Each line is the class' curve; of many only the best and the worst are named."""
    y, p = results(classes)
    figure = plots.plot_roc(y, p)
    axes = figure.axes[0]
    there = [1] if classes == 2 else range(classes)
    lines = axes.lines[: len(there)]
    for i, line in zip(there, lines, strict=True):
        curve = evaluation.roc_curve((y == i).astype(int), p[:, i])
        np.testing.assert_array_equal(line.get_xdata(), curve.x)
        np.testing.assert_array_equal(line.get_ydata(), curve.y)
    named = len(figure.legends[0].get_texts())
    assert named == {2: 1, 6: 6, 40: 2}[classes]
    assert plots.plot_precision_recall(y, p).axes[0].get_xlabel() == "recall"
    assert "calibration error" in plots.plot_calibration(y, p).axes[0].get_title()
