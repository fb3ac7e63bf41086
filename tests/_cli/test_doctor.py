"""``minicnn doctor`` with the folder of a run."""

import numpy as np
import pytest

from minicnn import Adam, Dense, Flatten, Input, Rescaling, Sequential
from minicnn._cli.main import main
from minicnn.data import load_hdf5
from picture_helpers import write_pair


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of the terminal, and one of a script whose rate is far too high."""
    folder = tmp_path_factory.mktemp("doctor")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_pair("train.h5", "test.h5")
        options = ["--model", "course", "--epochs", "1", "--out", "well", "--quiet"]
        assert main(["train", *options, "--train", "train.h5", "--test", "test.h5"]) == 0
        data = load_hdf5("train.h5")
        layers = [Rescaling(1 / 255), Flatten(), Dense(data.classes, activation="softmax")]
        model = Sequential([Input(data.x.shape[1:]), *layers], seed=0)
        model.compile(Adam(10.0), "sparse_categorical_crossentropy")
        model.fit(data, epochs=1, checkpoint="sick", verbose=0)
    return folder


def test_a_run_that_is_well_is_one_line(runs, monkeypatch, capsys):
    """Its files are known."""
    monkeypatch.chdir(runs)
    assert main(["doctor", "well"]) == 0
    assert capsys.readouterr().out == "well: nothing found after 1 epochs.\n"


def test_a_sick_run_is_said_in_80_columns(runs, monkeypatch, capsys):
    """Name, sign and remedy; the exit status is 1. A run of a script needs its file."""
    monkeypatch.chdir(runs)
    assert main(["doctor", "sick"]) == 2
    assert "--train FILE" in capsys.readouterr().err
    assert main(["doctor", "sick", "--train", "train.h5", "--test", "test.h5"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "learning rate too high:"
    assert all(line.startswith("  ") or line.endswith(":") for line in lines)
    assert max(map(len, lines)) <= 80
    assert np.any(["Try learning_rate=" in line for line in lines])


def test_mistakes_are_one_line(runs, monkeypatch, capsys):
    """A folder without a run, files without a folder."""
    monkeypatch.chdir(runs)
    for arguments in (
        *(["nowhere"], ["."], ["--test", "test.h5"], ["well", "--train", "none.h5"]),
        ["well", "--x-key", "x"],
    ):
        assert main(["doctor", *arguments]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
