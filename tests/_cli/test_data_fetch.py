"""``minicnn data fetch``: the group's help, and small data sets from a server on this machine."""

import sys

import numpy as np
import pytest

from download_helpers import mnist_npz, serving, sha256
from minicnn._cli.main import main
from minicnn.data import load_hdf5
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
        assert main(["data", "fetch", "mnist", str(tmp_path / "mnist_train.h5")]) == 0
        assert main(["data", "fetch", "mnist", str(tmp_path / "mnist_train.h5")]) == 2
    assert server.asked == ["/mnist.npz"]
    assert "train: 6 images (28, 28)" in capsys.readouterr().out
    assert (tmp_path / "home" / "datasets" / "mnist.npz").exists()
    (x, y), (x_test, _) = mnist.load_data()
    train = load_hdf5(tmp_path / "mnist_train.h5")
    np.testing.assert_array_equal(train.x[..., 0], x)
    np.testing.assert_array_equal(train.y, y)
    np.testing.assert_array_equal(load_hdf5(tmp_path / "mnist_test.h5").x[..., 0], x_test)


def test_no_net_and_no_pooch(tmp_path, monkeypatch, capsys):
    """Without the one or the other: a line with what to do, and status 2."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")
    for said in ("cannot be reached", "pip install pooch"):
        assert main(["data", "fetch", "mnist"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert said in error or (said == "cannot be reached" and "pooch" in error)
        assert "by hand" in error
        monkeypatch.setitem(sys.modules, "pooch", None)
