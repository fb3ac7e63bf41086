"""``minicnn explain``: which pictures it takes, where the page is, one line for every mistake."""

import h5py
import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, Sequential
from minicnn._cli.main import main
from page_helpers import array_of, data_of


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a model, a picture and a file of pictures."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    model = Sequential([Input((8, 8, 3)), Conv2D(2, 3), Flatten(), Dense(2, "softmax")], seed=0)
    model.class_names = ("cat", "dog")
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.keras")
    Sequential([Input((4,)), Dense(2)], seed=0).save(tmp_path / "row.keras")
    x = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    Image.fromarray(x[0]).save("a.png")
    with h5py.File("few.h5", "w") as file:
        file["test_set_x"] = x
    with h5py.File("wide.h5", "w") as file:
        file["test_set_x"] = np.zeros((2, 9, 8, 3), np.uint8)
    return tmp_path


def test_the_page_has_the_pictures_and_the_classes(home, capsys):
    """Image files and pictures of HDF5 files, one or the first ten, on a page beside the model."""
    assert main(["explain", "run/model.keras", "a.png", "few.h5[11]", "few.h5"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("run/explain.html: 12 pictures, ")
    assert said.count("\n") == 1
    data = data_of(home / "run" / "explain.html")
    names = [one["name"] for one in data["pictures"]]
    assert names == ["a.png", "few.h5[11]", *(f"few.h5[{i}]" for i in range(10))]
    assert data["classes"] == ["cat", "dog"]
    pixels = [array_of(data, one["picture"]) for one in data["pictures"]]
    assert np.array_equal(pixels[0], pixels[2])


def test_two_pictures_of_one_name_are_two(home):
    """Files of the same name in two folders are both on the page."""
    (home / "b").mkdir()
    (home / "b" / "a.png").write_bytes((home / "a.png").read_bytes())
    assert main(["explain", "run/model.keras", "a.png", "b/a.png", "--out", "two.html"]) == 0
    names = [one["name"] for one in data_of(home / "two.html")["pictures"]]
    assert names == ["a.png", "a.png of b/a.png"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run/model.keras", "none.png"], "none.png"),
        (["run/model.keras", "few.h5[12]"], "from 0 to 11 within [], got '12'"),
        (["run/model.keras", "few.h5[-1]"], "got '-1'"),
        (["run/model.keras", "wide.h5"], "expected images of shape (8, 8, 3)"),
        (["run/model.keras", "run/model.keras"], "expected a picture"),
        (["run/model.keras", "a.png", "--out", "page.png"], "ends in .html"),
        (["run/model.keras", "a.png", "--out", "none/page.html"], "Make the folder 'none' first"),
        (["row.keras", "a.png"], "expected a model of one image (H, W, C)"),
        (["run/model.keras"], "PICTURE"),
    ],
)
def test_a_mistake_is_one_line(home, arguments, says, capsys):
    """Status 2, a line on standard error, and no page."""
    assert main(["explain", *arguments]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not said.out
    assert not list(home.rglob("*.html"))
