"""Pictures of folders and tables as they are read ahead: broken, odd, changed, and resumed."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn import Conv2D, Dense, GlobalAveragePooling2D, Input, Sequential, set_threads
from minicnn.callbacks import LambdaCallback
from minicnn.data.pipeline import Dataset
from minicnn.errors import ConfigError, DataError
from minicnn.preprocessing import picture_stream
from minicnn.utils import image_dataset_from_csv, image_dataset_from_directory


@pytest.fixture
def folder(tmp_path):
    """Twenty small JPEG files of two classes."""
    rng = np.random.default_rng(0)
    for i in range(20):
        inside = tmp_path / "ab"[i % 2]
        inside.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).save(inside / f"{i:02}.jpg")
    return tmp_path


def made(folder, **arguments):
    arguments = {"image_size": (6, 5), "batch_size": 4, "seed": 1, "verbose": False} | arguments
    return image_dataset_from_directory(folder, **arguments)


def passes(data, count=2):
    return [[(x.copy(), y.copy()) for x, y in data] for _ in range(count)]


def same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_array_equal(a[1], b[1])


def quietly(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return passes(data)


def test_the_same_for_any_threads_and_kernels(folder, monkeypatch):
    """Order and bits are those of one thread and of NumPy, kept or not."""
    data = made(folder)
    wanted = passes(data, 3)
    numbers = Dataset.from_tensor_slices(np.arange(20)).shuffle(20, seed=1)
    labels = np.array([Path(path).parent.name == "b" for path in data.file_paths])
    for batches in wanted:  # each pass in another order, that of the chain's own shuffle
        order = [int(i) for i in numbers]
        np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), labels[order])
    monkeypatch.setattr(picture_stream._room, "left", 0)
    try:
        for threads in (1, 3):
            set_threads(threads)
            same(passes(made(folder), 3), wanted)
    finally:
        set_threads(None)
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")
    same(passes(made(folder), 3), wanted)


def test_as_many_are_kept_as_there_is_room_for(folder, monkeypatch):
    """Each in memory of its own; the rest is read again."""
    monkeypatch.setattr(picture_stream._room, "left", 7 * 384 + 100)  # 6 x 5 x 3 floats, and rest
    monkeypatch.setattr(picture_stream, "SHELF", 1000)
    data = made(folder)
    first, *later = passes(data, 3)
    kept = data.origin._kept
    assert len(kept) in (6, 7)
    assert picture_stream._room.left < 384
    images = np.concatenate([x for x, _ in first])
    for _, image in kept.values():
        assert any(np.array_equal(image, one) for one in images)
    monkeypatch.setattr(picture_stream._room, "left", 0)
    same([first, *later], passes(made(folder), 3))


def spoil(folder):
    """Three of the files: not a picture, cut short, empty."""
    (folder / "a" / "00.jpg").write_bytes(b"hello")
    cut = folder / "b" / "03.jpg"
    cut.write_bytes(cut.read_bytes()[:-60])
    (folder / "b" / "05.jpg").write_bytes(b"")


def test_broken_pictures_are_left_out(folder):
    """Of their batches alone, which stay where they are; one warning names them, .broken why."""
    names = made(folder, shuffle=False).file_paths
    sound = passes(made(folder), 1)[0]
    kept = {tuple(x[0, 0]) for batch, _ in sound for x in batch}
    spoil(folder)
    data = made(folder)
    with pytest.warns(UserWarning, match="left out 3 of 20 pictures") as said:
        (batches,) = passes(data, 1)
    assert len(said) == 1
    assert len(batches) == len(data) == 5
    assert sum(len(x) for x, _ in batches) == 17
    for (x, y), (whole, labels) in zip(batches, sound, strict=True):
        found = [i for i in range(len(whole)) if any((whole[i] == one).all() for one in x)]
        np.testing.assert_array_equal(x, whole[found])
        np.testing.assert_array_equal(y, labels[found])
    assert {os.path.basename(path): why for path, why in data.broken.items()} == {
        "00.jpg": "expected a picture (PNG, JPEG, ...), got another file.",
        "03.jpg": "expected a picture, got a damaged or shortened one.",
        "05.jpg": "the file is empty.",
    }
    assert sorted(data.file_paths) == sorted(names)
    assert kept
    passes(data, 1)  # and no more is said


def test_a_batch_without_a_sound_picture(folder):
    """It has the next sound one, so that a pass has as many batches as it says."""
    spoil(folder)
    data = made(folder, batch_size=1, shuffle=False)
    with pytest.warns(UserWarning, match="left out 3 of 20"):
        (batches,) = passes(data, 1)
    assert len(batches) == 20
    np.testing.assert_array_equal(batches[0][0], batches[1][0])
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"no")
    with pytest.raises(DataError, match=r"got 20 files of which none can be read\. The first: "):
        next(iter(made(folder)))


def test_files_that_change_under_way(folder):
    """One that is gone, one that is another: each is said in a line of its own."""
    data = made(folder, shuffle=False)
    passes(data, 1)
    (folder / "a" / "00.jpg").unlink()
    Image.new("RGB", (30, 30)).save(folder / "b" / "01.jpg")
    with pytest.warns(UserWarning, match="pictures") as said:
        (batches,) = passes(data, 1)
    messages = sorted(str(one.message).partition(": ")[2] for one in said)
    assert messages[0].startswith("1 of 20 pictures were changed since they were read before: b/01")
    assert messages[1].startswith("left out 1 of 20 pictures, which cannot be read: a/00.jpg.")
    assert list(data.broken.values()) == ["the file is there no longer."]
    assert any((x == 0).all() for batch, _ in batches for x in batch)


def test_odd_kinds_of_pictures(tmp_path, capsys):
    """Turned, 16 bits, CMYK, palettes, transparency, animations: as the docstring says."""
    inside = tmp_path / "a"
    inside.mkdir()
    red = Image.new("RGB", (4, 6), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    top = red.copy()
    top.paste((0, 0, 255), (0, 0, 4, 3))
    top.save(inside / "0.png", exif=exif)
    Image.fromarray(np.full((6, 4), 200 << 8, np.uint16)).save(inside / "1.png")
    red.convert("CMYK").save(inside / "2.jpg", quality=100)
    red.convert("P").save(inside / "3.png", transparency=0)
    see_through = red.copy()
    see_through.putalpha(7)
    see_through.save(inside / "4.png")
    grey = Image.new("LA", (4, 6), (90, 3))
    grey.save(inside / "5.png")
    red.save(inside / "6.gif", save_all=True, append_images=[Image.new("RGB", (4, 6))])
    Image.new("1", (4, 6), 1).save(inside / "7.png")
    colours = {}
    for mode in ("rgb", "rgba", "grayscale"):
        data = image_dataset_from_directory(
            tmp_path, labels=None, color_mode=mode, image_size=(6, 4), shuffle=False
        )
        (x,) = data
        colours[mode] = x[:, 3, 0].tolist()
        left, right = x[0, :, 0], x[0, :, -1]
    assert "Turned 1 picture upright" in capsys.readouterr().out
    assert (left != right).any()  # its upper half is to the right now
    expected = [[255, 0, 0], [200] * 3, [254, 0, 0], [255, 0, 0], [255, 0, 0], [90] * 3]
    expected += [[255, 0, 0], [255] * 3]
    np.testing.assert_allclose(colours["rgb"], expected, atol=1.01)
    assert [round(alpha) for *_, alpha in colours["rgba"]] == [255] * 4 + [7, 3, 255, 255]
    assert [round(one[0]) for one in colours["grayscale"]][3:] == [76, 76, 90, 76, 255]


def test_an_epoch_of_fit_is_a_pass(folder):
    """With broken files too, an epoch has as many batches as the data set says."""
    spoil(folder)
    data = made(folder, label_mode="categorical")
    model = Sequential([Input((6, 5, 3)), Conv2D(2, 3), GlobalAveragePooling2D(), Dense(2)], seed=0)
    model.compile("adam", "mse")
    sizes = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: sizes.append(batch))
    with pytest.warns(UserWarning, match="left out 3 of 20"):
        model.fit(data, epochs=2, verbose=0, callbacks=[watch])
    assert sizes == [0, 1, 2, 3, 4] * 2


SCRIPT = """
import os, signal, sys, warnings
import numpy as np
from minicnn import *
from minicnn._training import checkpoints
from minicnn.callbacks import LambdaCallback
from minicnn.utils import image_dataset_from_directory

warnings.simplefilter("ignore")
folder, out, stop, seed = sys.argv[1:]
stop, seed = int(stop), int(seed) if seed else None
checkpoints.EVERY, checkpoints.FRACTION = 0, float("inf")  # after each batch
common = {"image_size": (6, 5), "verbose": False}
data = image_dataset_from_directory(folder, batch_size=4, seed=seed, **common)
held = image_dataset_from_directory(folder, batch_size=8, seed=4, **common)
if stop:
    next(iter(data))  # a look at the data, which the resumed script does not have
model = Sequential([Input((6, 5, 3)), Rescaling(1 / 255), Conv2D(3, 3), GlobalAveragePooling2D(),
                    Dense(2, activation="softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
left = [stop]
def count(batch, logs):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
history = model.fit(data, epochs=3, validation_data=held, verbose=0, checkpoint=out,
                    resume=not stop,
                    callbacks=[LambdaCallback(on_train_batch_end=count)])
np.savez(out + "/end.npz", *model.get_weights(), **history.history)
"""


def ran(folder, out, stop, seed):
    command = [sys.executable, "-c", SCRIPT, str(folder), str(out), str(stop), seed]
    return subprocess.run(command, check=False).returncode


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_killed_run_is_resumed_to_the_bit(folder, tmp_path_factory):
    """Killed in mid-epoch, with a broken picture: the same weights and history as if left alone."""
    (folder / "a" / "00.jpg").write_bytes(b"hello")
    out = tmp_path_factory.mktemp("runs")
    assert ran(folder, out / "alone", 10**6, "7") == 0
    assert ran(folder, out / "killed", 8, "7") == -signal.SIGKILL
    assert ran(folder, out / "killed", 0, "7") == 0
    with np.load(out / "alone/end.npz") as one, np.load(out / "killed/end.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_resumed_run_goes_on_in_its_order(folder, tmp_path_factory):
    """In mid-epoch, without reading what it had: also without a seed; other files are refused."""
    out = tmp_path_factory.mktemp("runs") / "run"

    def fit(seed, epochs, steps, **options):
        data = made(folder, seed=seed)
        read, examples = [], type(data.passes)._read

        def noted(run):
            read.append(len(run.numbers))
            return examples(data.passes, run)

        data.passes._read = noted
        model = Sequential(
            [Input((6, 5, 3)), GlobalAveragePooling2D(), Dense(2, activation="softmax")], seed=0
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        steps_left = [steps]

        def count(batch, logs):
            steps_left[0] -= 1
            if not steps_left[0]:
                os.kill(os.getpid(), signal.SIGINT)

        stop = LambdaCallback(on_train_batch_end=count)
        history = model.fit(
            data, epochs=epochs, verbose=0, checkpoint=out, callbacks=[stop], **options
        )
        return model.get_weights(), history.history, sum(read), data

    fit(None, 3, 8)
    weights, history, count, data = fit(None, 3, 0, resume=True)
    assert count < 3 * 20 - 8  # of the first two passes those that were not trained on
    assert len(history["loss"]) == 3
    out_seed = data.passes.seed
    out = out.parent / "alone"
    again, same_history, _, _ = fit(out_seed, 3, 0)
    assert history == same_history
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)
    (folder / "a" / "00.jpg").unlink()
    with pytest.raises(ConfigError, match="files"):
        fit(out_seed, 4, 0, resume=True)


@pytest.mark.parametrize(("seed", "noise"), [(3, 0.1), (None, 0)])
def test_a_resumed_run_through_a_map(seed, noise, folder, tmp_path_factory):
    """What a chain makes of the pictures is made again, with a seed also by a stateful function."""
    out = tmp_path_factory.mktemp("runs")

    def fit(name, seed, steps, **options):
        rng = np.random.default_rng(5)
        data = made(folder, seed=seed)
        chain = data.map(lambda x, y: (x / 255 + rng.normal(0, noise, x.shape), y))
        model = Sequential(
            [Input((6, 5, 3)), GlobalAveragePooling2D(), Dense(2, activation="softmax")], seed=0
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        stop = LambdaCallback(
            on_train_batch_end=lambda batch, logs: batch == steps and os.kill(os.getpid(), 2)
        )
        model.fit(chain, epochs=2, verbose=0, checkpoint=out / name, callbacks=[stop], **options)
        return model.get_weights(), data.origin.seed

    fit("cut", seed, 3)
    weights, seed = fit("cut", seed, -1, resume=True)
    for one, other in zip(weights, fit("whole", seed, -1)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def table(folder, text, **arguments):
    path = folder / "pictures.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = {"image_size": (6, 5), "shuffle": False, "verbose": False} | arguments
    return image_dataset_from_csv(path, **arguments)


def test_tables(folder):
    """With a header or none, other columns and separators; classes by name or by number."""
    plain = table(folder, "a/00.jpg,cat\nb/01.jpg,dog\n\na/02.jpg,cat\n")
    assert plain.class_names == ["cat", "dog"]
    assert plain.file_paths == [str(folder / name) for name in ("a/00.jpg", "b/01.jpg", "a/02.jpg")]
    ((x, y),) = plain
    assert y.tolist() == [0, 1, 0]
    whole = made(folder, shuffle=False)
    np.testing.assert_array_equal(x[0], next(iter(whole))[0][0])
    named = table(folder, "\ufeffclass;id;filename\r\n10;1;a/00.jpg\r\n9;2; b/01.jpg \r\n")
    assert named.class_names == ["9", "10"]
    assert next(iter(named))[1].tolist() == [1, 0]
    chosen = table(folder, "file,label\na/00.jpg,9\n", class_names=["8", "9"], label_mode="binary")
    assert next(iter(chosen))[1].tolist() == [[1]]
    alone = table(folder, "a/00.jpg,x\na/02.jpg,y\n", label_mode=None)
    assert next(iter(alone)).shape == (2, 6, 5, 3)
    strange = folder / os.fsdecode(b"\xff\xe4.jpg")
    strange.write_bytes((folder / "a/00.jpg").read_bytes())
    bytes_ = table(folder, b"\xff\xe4.jpg,x\n/nowhere/else.jpg,y\n")
    with pytest.warns(UserWarning, match="left out 1 of 2 pictures"):
        assert next(iter(bytes_))[1].tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na/00.jpg,x\nb/01.jpg\n", "line 3: expected path,label, got 'b/01.jpg'"),
        ("a/00.jpg,x\n,y\n", "line 2: expected path,label, got ',y'"),
        ("a/00.jpg,x\n", r"line 1: expected a label of class_names=\['y'\], got 'x'"),
        ("", "names no pictures"),
        ("path,label\n", "names no pictures"),
        (b"\x89HDF\r\n\x1a\n\0\0,\0\n", r"line|names no pictures"),
    ],
)
def test_wrong_tables(text, message, folder):
    """One line, with the number of the line."""
    names = ["y"] if "class_names" in message else None
    with pytest.raises(DataError, match=message) as error:
        table(folder, text, class_names=names)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="cannot read"):
        image_dataset_from_csv(folder / "no.csv")
