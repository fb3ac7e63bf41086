"""The picture of a run: what is on it, and where it goes."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minicnn.errors import ConfigError
from minicnn.history import History
from minicnn.plots import plot_history

CURVES = {
    "loss": [1.0, 0.6, 0.4],
    "accuracy": [0.3, 0.6, 0.8],
    "val_loss": [1.1, 0.8, 0.7],
    "val_accuracy": [0.2, 0.5, 0.6],
}


def test_curves_and_labels():
    """Each panel has training and validation, with the figures given and labelled axes."""
    figure = plot_history(History(CURVES, [0, 1, 2]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    for axes in figure.axes:
        assert axes.get_xlabel() == "epoch"
        training, validation = axes.get_lines()
        assert (training.get_label(), validation.get_label()) == ("training", "validation")
        name = axes.get_ylabel()
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(training.get_ydata(), CURVES[name])
        np.testing.assert_array_equal(validation.get_ydata(), CURVES[f"val_{name}"])


def test_legible_in_grey():
    """Without colour the two curves differ in lightness and in their dashes."""
    training, validation = plot_history(CURVES).axes[0].get_lines()
    light, dark = (
        np.dot(to_rgb(c.get_color()), [0.299, 0.587, 0.114]) for c in (training, validation)
    )
    assert light - dark > 0.3
    assert training.get_linestyle() != validation.get_linestyle()


def test_one_epoch_without_validation_is_a_dot():
    """A single figure is drawn as a point that can be seen."""
    (line,) = plot_history({"loss": [0.5]}).axes[0].get_lines()
    assert line.get_marker() == "o"


def test_a_curve_for_each_class():
    """Twelve classes are twelve curves a series, with one name in the legend for all of them."""
    figures = list(np.random.default_rng(0).uniform(size=(4, 12)))
    figure = plot_history({"loss": [1.0] * 4, "f1": figures, "val_f1": figures})
    axes = figure.axes[1]
    assert len(axes.get_lines()) == 24
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["training", "validation"]
    np.testing.assert_array_equal(
        [line.get_ydata() for line in axes.get_lines()[:12]], np.transpose(figures)
    )
    figure.canvas.draw()


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_written_to_a_file(ending, tmp_path):
    """The picture is written whole, in the kind that the name asks for."""
    plot_history(CURVES, tmp_path / f"curves.{ending}")
    head = (tmp_path / f"curves.{ending}").read_bytes()[:5]
    assert head == {"png": b"\x89PNG\r", "pdf": b"%PDF-", "svg": b"<?xml"}[ending]


def test_without_a_display(tmp_path):
    """It works where there is no screen, and does not load pyplot."""
    code = (
        "import sys; from minicnn.plots import plot_history;"
        f"plot_history({{'loss': [1.0, 0.5]}}, {str(tmp_path / 'a.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"HOME": str(tmp_path)})
    assert (tmp_path / "a.png").exists()


def test_mistakes_are_explained(tmp_path):
    """No epochs, and a path of another kind, are said in one line."""
    with pytest.raises(ConfigError, match="at least one epoch, got none"):
        plot_history(History())
    for name in ("curves.xyz", "curves"):
        with pytest.raises(ConfigError, match=rf"ends in .png, .pdf or .svg, got .*{name}'"):
            plot_history(CURVES, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_history_as_csv(tmp_path):
    """The table has a row an epoch, and its figures are the history's to the last bit."""
    history = History()
    for i in range(3):
        history.append({name: values[i] / 3 for name, values in CURVES.items()})
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values


def test_several_figures_in_a_cell(tmp_path):
    """The numbers of each class are a list in one cell, to the last digit."""
    history, figures = History(), np.random.default_rng(0).uniform(size=(2, 12))
    for row in figures:
        history.append({"f1": row})
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [json.loads(row["f1"]) for row in rows] == figures.tolist()
