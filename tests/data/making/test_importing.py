"""Imported pictures: all of them, once, whatever happened on the way; and one line on mistakes."""

import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from PIL import Image

from folder_helpers import draw_folder, numbers_of
from minicnn.data import load_hdf5
from minicnn.data.making import decoding, import_images, importing
from minicnn.data.synthetic import fingers
from minicnn.errors import ConfigError, DataError, MiniCNNError
from minicnn.utils import image_dataset_from_csv


def contents(path, part="train"):
    with h5py.File(path) as file:
        return file[f"{part}_set_x"][()], file[f"{part}_set_y"][()]


def check_whole(path, n, broken, classes=3):
    """Each picture that is not broken is there once, with its label."""
    x, y = contents(path)
    found = numbers_of(x)
    assert sorted(found.tolist()) == sorted(set(range(n)) - set(broken))
    np.testing.assert_array_equal(y, found % classes)


@pytest.mark.parametrize("apart", [False, True])
def test_a_folder(tmp_path, monkeypatch, apart):
    """A folder's pictures are in the course's layout, decoded here or in processes apart."""
    monkeypatch.setattr(decoding, "WORTH", 0 if apart else 1 << 30)
    broken = draw_folder(tmp_path / "pictures", 90, broken_every=20)
    (tmp_path / "pictures" / ".hidden").mkdir()
    (tmp_path / "pictures" / "class0" / "notes.txt").write_text("no picture")
    made = import_images(tmp_path / "pictures", tmp_path / "a.h5", size=24)
    check_whole(tmp_path / "a.h5", 90, broken)
    data = load_hdf5(tmp_path / "a.h5")
    assert data.class_names == ("class0", "class1", "class2")
    assert data.x.shape == (len(data.x), 24, 24, 3)
    assert (np.diff(data.y) != 0).mean() > 0.3, "the classes are mixed"
    assert made.files == {tmp_path / "a.h5": 90 - len(broken)}
    assert len(made.broken) == len(broken)
    listed = (tmp_path / "a_broken.txt").read_text().splitlines()
    assert [int(line.split("\t")[0][-10:-4]) for line in listed] == sorted(
        broken, key=lambda i: (i % 3, i)
    )
    assert set(os.listdir(tmp_path)) == {"a.h5", "a_broken.txt", "pictures"}
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["names"].asstr()[0].startswith("class")
        assert file["train_set_x"].chunks == (86, 24, 24, 3)


def test_the_order_is_the_seed_s(tmp_path):
    """The same seed gives the same file, another one another order of the same pictures."""
    draw_folder(tmp_path / "p", 60)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        import_images(tmp_path / "p", tmp_path / f"{name}.h5", size=24, seed=seed)
    a, b, c = (contents(tmp_path / f"{name}.h5")[0] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert sorted(numbers_of(a)) == sorted(numbers_of(c))


SCRIPT = """
import os, pathlib, sys, time
from minicnn.data.making import decoding, import_images, importing
importing.BLOCK = 9000
decoded, replace, replaced = decoding.decoded, pathlib.Path.replace, []

def slowly(*arguments):
    time.sleep(0.02)
    return decoded(*arguments)

def kill(path, target):
    if sys.argv[3] == f"before {len(replaced)}":
        os.kill(os.getpid(), 9)
    replaced.append(path)
    return replace(path, target)

decoding.decoded, pathlib.Path.replace = slowly, kill
print("go", flush=True)
import_images(sys.argv[1], sys.argv[2], size=24, test=0.25, gzip=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_kills(tmp_path):
    """After kills at random moments the same import goes on, and nothing is lost or doubled."""
    broken = draw_folder(tmp_path / "p", 300, broken_every=50)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "p"), str(tmp_path / "a.h5")]
    journal, sizes = tmp_path / ".a.import", [0]
    for i in range(4):
        process = subprocess.Popen([*command, ""], stdout=subprocess.PIPE)
        process.stdout.readline()
        wanted = sizes[-1] + random.Random(i).randrange(90_000)
        while not journal.exists() or journal.stat().st_size < wanted:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        process.communicate()
        assert not (tmp_path / "a.h5").exists()
        sizes.append(journal.stat().st_size)
    assert sizes == sorted(set(sizes))
    for moment in ("before 0", "before 1"):  # no file has its name, or one of two
        process = subprocess.run([*command, moment], stdout=subprocess.DEVNULL)
        assert process.returncode == -signal.SIGKILL
        assert (tmp_path / "a_test.h5").exists() == (moment == "before 1")
        assert not (tmp_path / "a.h5").exists()
    subprocess.run([*command, ""], check=True, stdout=subprocess.DEVNULL)
    train, test = contents(tmp_path / "a.h5"), contents(tmp_path / "a_test.h5", "test")
    found = np.concatenate([numbers_of(x) for x, _ in (train, test)])
    assert sorted(found.tolist()) == sorted(set(range(300)) - set(broken))
    for x, y in (train, test):
        np.testing.assert_array_equal(y, numbers_of(x) % 3)
    assert len(test[0]) == pytest.approx(len(found) / 4, abs=1)
    assert set(os.listdir(tmp_path)) == {"a.h5", "a_broken.txt", "a_test.h5", "p"}


def test_a_torn_end_is_cut_off(tmp_path, monkeypatch):
    """What a power cut leaves at the end, or has not written there, is decoded again."""
    monkeypatch.setattr(importing, "BLOCK", 9000)
    draw_folder(tmp_path / "p", 40)
    finish = importing._finish
    monkeypatch.setattr(importing, "_finish", lambda *a: 1 / 0)
    for damage in (b"", b"minicnn1" + bytes(30), bytes(100)):
        with pytest.raises(ZeroDivisionError):
            import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
        journal = tmp_path / ".a.import"
        data = journal.read_bytes()
        journal.write_bytes(data[: len(data) // 2] + damage)
    torn = bytearray(data)
    torn[len(torn) // 2] ^= 1
    journal.write_bytes(torn)
    monkeypatch.setattr(importing, "_finish", finish)
    for name in ("a.h5", "b.h5"):
        import_images(tmp_path / "p", tmp_path / name, size=24)
    check_whole(tmp_path / "a.h5", 40, ())
    np.testing.assert_array_equal(*(contents(tmp_path / name)[0] for name in ("a.h5", "b.h5")))


def test_a_source_that_has_changed(tmp_path, monkeypatch):
    """An import that was begun from other pictures, or with other options, begins anew."""
    draw_folder(tmp_path / "p", 30)
    monkeypatch.setattr(importing, "_finish", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    monkeypatch.undo()
    draw_folder(tmp_path / "p", 33)
    with pytest.warns(RuntimeWarning, match="are others than before: begun anew"):
        import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    check_whole(tmp_path / "a.h5", 33, ())


def test_a_drive_that_is_gone(tmp_path, monkeypatch):
    """Pictures that vanish meanwhile are not taken for broken ones: the import stops."""
    draw_folder(tmp_path / "p", 30)
    begin = importing._Job.begin

    def gone(*arguments):
        (tmp_path / "p").rename(tmp_path / "elsewhere")
        return begin(*arguments)

    monkeypatch.setattr(importing._Job, "begin", gone)
    with pytest.raises(DataError, match=r"was there, and is not any more\. Is its drive out of"):
        import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    assert not (tmp_path / "a.h5").exists()
    monkeypatch.undo()
    (tmp_path / "elsewhere").rename(tmp_path / "p")
    import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    check_whole(tmp_path / "a.h5", 30, ())


FULL = """
import resource, sys
from minicnn._cli.main import main
from minicnn.data.making import importing
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
finish = importing._finish


def finished(*arguments):
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000,) * 2)
    return finish(*arguments)


importing._finish = finished
sys.exit(main(["data", "import", sys.argv[1], sys.argv[2], "--size", "24"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the size of files")
@pytest.mark.parametrize("limit", [50_000, 1 << 20])
def test_a_full_disk(tmp_path, limit):
    """One line and status 2 where the blocks or the file do not fit; with more space it goes on."""
    draw_folder(tmp_path / "p", 100)
    command = [sys.executable, "-c", FULL, str(tmp_path / "p"), str(tmp_path / "a.h5"), str(limit)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "cannot be written: file too large." in ended.stderr
    assert set(os.listdir(tmp_path)) == {".a.import", "p"}
    import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    check_whole(tmp_path / "a.h5", 100, ())


def test_two_imports_at_once(tmp_path):
    """A second import into the same file is refused while the first is under way."""
    draw_folder(tmp_path / "p", 10)
    (tmp_path / ".a.import").touch()
    with importing.held(tmp_path / ".a.import"), pytest.raises(ConfigError, match="another import"):
        import_images(tmp_path / "p", tmp_path / "a.h5", size=24)


def test_a_decoder_that_crashes(tmp_path, monkeypatch):
    """A picture on which a decoder ends is broken, and the others are not."""
    draw_folder(tmp_path / "p", 20)
    crash = tmp_path / "p" / "class1" / "000004.png"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('decoding' in part for part in sys.orig_argv):\n"
        "    from minicnn.data.making import decoding\n"
        "    read = decoding.read_picture\n"
        f"    decoding.read_picture = lambda path, *a: os.abort() if str(path) == {str(crash)!r}"
        " else read(path, *a)\n"
    )
    monkeypatch.setattr(decoding, "WORTH", 0)
    monkeypatch.syspath_prepend(tmp_path)
    made = import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    assert made.broken == {os.path.join("class1", "000004.png"): "the decoder crashes on it."}
    check_whole(tmp_path / "a.h5", 20, [4])


@pytest.mark.skipif(not os.path.exists("/bin/false"), reason="there is no /bin/false")
@pytest.mark.parametrize("noisy", [False, True])
def test_decoders_that_cannot_start(tmp_path, monkeypatch, noisy):
    """Where no Python starts, or something else is printed, pictures are decoded here."""
    draw_folder(tmp_path / "p", 20)
    if noisy:
        (tmp_path / "sitecustomize.py").write_text("print('hello, this is a shell')\n")
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(decoding, "WORTH", 0)
    made = import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    assert not made.broken
    check_whole(tmp_path / "a.h5", 20, [])


def test_copies_stay_on_one_side(tmp_path):
    """Near duplicates, and pictures whose names say that they belong together, are not divided."""
    hands, y = fingers(60, seed=0)
    for i, hand in enumerate(hands):
        folder = tmp_path / "p" / str(y[i])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(hand).save(folder / f"{i:03}-a.png")
        Image.fromarray(hand).resize((80, 80)).save(folder / f"{i:03}-b.jpg", quality=80)
        Image.fromarray(hand[::-1]).save(folder / f"{i:03}-c.png")
    for pattern in (None, r"(\d+)-"):
        out = tmp_path / "hands_train.h5"
        made = import_images(
            tmp_path / "p", out, test=0.2, validation=0.1, group_by=pattern, overwrite=True
        )
        sides = {}
        for path in made.files:
            with h5py.File(path) as file:
                for name in file["names"].asstr():
                    # Without the pattern nothing says that the mirrored one belongs to them.
                    if pattern or "-c" not in name:
                        sides.setdefault(os.path.basename(name)[:3], set()).add(path.name)
        assert len(sides) == 60
        assert all(len(side) == 1 for side in sides.values())
        counts = list(made.files.values())
        assert counts == pytest.approx([126, 18, 36], abs=8)
        assert {path.name for path in made.files} == {
            "hands_train.h5", "hands_validation.h5", "hands_test.h5"
        }  # fmt: skip


def test_a_csv(tmp_path):
    """Paths from the CSV's folder, labels in a column called so, whole numbers by value."""
    draw_folder(tmp_path / "p", 24)
    rows = [f"p/class{i % 3}/{i:06}.png;{i % 12};{i // 6}" for i in range(24)]
    (tmp_path / "a.csv").write_text("file;Label;who\n" + "\n".join(rows) + "\n")
    made = import_images(tmp_path / "a.csv", tmp_path / "a.h5", size=24, test=0.25, group_by="who")
    assert made.class_names == tuple(map(str, range(12)))
    train, test = (
        contents(path, part) for path, part in zip(made.files, ("train", "test"), strict=True)
    )
    for x, y in (train, test):
        np.testing.assert_array_equal(numbers_of(x) % 12, y)
    assert not set(numbers_of(train[0]) // 6) & set(numbers_of(test[0]) // 6)
    (tmp_path / "b.csv").write_text("\n".join(row.replace(";", ",") for row in rows))
    assert (
        import_images(tmp_path / "b.csv", tmp_path / "b.h5", size=24).files[tmp_path / "b.h5"] == 24
    )


def test_a_csv_of_windows(tmp_path):
    """Backslashes are slashes, but in the name of a file that is there."""
    draw_folder(tmp_path / "p", 6)
    names = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "p").rglob("*.*"))
    (tmp_path / "p" / "odd\\name.png").write_bytes((tmp_path / names[0]).read_bytes())
    rows = [name.replace("/", "\\") for name in names] + ["p/odd\\name.png"]
    (tmp_path / "a.csv").write_text("\n".join(f"{row},{i % 2}" for i, row in enumerate(rows)))
    assert not import_images(tmp_path / "a.csv", tmp_path / "a.h5").broken
    data = image_dataset_from_csv(tmp_path / "a.csv", image_size=(8, 8), batch_size=None)
    assert len(list(data)) == len(rows) == 7
    assert not data.broken


def test_another_s_file_is_not_replaced(tmp_path, monkeypatch):
    """A test set that is there stays, though an import with other options has been broken off."""
    draw_folder(tmp_path / "p", 20)
    monkeypatch.setattr(importing, "_finish", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_images(tmp_path / "p", tmp_path / "a.h5", size=8)
    monkeypatch.undo()
    (tmp_path / "a_test.h5").write_text("mine")
    with pytest.raises(ConfigError, match=r"a_test\.h5: expected a new file"):
        import_images(tmp_path / "p", tmp_path / "a.h5", size=9, test=0.2)
    assert (tmp_path / "a_test.h5").read_text() == "mine"


def test_pictures_of_32_bits_are_not_taken_for_black(tmp_path):
    """Whole numbers of 32 bits have no known range: such a picture is broken."""
    draw_folder(tmp_path / "p", 6)
    wide = Image.fromarray(np.full((9, 9), 200, np.int32))
    wide.save(next((tmp_path / "p").iterdir()) / "wide.tif")
    made = import_images(tmp_path / "p", tmp_path / "a.h5")
    assert list(made.broken.values()) == ["expected 8 or 16 bits a channel, got 32."]


def test_pictures_of_every_kind(tmp_path):
    """Photographs on their side, CMYK, 16 bits, palettes and alpha: upright, 8 bits, opaque."""
    folder = tmp_path / "p" / "a"
    folder.mkdir(parents=True)
    red = Image.new("RGB", (20, 10), "red")
    red.paste("blue", (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left half comes to the top
    red.save(folder / "exif.jpg", exif=exif, quality=95)
    red.convert("CMYK").save(folder / "cmyk.tif")
    red.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    Image.fromarray(np.full((10, 20), 257 * 100, np.uint16)).save(folder / "deep.png")
    Image.new("RGBA", (20, 10), (0, 0, 0, 0)).save(folder / "alpha.png")
    Image.new("LA", (20, 10), (0, 128)).save(folder / "half.png")
    import_images(tmp_path / "p", tmp_path / "a.h5", size=(10, 20))
    x, _ = contents(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        at = {name: i for i, name in enumerate(file["names"].asstr())}
    x = {os.path.splitext(os.path.basename(name))[0]: x[i].astype(int) for name, i in at.items()}
    np.testing.assert_allclose(x["exif"][0, 10], (0, 0, 255), atol=20)
    np.testing.assert_allclose(x["exif"][-1, 10], (255, 0, 0), atol=20)
    for name in ("cmyk", "palette"):
        np.testing.assert_array_equal(x[name][5, [2, 18]], [(0, 0, 255), (255, 0, 0)])
    assert (x["deep"] == 100).all()
    assert (x["alpha"] == 255).all()
    assert (abs(x["half"] - 127) <= 1).all()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_other_ratios(tmp_path, fit):
    """A wide picture is stretched, or its middle is taken, or it gets black edges; in grey too."""
    (tmp_path / "p" / "a").mkdir(parents=True)
    x = np.full((300, 600, 3), 60, np.uint8)
    x[:, 150:450] = 200
    Image.fromarray(x).save(tmp_path / "p" / "a" / "1.png")
    Image.fromarray(x).save(tmp_path / "p" / "a" / "2.jpg", quality=95)
    import_images(tmp_path / "p", tmp_path / "a.h5", size=30, fit=fit, color="grey")
    made = contents(tmp_path / "a.h5")[0].astype(int)
    assert made.shape == (2, 30, 30, 1)
    middle = {"stretch": (60, 200, 60), "crop": (200, 200, 200), "pad": (60, 200, 60)}[fit]
    for one in made[..., 0]:
        np.testing.assert_allclose(one[15, [2, 15, 27]], middle, atol=3)
        assert abs(one[1, 15] - (0 if fit == "pad" else 200)) <= 3


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


BAD = {
    "absent": (lambda f: f / "nothing", "cannot be read: no such file"),
    "empty folder": (lambda f: f, "expected a folder for each class with pictures in it, got none"),
    "empty csv": (lambda f: write(f / "a.csv", ""), "expected rows with a path and a label"),
    "binary csv": (lambda f: write(f / "a.csv", b"\xff\xfe\0\1,\n"), "expected a CSV as UTF-8"),
    "one column": (lambda f: write(f / "a.csv", "a.png\nb.png\n"), "expected 2 columns, got 1"),
    "no label": (lambda f: write(f / "a.csv", "a.png,\n"), "row 1: expected a path and a label"),
    "odd row": (lambda f: write(f / "a.csv", "a.png,1\nb.png,1,2\n"), "row 2: expected 2 columns"),
    "nothing there": (lambda f: write(f / "a.csv", "a.png,1\nb.png,2\n"), "So are all 2 pictures"),
    "nul": (lambda f: write(f / "a.csv", 'path,label\n"a\0b.png",1\n'), "a.csv"),
    "text": (lambda f: write(f / "a.doc", "hello"), "expected a folder, a CSV, or a .npz"),
    "device": (lambda f: "/dev/zero", "got a pipe or a device"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_sources(tmp_path, name):
    """A source that is none is one line, and leaves nothing behind."""
    (tmp_path / "here").mkdir()
    make, said = BAD[name]
    source = make(tmp_path / "here")
    with pytest.raises(MiniCNNError, match=said) as caught:
        import_images(source, tmp_path / "a.h5")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["here"]


@pytest.mark.skipif(os.name != "posix", reason="pipes and such names")
def test_hostile_names_and_files(tmp_path, capfd):
    """Pipes, links in a circle, bombs and names with anything in them: broken, and a line each."""
    draw_folder(tmp_path / "p", 12)
    folder = tmp_path / "p" / "class0"
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "deep").symlink_to(tmp_path / "p")
    (folder / "two\nlines\t\x1b[31m.png").write_bytes(b"no picture")
    os.rename(folder / "000000.png", os.fsencode(folder) + b"/\xff.png")
    Image.new("1", (30_000, 30_000)).save(folder / "bomb.png")
    made = import_images(tmp_path / "p", tmp_path / "a.h5", size=24)
    check_whole(tmp_path / "a.h5", 12, ())
    assert len(made.broken) == 4
    assert len(str(made).splitlines()) == 6
    assert len((tmp_path / "a_broken.txt").read_text().splitlines()) == 4
    assert "\x1b" not in str(made)


def test_folders_that_are_no_classes(tmp_path):
    """Pictures without a folder, and folders called train and test: what to do is said."""
    draw_folder(tmp_path / "p", 6)
    with pytest.raises(DataError, match=r"got pictures alone\. Put those of a class into a folder"):
        import_images(tmp_path / "p" / "class0", tmp_path / "a.h5")
    (tmp_path / "p" / "class0").rename(tmp_path / "p" / "train")
    (tmp_path / "p" / "class1").rename(tmp_path / "p" / "test")
    for path in (tmp_path / "p" / "class2").iterdir():
        path.unlink()
    with (
        pytest.warns(RuntimeWarning, match="no pictures are in this folder"),
        pytest.raises(
            DataError, match="expected folders with the names of classes, got test, train"
        ),
    ):
        import_images(tmp_path / "p", tmp_path / "a.h5")


def test_bad_arguments(tmp_path):
    """Each is one line, before anything is read or written."""
    draw_folder(tmp_path / "p", 6)
    (tmp_path / "there.h5").write_bytes(b"mine")
    for changes, said in (
        ({"out": "there.h5"}, "expected a new file, got one that is there"),
        ({"out": "a.keras"}, "expected the name of a file that ends in .h5"),
        ({"out": "no/a.h5"}, "cannot be written: no such file or directory. Make the folder"),
        ({"test": 1.5}, "expected test as a fraction between 0 and 1, got 1.5"),
        ({"test": 0.5, "validation": 0.5}, "expected fractions that leave images to train on"),
        ({"group_by": "("}, "expected a regular expression or a column"),
        ({"group_by": "xyz"}, "no name has 'xyz' in it"),
        ({"fit": "zoom"}, "expected fit"),
        ({"size": 0}, "size"),
        ({"test": 0.01}, "a_test.h5: expected images, got none"),
    ):
        options = {"out": "a.h5", "size": 24} | changes
        with pytest.raises(ConfigError if "none" not in said else DataError, match=said):
            import_images(tmp_path / "p", tmp_path / options.pop("out"), **options)
    assert (tmp_path / "there.h5").read_bytes() == b"mine"
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.slow
def test_a_hundred_thousand(tmp_path):
    """100,000 pictures, 1% of them broken, and a kill: nothing is lost and nothing doubled."""
    n, broken = 100_000, draw_folder(tmp_path / "p", 100_000, broken_every=100)
    command = [sys.executable, "-m", "minicnn", "data", "import", "p", "a.h5", "--size", "24"]
    process = subprocess.Popen(command, cwd=tmp_path)
    journal = tmp_path / ".a.import"
    while not journal.exists() or journal.stat().st_size < n // 2 * 24 * 24 * 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "a.h5").exists()
    start = time.perf_counter()
    subprocess.run(command, cwd=tmp_path, check=True)
    print(f"the rest took {time.perf_counter() - start:.1f} seconds")
    check_whole(tmp_path / "a.h5", n, broken)
    assert len((tmp_path / "a_broken.txt").read_text().splitlines()) == len(broken) == 1000
