"""The picture of a run: what is on it, and where it goes."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minicnn.callbacks.history import History
from minicnn.errors import ConfigError
from minicnn.plots import plot_history, plot_learning_rates

CURVES = {
    "loss": [1.0, 0.6, 0.4],
    "accuracy": [0.3, 0.6, 0.8],
    "val_loss": [1.1, 0.8, 0.7],
    "val_accuracy": [0.2, 0.5, 0.6],
}


def test_curves_and_labels():
    """Each panel has training and validation, with the numbers given and labelled axes."""
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
    """A single number is drawn as a point that can be seen."""
    (line,) = plot_history({"loss": [0.5]}).axes[0].get_lines()
    assert line.get_marker() == "o"


def test_a_curve_for_each_class():
    """Twelve classes are twelve curves a series, with one name in the legend for all of them."""
    values = list(np.random.default_rng(0).uniform(size=(4, 12)))
    figure = plot_history({"loss": [1.0] * 4, "f1": values, "val_f1": values})
    axes = figure.axes[1]
    assert len(axes.get_lines()) == 24
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["training", "validation"]
    np.testing.assert_array_equal(
        [line.get_ydata() for line in axes.get_lines()[:12]], np.transpose(values)
    )
    figure.canvas.draw()


def test_one_epoch_has_one_tick():
    """The axis of a single epoch has no other numbers than 1."""
    figure = plot_history({"loss": [0.5]})
    figure.canvas.draw()
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]


def test_several_runs_in_one_picture():
    """A list numbers them, a dictionary names them; each has a colour, validation is dashed."""
    history, other = History(CURVES, [0, 1, 2]), {"loss": [2.0, 1.0], "learning_rate": [0.1, 0.1]}
    for runs, names in (([history, other], ["run 1", "run 2"]), ({"a": history, "b": other}, "ab")):
        figure = plot_history(runs)
        panels = {axes.get_ylabel(): axes for axes in figure.axes}
        assert list(panels) == ["loss", "accuracy", "learning_rate"]
        lines = {line.get_label(): line for line in panels["loss"].get_lines()}
        first, second = names
        assert list(lines) == [f"{first}, training", f"{first}, validation", f"{second}, training"]
        training, validation, another = lines.values()
        assert training.get_color() == validation.get_color() != another.get_color()
        assert training.get_linestyle() == another.get_linestyle() != validation.get_linestyle()
        np.testing.assert_array_equal(another.get_ydata(), other["loss"])
        (rate,) = panels["learning_rate"].get_lines()
        assert rate.get_label() == second


def test_a_learning_rate_is_neither_training_nor_validation():
    """It has no legend; one that falls by powers of ten has a logarithmic axis."""
    for rates, scale in (([0.1, 0.01], "log"), ([0.1, 0.05], "linear"), ([0.1, 0.0], "linear")):
        axes = plot_history({"loss": [1.0, 0.5], "learning_rate": rates}).axes[1]
        assert axes.get_legend() is None
        assert axes.get_yscale() == scale


@pytest.mark.parametrize(
    "name",
    ["sparse_top_k_categorical_accuracy", "x" * 90, "a_$b$_{", "$\\frac{", "_hidden", "a b\n"],
)
def test_names_stay_within_their_axes(name):
    """A name of any length is beside its axis, and one that looks like a formula is none."""
    figure = plot_history({"loss": [1.0, 0.5], name: [1.0, 0.5]})
    figure.canvas.draw()
    label, axes = figure.axes[1].yaxis.label, figure.axes[1]
    assert label.get_window_extent().height <= 1.05 * axes.get_window_extent().height
    assert "".join(label.get_text().split()).replace(r"\$", "$") == "".join(
        name.replace("\n", r"\n").split()
    )
    runs = plot_history({name: {"loss": [1.0, 0.5]}})
    runs.canvas.draw()
    assert len(runs.legends[0].get_texts()) == 1


def test_many_metrics_are_in_rows():
    """Of ten panels three stand beside each other, and none is empty."""
    figure = plot_history({f"m{i}": [1.0, 0.5] for i in range(10)})
    assert len(figure.axes) == 10
    assert figure.get_figwidth() < 15


def test_what_is_no_number_is_left_out():
    """A note that a callback has put into the logs has no panel."""
    figure = plot_history({"loss": [1.0, 0.5], "note": ["a", "b"]})
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss"]


def test_letters_that_no_font_has_are_one_warning(tmp_path):
    """Not one for each of them and each time that it is drawn."""
    curves = {f"{chr(0x10380 + i)}": [1.0, 0.5] for i in range(8)}
    with pytest.warns(RuntimeWarning, match="no font here has all") as caught:
        plot_history(curves, tmp_path / "a.png")
    assert len(caught) == 1


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_written_to_a_file(ending, tmp_path):
    """The picture is written whole, in the kind that the name asks for."""
    plot_history(CURVES, tmp_path / f"curves.{ending}")
    head = (tmp_path / f"curves.{ending}").read_bytes()[:5]
    assert head == {"png": b"\x89PNG\r", "pdf": b"%PDF-", "svg": b"<?xml"}[ending]


@pytest.mark.parametrize(
    "env", [{}, {"MPLBACKEND": "qtagg"}, {"MPLBACKEND": "nonsense", "MPLCONFIGDIR": "/dev/null/no"}]
)
def test_without_a_display(env, tmp_path):
    """It works without a screen, with any backend, and does not load pyplot."""
    code = (
        "import os, sys; from minicnn.plots import plot_history;"
        f"plot_history({{'loss': [1.0, 0.5]}}, {str(tmp_path / 'a.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules;"
        f"assert os.environ.get('MPLBACKEND') == {env.get('MPLBACKEND')!r}"
    )
    env = {"HOME": str(tmp_path), "MPLCONFIGDIR": matplotlib.get_configdir()} | env
    run = subprocess.run([sys.executable, "-c", code], check=True, env=env, capture_output=True)
    assert run.stdout + run.stderr == b""
    assert (tmp_path / "a.png").exists()


def test_mistakes_are_explained(tmp_path):
    """No epochs, and a path of another kind, are said in one line."""
    with pytest.raises(ConfigError, match="at least one epoch, got none"):
        plot_history(History())
    for wrong in (None, 3, "loss", [None], np.ones(3), {"a": CURVES, "b": 3}):
        with pytest.raises(ConfigError, match=r"expected what fit returns.* got (?!.*\n)"):
            plot_history(wrong)
    with pytest.raises(ConfigError, match="a list with a number an epoch for 'loss', got float"):
        plot_history({"loss": 0.5})
    with pytest.raises(ConfigError, match="expected what find_learning_rate returns, got dict"):
        plot_learning_rates(CURVES)
    for name in ("curves.xyz", "curves"):
        with pytest.raises(ConfigError, match=rf"ends in .png, .jpg, .pdf or .svg, got .*{name}'"):
            plot_history(CURVES, tmp_path / name)
    with pytest.raises(ConfigError, match="got 3"):
        plot_history(CURVES, 3)
    assert list(tmp_path.iterdir()) == []


def test_history_as_csv(tmp_path):
    """The table has a row an epoch, and its numbers are the history's to the last bit."""
    history = History()
    for i in range(3):
        history.append({name: values[i] / 3 for name, values in CURVES.items()})
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values


def test_several_numbers_in_a_cell(tmp_path):
    """The numbers of each class are a list in one cell, to the last digit."""
    history, values = History(), np.random.default_rng(0).uniform(size=(2, 12))
    for row in values:
        history.append({"f1": row})
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [json.loads(row["f1"]) for row in rows] == values.tolist()


def test_the_mean_of_several_runs_has_a_band():
    """The line is the mean of the runs that have an epoch, the band reaches from least to most."""
    runs = [{"loss": [1.0, 0.6, 0.2]}, {"loss": [2.0, 0.8]}]
    axes = plot_history(runs, band=True).axes[0]
    assert axes.lines[0].get_ydata().ravel().tolist() == pytest.approx([1.5, 0.7, 0.2])
    edges = axes.collections[0].get_paths()[0].vertices
    assert edges[:, 1].max() == 2.0
    assert edges[edges[:, 0] == 2, 1].min() == 0.6
    from_repeats = plot_history(SimpleNamespace(histories=[History({"loss": [1.0]})] * 2))
    assert len(from_repeats.axes[0].collections) == 1


def test_smoothed_curves_lie_over_the_values():
    """Hand-worked running means, with the values faint behind them."""
    axes = plot_history({"loss": [4.0, 2.0, 1.0]}, smoothing=0.5).axes[0]
    faint, smooth = axes.lines
    assert faint.get_ydata().ravel().tolist() == [4.0, 2.0, 1.0]
    expected = [4.0, (4 / 2 + 2) / 1.5, (4 / 4 + 2 / 2 + 1) / 1.75]
    assert smooth.get_ydata().ravel().tolist() == pytest.approx(expected)
    with pytest.raises(ConfigError, match="smoothing"):
        plot_history({"loss": [1.0]}, smoothing=1.0)
