"""HDF5 files divided, put together, thinned and exported."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from PIL import Image

from minicnn._cli.main import main
from minicnn._files.lock import held
from minicnn.data import load_hdf5
from minicnn.data.making import export, exporting, import_images, merge, split, subset
from minicnn.data.synthetic import fingers
from minicnn.errors import ConfigError, DataError, MiniCNNError

NAMES = ["cat", "dog", "owl"]


def write(path, n, classes=NAMES, part="train", seed=0, chunks=None, dtype=np.uint8):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, 12, 10, 3)).astype(dtype)
    y = np.arange(n) % len(classes)
    with h5py.File(path, "w") as file:
        file.create_dataset(f"{part}_set_x", data=x, chunks=chunks)
        file[f"{part}_set_y"] = y
        if classes is not None:
            file["list_classes"] = np.array([name.encode() for name in classes])
    return x, y


def read(path):
    data = load_hdf5(path)
    return data.x, data.y, list(data.class_names)


@pytest.mark.parametrize("chunks", [None, (7, 12, 10, 3)])
def test_split(tmp_path, chunks):
    """Every image is on one side, in order, each class in proportion."""
    x, y = write(tmp_path / "a.h5", 300, chunks=chunks)
    files = split(tmp_path / "a.h5", tmp_path / "b_train.h5", test=0.2, validation=0.1)
    assert {path.name: n for path, n in files.items()} == {
        "b_train.h5": 210, "b_validation.h5": 30, "b_test.h5": 60
    }  # fmt: skip
    seen = []
    for path in files:
        part_x, part_y, names = read(path)
        assert names == NAMES
        assert np.ptp(np.bincount(part_y)) <= 1
        at = [int(np.flatnonzero((x == one).all(axis=(1, 2, 3)))[0]) for one in part_x]
        assert at == sorted(at)
        np.testing.assert_array_equal(y[at], part_y)
        seen += at
    assert sorted(seen) == list(range(300))


def test_split_keeps_copies_together(tmp_path):
    """Brighter copies of hands are on the side of the hand; so are those that their names join."""
    hands, y = fingers(50, seed=3)
    copies = np.clip(hands * 1.05, 0, 255).astype(np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train_set_x"] = np.concatenate([hands, copies])
        file["train_set_y"] = np.concatenate([y, y])
        file["names"] = np.array([f"person{i % 10}-{i}".encode() for i in range(100)])
    for pattern in (None, r"person\d"):
        files = split(
            tmp_path / "a.h5", tmp_path / "b.h5", test=0.3, group_by=pattern, overwrite=True
        )
        sides = {}
        for path in files:
            with h5py.File(path) as file:
                for name in file["names"].asstr():
                    i = int(name.partition("-")[2])
                    sides.setdefault(i % 10 if pattern else i % 50, set()).add(path.name)
        assert all(len(side) == 1 for side in sides.values())
        assert files[tmp_path / "b_test.h5"] == pytest.approx(30, abs=10)


def test_merge(tmp_path):
    """Images one file after the other, classes by their names."""
    a = write(tmp_path / "a.h5", 20)
    b = write(tmp_path / "b.h5", 15, ["owl", "ant"], part="test", seed=1)
    assert merge([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "c.h5") == {
        tmp_path / "c.h5": 35
    }
    x, y, names = read(tmp_path / "c.h5")
    np.testing.assert_array_equal(x, np.concatenate([a[0], b[0]]))
    assert names == [*NAMES, "ant"]
    np.testing.assert_array_equal(y, [*a[1], *np.array([2, 3])[b[1]]])


def test_subset(tmp_path):
    """Each third image, some classes counted anew, and so many of each; the part keeps its name."""
    x, y = write(tmp_path / "a.h5", 60, part="test", dtype=np.float32)
    subset(tmp_path / "a.h5", tmp_path / "b.h5", every=4)
    found = read(tmp_path / "b.h5")
    np.testing.assert_array_equal(found[0], x[::4])
    np.testing.assert_array_equal(found[1], y[::4])
    subset(tmp_path / "a.h5", tmp_path / "c.h5", classes=["owl", "cat"], per_class=5)
    found = read(tmp_path / "c.h5")
    assert found[2] == ["cat", "owl"]
    assert np.bincount(found[1]).tolist() == [5, 5]
    at = [int(np.flatnonzero((x == one).all(axis=(1, 2, 3)))[0]) for one in found[0]]
    np.testing.assert_array_equal(y[at], np.array([0, 2])[found[1]])
    with h5py.File(tmp_path / "c.h5") as file:
        assert set(file) == {"test_set_x", "test_set_y", "list_classes"}


def test_export_and_import_again(tmp_path):
    """PNGs by class; imported again they are the same images."""
    x, _ = write(tmp_path / "a.h5", 30)
    assert export(tmp_path / "a.h5", tmp_path / "out") == dict.fromkeys(NAMES, 10)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "owl" / "000005.png")), x[5])
    assert len(list((tmp_path / "out").rglob("*"))) == 33
    import_images(tmp_path / "out", tmp_path / "b.h5", size=(12, 10))
    found = read(tmp_path / "b.h5")
    assert found[2] == NAMES
    assert sorted(map(bytes, found[0])) == sorted(map(bytes, x))


HOSTILE = ["../up", "/etc/passwd", "a\\b", "..", "", "CON", "x" * 300, "a\nb", "CAT", "cat"]


def test_names_of_classes_lead_nowhere(tmp_path):
    """Whatever classes are called, each has a folder of its own within the folder."""
    write(tmp_path / "a.h5", 30, HOSTILE)
    (tmp_path / "in").mkdir()
    export(tmp_path / "a.h5", tmp_path / "in" / "out")
    assert os.listdir(tmp_path / "in") == ["out"]
    assert set(os.listdir(tmp_path)) == {"a.h5", "in"}
    folders = list((tmp_path / "in" / "out").iterdir())
    assert len(folders) == len({folder.name.casefold() for folder in folders}) == 10
    assert all(len(list(folder.iterdir())) == 3 for folder in folders)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_an_export_that_was_killed_goes_on(tmp_path):
    """The folder takes its name when it is whole; another file's half is not gone on with."""
    x, y = write(tmp_path / "a.h5", 900, chunks=(20, 12, 10, 3))
    code = "import sys; from minicnn.data.making import export, exporting; exporting.AT_ONCE = 10"
    command = [sys.executable, "-c", f"{code}; export(sys.argv[1], sys.argv[2])"]
    process = subprocess.Popen([*command, str(tmp_path / "a.h5"), str(tmp_path / "out")])
    while len(list(tmp_path.glob(".out.export/*/*.png"))) < 100:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    export(tmp_path / "a.h5", tmp_path / "out")
    for i in (0, 450, 899):
        path = tmp_path / "out" / NAMES[y[i]] / f"{i:06}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), x[i])
    assert len(list((tmp_path / "out").rglob("*.png"))) == 900
    assert {path.suffix for path in (tmp_path / "out").glob("*/*")} == {".png"}
    (tmp_path / "out").rename(tmp_path / ".out.export")
    with pytest.raises(ConfigError, match="was begun from another file"):
        export(tmp_path / "a.h5", tmp_path / "out")


def test_what_is_read_is_not_replaced(tmp_path):
    """Not even with overwrite, and by no other name of it."""
    write(tmp_path / "a.h5", 30)
    write(tmp_path / "b_test.h5", 30, part="test")
    (tmp_path / "link.h5").symlink_to("a.h5")
    a, link, test = (tmp_path / name for name in ("a.h5", "link.h5", "b_test.h5"))
    before = {path: path.read_bytes() for path in (a, test)}
    for work in (
        lambda: subset(a, link, every=2, overwrite=True),
        lambda: merge([test, a], a, overwrite=True),
        lambda: split(test, tmp_path / "b.h5", test=0.5, overwrite=True),
        lambda: import_images(a, tmp_path / "." / "a.h5", size=4, overwrite=True),
    ):
        with pytest.raises(ConfigError, match="expected another file than the one that is read"):
            work()
    assert before == {path: path.read_bytes() for path in (a, test)}


def test_two_exports_at_once(tmp_path):
    """The second says that there is another one."""
    write(tmp_path / "a.h5", 30)
    exporting._begin(tmp_path / ".out.export", tmp_path / "a.h5")
    with held(tmp_path / ".out.export"), pytest.raises(ConfigError, match="by another export"):
        export(tmp_path / "a.h5", tmp_path / "out")
    assert sum(export(tmp_path / "a.h5", tmp_path / "out").values()) == 30


def test_mistakes(tmp_path):
    """Each is one line, and nothing is written."""
    write(tmp_path / "a.h5", 30)
    write(tmp_path / "float.h5", 30, dtype=np.float32)
    write(tmp_path / "none.h5", 3, classes=["x"])
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "there.h5").write_text("mine")
    a, new, there = tmp_path / "a.h5", tmp_path / "new.h5", tmp_path / "there.h5"
    for work, said in (
        (lambda: split(a, new), "expected the fraction test or validation, got none"),
        (lambda: split(a, new, test=1), "fraction between 0 and 1"),
        (lambda: split(a, there, test=0.5), "got one that is there"),
        (lambda: split(a, new, test=0.5, group_by="x"), "got a file without"),
        (lambda: split(tmp_path / "text.h5", new, test=0.5), "got a file of another kind"),
        (lambda: split(a, new, test=0.001), "expected images, got none"),
        (lambda: merge([a, tmp_path / "float.h5"], new), "expected images uint8"),
        (lambda: merge(a, new), "expected a list of files"),
        (lambda: subset(a, new), "expected classes, per_class or every"),
        (lambda: subset(a, new, classes=["cow"]), "got 'cow'"),
        (lambda: subset(a, new, every=0), "every"),
        (lambda: subset(a, tmp_path / "no" / "b.h5", every=2), "Make the folder"),
        (lambda: export(tmp_path / "float.h5", tmp_path / "out"), "minicnn data import"),
        (lambda: export(a, tmp_path), "expected a new folder"),
        (lambda: export(tmp_path / "nothing.h5", tmp_path / "out"), "cannot be read"),
    ):
        with pytest.raises(MiniCNNError, match=said) as caught:
            work()
        assert "\n" not in str(caught.value)
    assert there.read_text() == "mine"
    assert not new.exists()
    assert not list(tmp_path.glob(".*"))
    assert issubclass(DataError, MiniCNNError)


def test_the_command_line(tmp_path, capsys, monkeypatch):
    """Each command prints what it made; a mistake is one line and status 2."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.h5", 30)
    for command, said in (
        ("split a.h5 b.h5 --test 0.2", "b.h5: 24 images\nb_test.h5: 6 images"),
        ("merge c.h5 b.h5 b_test.h5", "c.h5: 30 images"),
        ("subset c.h5 d.h5 --classes cat owl --per-class 3", "d.h5: 6 images"),
        ("export d.h5 out", f"{os.path.join('out', 'cat')}: 3 images"),
        ("import out e.h5 --size 12x10 --crop --color grey", "e.h5: 6 images (12, 10, 1), 2 cla"),
        ("import e.h5 f.h5 --test 0.5 --seed 4", "f_test.h5: 3 images"),
    ):
        assert main(["data", *command.split()]) == 0
        assert said in capsys.readouterr().out
    for command, said in (
        ("split a.h5 b.h5 --test 2", "expected a fraction between 0 and 1, got '2'"),
        ("import out e.h5 --size 0x10", "expected a size such as 64x64, got '0x10'"),
        ("import out e.h5", "--overwrite"),
        ("merge a.h5", "the following arguments are required: IN"),
        ("export a.h5 out", "expected a new folder"),
    ):
        assert main(["data", *command.split()]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert said in error
    assert exporting.folder_names(["a", "A"]) == ["a", "A-2"]
