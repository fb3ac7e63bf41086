"""``minicnn data fetch``: the group's help, and small data sets from a server on this machine."""

import numpy as np
import pytest

from download_helpers import mnist_npz, serving, sha256
from minicnn._cli.main import main
from minicnn.datasets import mnist


def test_data_alone_prints_its_commands(capsys):
    """``minicnn data`` is its help, with a line for each command."""
    assert main(["data"]) == 0
    assert "\n    fetch " in capsys.readouterr().out


def test_an_unknown_name(capsys):
    """The names that there are stand in one line, and the status is 2."""
    assert main(["data", "fetch", "minst"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "'minst'" in said
    assert "mnist" in said


def test_fetch(tmp_path, monkeypatch, capsys):
    """The file lies in Keras' folder afterwards, and its parts are told."""
    pytest.importorskip("pooch")
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    mnist_npz(tmp_path / "there" / "mnist.npz", np.random.default_rng(0))
    monkeypatch.setattr(mnist, "SHA256", sha256(tmp_path / "there" / "mnist.npz"))
    with serving(tmp_path / "there") as server:
        monkeypatch.setattr(mnist, "URL", f"{server.url}mnist.npz")
        assert main(["data", "fetch", "mnist"]) == 0
        assert main(["data", "fetch", "mnist"]) == 0
    assert server.asked == ["/mnist.npz"]
    assert "train: 6 images (28, 28)" in capsys.readouterr().out
    assert (tmp_path / "home" / "datasets" / "mnist.npz").exists()
