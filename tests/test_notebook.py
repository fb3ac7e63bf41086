"""What a notebook shows: the example, run in a kernel, and a run that is interrupted there."""

import asyncio
import base64
import threading
import time
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parent.parent / "examples/fingers.ipynb"


def run(notebook, folder):
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def shown(outputs, kind):
    """What the outputs of a cell have of a kind, "text/html" for example."""
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


def lines(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_example_shows_tables_and_pictures(tmp_path):
    """Data, model and history are tables; fit shows one bar, a line an epoch and one live plot."""
    notebook = nbformat.read(EXAMPLE, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    data, model, fit, history, confusion, report, mistakes, cam, one, drawn = run(
        notebook, tmp_path
    )
    assert "<td>200</td><td>16.7%</td>" in shown(data, "text/html")[0]
    assert 'alt="The first image of each class"' in shown(data, "text/html")[0]
    assert "conv2d_1 (Conv2D)" in shown(model, "text/html")[0]
    (curves,) = shown(fit, "image/png")
    assert base64.b64decode(curves).startswith(b"\x89PNG")
    (bar,) = [text for text in shown(fit, "text/plain") if "epoch 8/8" in text]
    assert "8/8 |" in bar
    assert lines(fit).count("epoch ") == 8
    assert shown(history, "text/html")[0].count("<tr>") == 9
    assert "0.9" in shown(report, "text/html")[0]
    for outputs in (confusion, mistakes, cam, drawn):
        assert len(shown(outputs, "image/png")) == 1
    assert "conv2d[10, 12, 3]" in shown(one, "text/html")[0]


LONG = """
import numpy as np
from minicnn import Dense, Flatten, Input, Sequential
x, y = np.zeros((64, 8, 8, 1), np.float32), np.zeros(64, int)
model = Sequential([Input((8, 8, 1)), Flatten(), Dense(2, activation="softmax")], seed=0)
model.compile("sgd", "sparse_categorical_crossentropy")
history = model.fit(x, y, epochs=10_000_000)
"""
AFTER = """
before = len(history.epoch)
again = model.fit(x, y, epochs=2)
print(history.interrupted, before > 0, len(again.epoch), model.optimizer.iterations >= 2 * 2)
"""


def test_an_interrupted_run_goes_on(tmp_path):
    """Interrupting the kernel ends fit in peace: no traceback, and the next cell trains on."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LONG)])
    notebook.cells.append(nbformat.v4.new_code_cell(AFTER))
    client = nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3")

    def interrupt():
        while "epoch 3/" not in lines(notebook.cells[0].outputs):
            time.sleep(0.05)
        asyncio.run(client.km.interrupt_kernel())

    threading.Thread(target=interrupt, daemon=True).start()
    client.execute()
    first, second = (cell.outputs for cell in notebook.cells)
    assert not any(output.output_type == "error" for output in first)
    assert "Ctrl-C" in lines(first)
    assert lines(second).splitlines()[-1] == "True True 2 True"
