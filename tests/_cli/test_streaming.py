"""``minicnn train`` on files that stay on the disk."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn._cli import reading
from minicnn._cli.main import main
from minicnn.data import HDF5Dataset
from minicnn.data.synthetic import fingers
from minicnn.pages import reporting
from minicnn.runs import load_run


@pytest.fixture
def train(tmp_path, monkeypatch):
    """The arguments of a run on a few pictures, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    x, y = fingers(48, seed=0)
    for part, some in (("train", slice(36)), ("test", slice(36, None))):
        with h5py.File(f"{part}_few.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x[some], y[some]
            file["list_classes"] = np.arange(6)
    return ["train", "--train", "train_few.h5", "--test", "test_few.h5", "--model", "course"]


def test_a_run_that_streams(train, capsys, tmp_path):
    """With --stream a run says so, ends as others do, and is resumed as a stream."""
    assert main([*train, "--stream", "--epochs", "1"]) == 0
    assert "train_few.h5: 0 MB of images, read while the network trains." in capsys.readouterr().out
    settings = json.loads((tmp_path / "runs/few-1/settings.json").read_text())
    assert settings["stream"] is True
    assert main(["train", "--resume", "runs/few-1", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "Going on from runs/few-1/checkpoint.h5: epoch 2." in out
    assert "Test accuracy" in out


def test_images_that_fill_the_memory_are_streamed(train, capsys, monkeypatch):
    """Without the option, images stream where they would take half of the free memory."""
    monkeypatch.setattr(reading, "LARGE", 0)
    assert main([*train, "--epochs", "1"]) == 0
    assert "read while" not in capsys.readouterr().out
    monkeypatch.setattr(reading, "free_memory", lambda: 100_000)
    assert main([*train, "--epochs", "1"]) == 0
    assert "train_few.h5: 0 MB of images, read while" in capsys.readouterr().out


def test_a_run_that_streamed_is_replayed_and_reported(train, capsys, monkeypatch):
    """Its steps are done again in its order; images that fill the memory stay on the disk."""
    assert main([*train, "--stream", "--epochs", "2", "--batch-size", "16"]) == 0
    assert main(["replay", "runs/few-1", "--step", "5"]) == 0
    assert main(["replay", "runs/few-1", "--step", "2", "--learning-rate", "0.01"]) == 0
    assert "A branch from before step 2" in capsys.readouterr().out
    assert isinstance(load_run("runs/few-1").data()[1], HDF5Dataset)
    assert main(["report", "runs/few-1"]) == 0
    whole = Path("runs/few-1/report.html").read_text()
    monkeypatch.setattr(reporting, "free_memory", lambda: 100_000)
    assert main(["report", "runs/few-1"]) == 0
    assert "would fill the memory, and are left out" in Path("runs/few-1/report.html").read_text()
    assert "would fill the memory" not in whole
