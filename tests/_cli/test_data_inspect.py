"""``minicnn data inspect``: its exit status, its lines, its page; wrong and hostile files."""

import os

import h5py
import numpy as np
import pytest

import hostile_helpers
from minicnn import data
from minicnn._cli.main import main
from minicnn.errors import MiniCNNError
from spoiled_data import hands, write, write_folder


def inspected(capsys, *arguments):
    """(exit status, standard output, standard error)."""
    status = main(["data", "inspect", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_sound_data_end_in_status_0(tmp_path, capsys):
    """Facts, what must be beaten, and that nothing was found, 80 columns wide."""
    train = write(tmp_path / "train.h5", *hands(), names="abcdef")
    test = write(tmp_path / "test.h5", *hands(60, 2), "test", "abcdef")
    status, out, err = inspected(capsys, train, test)
    assert (status, err) == (0, "")
    assert out.endswith("\nNothing found.\n")
    assert "240 images of 32 x 32 x 3, uint8 0 to 255" in out
    assert "always answering 'a'" in out
    assert max(map(len, out.splitlines())) <= 80


def test_findings_of_weight_end_in_status_1_and_advice_in_0(tmp_path, capsys):
    """A script can tell whether to go on."""
    x, y = hands()
    order = np.argsort(y)
    status, out, _ = inspected(capsys, write(tmp_path / "a.h5", x[order], y[order]))
    assert status == 1
    assert "labels sorted (warning)\n  The images lie sorted by class" in out
    status, out, _ = inspected(capsys, write(tmp_path / "b.h5", x, y, chunks=x.shape))
    assert status == 0
    assert "one chunk for all (advice)" in out


def test_names_from_files_cannot_reach_the_terminal(tmp_path, capsys):
    """Nor a page: they are shown as text."""
    x, y = hands()
    names = ["<script>alert(1)</script>", "\x1b[31m", "a\nb", "d", "e", "f"]
    page = tmp_path / "page.html"
    _, out, _ = inspected(capsys, write(tmp_path / "a.h5", x, y, names=names), "--html", page)
    assert "\x1b" not in out
    assert "\\x1b[31m: 40" in out
    assert "<script" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "model", "no images", "empty folder"])
def test_wrong_files_are_one_line_and_status_2(kind, tmp_path, capsys):
    """On standard error, and nothing else."""
    path = tmp_path / "a.h5"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("x,y\n")
    elif kind == "model":
        path = tmp_path / "a.keras"
        path.write_bytes(b"PK\3\4")
    elif kind == "no images":
        with h5py.File(path, "w") as file:
            file["weights"] = np.zeros(4)
    elif kind == "empty folder":
        path = tmp_path / "folder"
        path.mkdir()
    status, out, err = inspected(capsys, path)
    assert (status, out) == (2, "")
    assert err.startswith("minicnn: ")
    assert err.count("\n") == 1


def test_a_page_needs_its_ending(tmp_path, capsys):
    """Before anything is looked at."""
    status, _, err = inspected(capsys, tmp_path / "a.h5", "--html", tmp_path / "page.txt")
    assert status == 2
    assert "expected a name that ends in .html" in err


CHANGES = ("virtual", "gzip_bomb", "tiny_chunks", "circles", "wide")


@pytest.mark.parametrize("name", CHANGES)
def test_hostile_files_are_looked_at_or_one_line(name, tmp_path):
    """Within seconds and some memory; no other file is opened."""
    _, path = hostile_helpers.data_file(getattr(hostile_helpers, name))(tmp_path)
    hostile_helpers.attempt(lambda path: str(data.inspect(path)), path)


def test_damaged_files_are_looked_at_or_one_line(tmp_path):
    """A few bytes changed, or the end cut off, in a file and in a folder's pictures."""
    rng = np.random.default_rng(0)
    hostile_helpers.write_data(tmp_path / "a.h5")
    good = (tmp_path / "a.h5").read_bytes()
    folder = write_folder(tmp_path / "p", *hands(12, 3))
    pictures = {file: file.read_bytes() for file in folder.rglob("*.png")}
    for i in range(int(os.environ.get("MUTANTS", "40"))):
        (tmp_path / "a.h5").write_bytes(_damaged(good, rng))
        for file, content in pictures.items():
            file.write_bytes(_damaged(content, rng))
        for path in (tmp_path / "a.h5", *([folder] * (i % 5 == 0))):
            try:
                said = str(data.inspect(path)).replace("\n", "")
            except MiniCNNError as error:
                said = str(error)
            assert said.isprintable()


def _damaged(content, rng):
    content = bytearray(content)
    for place in rng.integers(0, len(content), 6):
        content[place] = rng.integers(256)
    return bytes(content[: rng.integers(1, len(content))] if rng.random() < 0.2 else content)
