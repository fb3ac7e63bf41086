"""Output in a notebook: a bar that stays in its place, pictures where they are drawn, tables.
IPython is not needed: a stand-in records its output.
"""

import base64
import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import Dense, History, Input, Residual, Sequential
from minicnn._core.console import width_of
from minicnn.callbacks import BackupAndRestore, Callback, EarlyStopping, TimeBudget
from minicnn.data import Dataset
from minicnn.errors import ConfigError
from minicnn.layers import Layer
from minicnn.lr_finder import RateSweep
from minicnn.metrics import classification_report
from minicnn.plots import LivePlot, plot_history, plot_learning_rates

X, Y = np.random.default_rng(0).random((40, 4)), np.arange(40) % 2
CURVES = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]}


def compiled():
    model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    return model


class Notebook:
    """A kernel: the outputs of its cell, of which those with a handle can be replaced."""

    def __init__(self):
        self.kernel = object()
        self.execution_count = 1
        self.outputs, self.updates = [], 0

    def display(self, what, raw=False, display_id=False):
        assert raw
        self.outputs.append(what)
        place = len(self.outputs) - 1

        def update(what, raw=False):
            assert raw
            self.updates += 1
            self.outputs[place] = what

        return SimpleNamespace(update=update) if display_id else None


@pytest.fixture
def notebook(monkeypatch):
    """Let it seem that this is a notebook."""
    shell = Notebook()
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython, display.display = lambda: shell, shell.display
    ipython.display = display
    ipython.version_info = (9, 0)  # Matplotlib asks
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shell


def test_one_bar_and_a_line_an_epoch(notebook, capsys):
    """Through all epochs there is one bar, which is replaced; lines are on standard output."""
    compiled().fit(X, Y, epochs=3, validation_data=(X, Y))
    assert len(notebook.outputs) == 1
    assert notebook.updates >= 3
    bar = notebook.outputs[0]["text/plain"]
    assert bar.startswith("epoch 3/3 |██████████████████████████████| ")
    assert len(bar) <= 80
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all(", val_accuracy 0." in line for line in lines)
    assert said.err == ""


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (2, 1)])
def test_no_bar_where_none_is_wanted(verbose, lines, notebook, capsys):
    """Silence is silence, and a line an epoch is nothing else."""
    compiled().fit(X, Y, verbose=verbose)
    assert notebook.outputs == []
    assert capsys.readouterr().out.count("\n") == lines


def test_plain_ipython_is_no_notebook(notebook, capsys):
    """IPython in a terminal has no kernel: there pictures are not shown, nor bars in cells."""
    del notebook.kernel
    compiled().fit(X, Y)
    plot_history(CURVES)
    assert notebook.outputs == []
    assert "epoch 1/1: loss" in capsys.readouterr().out


def test_a_picture_is_shown_where_it_is_drawn_and_once(notebook, tmp_path):
    """In the middle of a cell and in a loop; as its value not again, in another cell again."""
    for _ in range(2):
        figure = plot_history(CURVES, tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()
    assert len(notebook.outputs) == 2
    for output in notebook.outputs:
        assert base64.b64decode(output["image/png"]).startswith(b"\x89PNG")
    figure._ipython_display_()  # what IPython calls for the value of a cell
    assert len(notebook.outputs) == 2
    notebook.execution_count += 1
    figure._ipython_display_()
    assert len(notebook.outputs) == 3
    plot_learning_rates(RateSweep(np.array([1e-3, 1e-2]), np.array([1.0, 0.5]), 1e-2))
    assert len(notebook.outputs) == 4


def test_outside_a_notebook_nothing_is_shown(capsys):
    """A script's figure is returned, and that is all."""
    figure = plot_history(CURVES)
    assert not hasattr(figure, "_ipython_display_")
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_a_model_in_a_line():
    """What it is made of and takes; before it is built, that it is not."""
    assert repr(compiled()) == "Sequential('sequential', 1 layer, 4 -> 2, 10 parameters)"
    model = Sequential([Residual([Dense(4)])], name="new")
    assert repr(model) == "Sequential('new', 1 layer, not built)"
    assert model._repr_html_() is None
    assert repr(Sequential()) == "Sequential('sequential', 0 layers, not built)"


def test_a_history_in_a_line():
    """The number of epochs, and the logs of the last; many are cut off visibly."""
    history = History()
    assert repr(history) == "History(no epochs)"
    for loss in (0.5, 0.25):
        history.append({"loss": loss, "f1": np.array([0.5, 1.0]), "note": "odd"})
    assert repr(history) == "History(2 epochs: loss 0.2500, f1 [0.50 1.00], note odd)"
    history.interrupted = True
    assert repr(history).endswith(", interrupted)")
    many = History()
    many.append({f"metric_{i}": 0.0 for i in range(20)})
    assert repr(many).endswith("metric_7 0.0000, ...)")


def test_a_sweep_and_a_data_set_in_a_line():
    """The suggestion comes first; arrays are summed up, not printed."""
    sweep = RateSweep(np.geomspace(1e-6, 1, 100), np.linspace(2, 1, 100), 0.00345)
    assert repr(sweep) == (
        "RateSweep(suggestion=0.0034, 100 rates from 1e-06 to 1, losses from 2.0000 down to 1.0000)"
    )
    assert len(repr(Dataset(np.zeros((500, 8, 8, 3)), np.zeros(500, int)))) < 80


def test_callbacks_and_custom_classes_in_a_line():
    """Arguments that are not at their defaults are shown; one that a class forgets is "..."."""
    assert repr(EarlyStopping("loss", patience=2)) == "EarlyStopping(monitor='loss', patience=2)"
    assert repr(TimeBudget("5min")) == "TimeBudget(300)"
    assert repr(BackupAndRestore("b")).startswith("BackupAndRestore(backup_dir=")

    class Custom(Callback):
        def __init__(self, weights):
            self.weights = weights

    assert len(repr(Custom(np.zeros(10_000)))) < 80

    class Forgets(Layer):
        def __init__(self, units, name=None):
            super().__init__(name)

    assert repr(Forgets(3)).startswith("Forgets(...")


def test_tables_of_a_notebook_are_escaped():
    """Names that are HTML are shown and do nothing; line breaks and escapes are spelled out."""
    evil = "<img src=x onerror=alert(1)>\n\x1b"
    report = classification_report(np.array([0, 1]), np.array([0, 1]), [evil, "dog"])
    history = History()
    history.append({evil: 0.5, "loss": 0.25})
    model = Sequential([Input((4,)), Dense(2, name="a<b>")], name="<i>")
    for thing in (report, history, model):
        html = thing._repr_html_()
        assert "<img" not in html
        assert "<b>" not in html
        assert "<i>" not in html
        assert "\x1b" not in html
        assert html.startswith("<table>")
        assert html.count("<tr>") >= 2
        assert "color" not in html  # it is read on dark pages too
    assert "\x1b" not in str(report)
    assert repr(report) == str(report)
    assert len(str(report).splitlines()) == 6


def test_a_long_history_is_a_short_table():
    """Of many epochs a notebook shows the first and the last."""
    history = History()
    for i in range(500):
        history.append({"loss": float(i)})
    html = history._repr_html_()
    assert html.count("<tr>") == 18
    for cell in (">1<", ">...<", ">500<"):
        assert cell in html


def test_tables_stand_in_columns_whatever_the_names(capsys):
    """Names of wide letters, and ones that are spelled out, leave the numbers in their columns."""
    names = ["cat", "\u732b\u732b\u732b\u732b\u732b\u732b\u732b\u732b", "a\tb\n"]
    report = classification_report(np.arange(3), np.arange(3), names)
    lines = str(report).splitlines()
    assert len({width_of(line) for line in lines[:-1]}) == 1
    Sequential([Input((4,)), *(Dense(2, name=name) for name in names[:2])]).summary()
    lines = [line for line in capsys.readouterr().out.splitlines() if "(N," in line]
    assert len({width_of(line.partition("(N,")[0]) for line in lines}) == 1


def test_a_summary_is_shown_once(notebook, capsys):
    """It is printed; as the value of that cell not again, alone in another as a table."""
    found = compiled().summary()
    assert capsys.readouterr().out == f"{found.text}\n"
    found._ipython_display_()
    assert notebook.outputs == []
    notebook.execution_count += 1
    found._ipython_display_()
    (shown,) = notebook.outputs
    assert shown["text/plain"] == found.text
    assert "<td>(N, 2)</td>" in shown["text/html"]


def test_a_live_plot_changes_in_its_place(notebook, tmp_path):
    """One output, redrawn after each epoch, and the file with it."""
    live = LivePlot(tmp_path / "a.png", seconds=0)
    live_model = compiled()
    live_model.fit(X, Y, epochs=3, verbose=0, callbacks=[live])
    assert len(notebook.outputs) == 1
    assert 1 <= notebook.updates <= 2  # drawing takes a twentieth of the time at most
    picture = base64.b64decode(notebook.outputs[0]["image/png"])
    assert picture[:4] == (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert "3 epochs" in notebook.outputs[0]["text/plain"]


def test_a_live_plot_never_costs_the_run(tmp_path, monkeypatch):
    """A folder that is not there is one warning; outside a notebook a path must be given."""
    live = LivePlot(tmp_path / "nowhere" / "a.png", seconds=0)
    with pytest.warns(RuntimeWarning, match="LivePlot: the curves are not drawn any more"):
        history = compiled().fit(X, Y, epochs=3, verbose=0, callbacks=[live])
    assert len(history.epoch) == 3
    with pytest.raises(ConfigError, match=r"expected a path such as 'curves\.png'"):
        LivePlot()
