"""``minicnn report``: where the page is, which data it takes, and how its run is repeated."""

import re
import shlex
from html import unescape

import numpy as np
import pytest

from minicnn import Dense, Flatten, Input, Rescaling, Sequential, runs
from minicnn._cli.main import main
from picture_helpers import write_pair


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with two files of pictures."""
    monkeypatch.chdir(tmp_path)
    write_pair("train file.h5", "test.h5")
    return tmp_path


def test_the_command_on_the_page_gives_the_same_weights(home, capsys):
    """Of a run that was resumed to another end: what stands there is run, line by line."""
    train = ["train", "--train", "train file.h5", "--test", "test.h5", "--model", "lenet5"]
    more = ["--batch-size", "16", "--seed", "3", "--out", "run", "--quiet"]
    assert main([*train, "--epochs", "1", *more]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["report", "run"]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(r"run/report\.html: [\d,]+ bytes\. Open it in a browser\.\n", said)
    text = (home / "run" / "report.html").read_text(encoding="utf-8")
    first, told, second = unescape(
        re.search(r"<pre.*?<code>(.*?)</code>", text, re.DOTALL)[1]
    ).split("\n")
    assert told == "# after epoch 1:"
    assert main([*shlex.split(first)[1:], "--out", "again", "--quiet"]) == 0
    again = second.replace("--resume run", "--resume again")
    assert main([*shlex.split(again)[1:], "--quiet"]) == 0
    one, other = (runs.load_run(folder).model() for folder in ("run", "again"))
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_script_s_run_takes_its_files_as_options(home, capsys):
    """Without them what the checkpoint knows; with them the figures; a missing file is noted."""
    x = np.zeros((6, 32, 32, 3), np.uint8)
    layers = [Input((32, 32, 3)), Rescaling(1 / 255), Flatten(), Dense(3, activation="softmax")]
    model = Sequential(layers, seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, np.arange(6) % 3, checkpoint="run", verbose=0)
    assert main(["report", "run", "--out", "a.html"]) == 0
    assert main(["report", "run", "--out", "b.html", "--test", "test.h5"]) == 0
    one, other = ((home / name).read_text(encoding="utf-8") for name in ("a.html", "b.html"))
    assert "there are no test images" in one
    assert "of 30 test images are right" in other
    assert "kind 2" in other
    assert capsys.readouterr().err == ""


def test_files_that_are_gone_are_named(home):
    """The page of a run whose files were moved says so."""
    files = ["--train", "train file.h5", "--test", "test.h5", "--model", "lenet5"]
    assert main(["train", "--epochs", "1", "--out", "run", "--quiet", *files]) == 0
    (home / "test.h5").unlink()
    assert main(["report", "run"]) == 0
    text = (home / "run/report.html").read_text(encoding="utf-8")
    assert "The test file is no longer there" in text
    assert "Images of each class" in text
    (home / "test.h5").write_bytes(b"damaged")
    assert main(["report", "run"]) == 0
    assert "expected an HDF5 file" in (home / "run/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["."], "got a folder without"),
        (["test.h5"], "got a file"),
        (["none"], "got none"),
        (["run", "--out", "page.png"], "ends in .html"),
        (["run", "--test", "none.h5"], "none.h5"),
        (["run", "--x-key", "z"], "expected --train FILE or --test FILE beside --x-key"),
        (["run", "--test", "test.h5", "--x-key", "z"], "expected a dataset 'z'"),
        ([], "RUN"),
    ],
)
def test_a_mistake_is_one_line(home, arguments, says, capsys):
    """Status 2, a line on standard error, and no page."""
    model = Sequential([Input((32, 32, 3)), Flatten(), Dense(3, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.zeros((6, 32, 32, 3)), np.arange(6) % 3, checkpoint="run", verbose=0)
    assert main(["report", *arguments]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not list(home.rglob("*.html"))
