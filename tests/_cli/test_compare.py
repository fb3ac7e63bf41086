"""``minicnn compare``."""

import shutil

import pytest

from minicnn._cli.main import main
from picture_helpers import write_pair


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on a few pictures, of two networks."""
    folder = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_pair("train.h5", "test.h5")
        for name in ("lenet5", "small"):
            options = ["--model", name, "--epochs", "1", "--out", name, "--quiet"]
            options += ["--train", "train.h5", "--test", "test.h5"]
            assert main(["train", *options]) == 0
    return folder


def test_two_runs_are_compared_on_their_test_file(runs, monkeypatch, capsys):
    """The accuracies are those that training printed, and the folders' names stand for the runs."""
    monkeypatch.chdir(runs)
    assert main(["compare", "lenet5", "small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["lenet5", "small"]
    assert lines[-1].startswith("McNemar's exact test: p = ")
    assert max(map(len, lines)) <= 80
    assert main(["evaluate", "lenet5/model.keras", "test.h5"]) == 0
    assert f"Accuracy {lines[0].split()[1]} " in capsys.readouterr().out


def test_models_are_compared_on_a_file(runs, monkeypatch, capsys):
    """A model file, and a run of a script, whose network the checkpoint has, need --test."""
    monkeypatch.chdir(runs)
    shutil.copytree("small", "script", dirs_exist_ok=True)
    for name in ("model.keras", "settings.json"):
        (runs / "script" / name).unlink()
    test = ["--test", "test.h5"]
    assert main(["compare", "small/model.keras", "script", *test]) == 0
    assert "difference +0.000" in capsys.readouterr().out
    assert main(["compare", "small/model.keras", "script"]) == 2
    assert "--test FILE" in capsys.readouterr().err
    assert main(["compare", "small", "nowhere", *test]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
