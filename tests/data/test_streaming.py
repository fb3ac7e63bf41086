"""Training from HDF5 files that stay on the disk: the order, the numbers, and what goes wrong."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import Conv2D, Dense, Flatten, Input, MaxPool, Rescaling, Sequential
from minicnn._files import hdf5_reader, reader_process
from minicnn.callbacks import Callback, LambdaCallback
from minicnn.data import HDF5Dataset, load_hdf5
from minicnn.data.streaming import dealt, drawn, order_of
from minicnn.errors import ConfigError, DataError

rng = np.random.default_rng(0)
M = 3000
X = rng.integers(0, 256, (M, 12, 10, 3), dtype=np.uint8)
Y = np.sort(rng.integers(0, 4, M))
SMALL = {"buffer_mb": 1}
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (7, 12, 10, 3)},
    "gzip": {"chunks": (25, 12, 10, 3), "compression": "gzip"},
    "lzf, shuffle": {"chunks": (64, 5, 10, 2), "compression": "lzf", "shuffle": True},
    "cut across": {"chunks": (50, 4, 3, 1)},
}


@pytest.fixture
def write(tmp_path):
    """Writes a file in the course's layout."""

    def write(name="data.h5", x=X, y=Y, **layout):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("train_set_x", data=x, **layout)
            file["train_set_y"] = y
        return tmp_path / name

    return write


def network(shape=X.shape[1:], seed=0):
    model = Sequential(
        [
            *(Input(shape), Rescaling(1 / 255), Conv2D(4, 3, activation="relu"), MaxPool(2)),
            *(Flatten(), Dense(4, activation="softmax")),
        ],
        seed=seed,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_each_image_comes_once_in_each_pass(write, layout):
    """Every layout gives each image once, in the file's order and shuffled, and from any batch on
    the same."""
    data = HDF5Dataset(write(**layout), **SMALL)
    for seed in (None, 3):
        order = order_of(data, seed)
        batches = [one.rows[one.places] for one in drawn(data, 64, order)]
        assert list(map(len, batches)) == [64] * 46 + [56]
        rows = np.concatenate(batches)
        assert np.array_equal(np.sort(rows), np.arange(M))
        assert np.array_equal(rows, np.arange(M)) == (seed is None)
        for one in drawn(data, 64, order, 0, 20):
            assert np.array_equal(one.rows[one.places], batches[one.step])
            assert np.array_equal(one.x[one.places], X[batches[one.step]])
    assert np.array_equal(data[50:2000:3].x, X[50:2000:3])
    assert np.array_equal(data[[7, 2, 7]].x, X[[7, 2, 7]])
    image, label = data[-1]
    assert np.array_equal(image, X[-1])
    assert label == Y[-1]
    shown = f"HDF5Dataset('data.h5': uint8 {X.shape}, 4 classes)"
    assert (len(data), data.shape, repr(data)) == (M, X.shape, shown)


def test_what_is_in_memory_together_comes_from_everywhere():
    """However blocks are dealt, each set has as many from each tenth of the source."""
    sets = dealt(1000, 100, np.random.default_rng(0))
    assert sorted(np.concatenate(sets).tolist()) == list(range(1000))
    for some in sets:
        assert np.bincount(some // 100).tolist() == [10] * 10


@pytest.mark.filterwarnings("ignore:fit")
def test_it_is_taken_as_arrays_are(write):
    """fit, evaluate, predict and validation_data give what they give for the arrays."""
    path = write(**LAYOUTS["gzip"])
    data, model = HDF5Dataset(path, seed=1, **SMALL), network()
    assert model.evaluate(data) == model.evaluate(X, Y)
    np.testing.assert_array_equal(model.predict(data, 64), model.predict(X, 64))
    assert len(model.predict(data, 64, steps=2)) == 128
    weights = np.linspace(0, 1, M)
    from_disk = network().fit(
        data, shuffle=False, verbose=0, validation_data=data, sample_weight=weights
    )
    from_memory = network().fit(
        X, Y, shuffle=False, verbose=0, validation_data=(X, Y), sample_weight=weights
    )
    assert from_disk.history == from_memory.history


def test_the_order_follows_from_seed_and_epoch(write):
    """Of equal seeds each epoch has the same order, and each epoch another; without a seed the
    model's decides."""
    path = write(**LAYOUTS["chunked"])

    def order(seed, epochs=2, of_model=0):
        seen = []

        class Seen(HDF5Dataset):
            def open(self, rows):
                reading = super().open(rows)
                begin = reading.begin
                reading.begin = lambda half, runs: (seen.append(runs.tolist()), begin(half, runs))
                return reading

        data = Seen(path, seed=seed, **SMALL)
        network(seed=of_model).fit(data, epochs=epochs, batch_size=500, verbose=0)
        return seen

    assert order(5) == order(5, of_model=1) != order(6)
    assert order(None) == order(None) != order(None, of_model=1)


def test_a_resumed_run_ends_in_the_same_bits(write, tmp_path):
    """A run that a callback breaks off in the middle of an epoch goes on to the same bits."""
    data = HDF5Dataset(write(**LAYOUTS["lzf, shuffle"]), **SMALL)
    alone = network()
    alone.fit(data, epochs=3, batch_size=128, verbose=0)

    class Break(Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == 35:
                os.kill(os.getpid(), signal.SIGINT)

    options = {"epochs": 3, "batch_size": 128, "verbose": 0, "checkpoint": tmp_path / "run"}
    broken = network()
    assert broken.fit(data, callbacks=[Break()], **options).interrupted
    resumed = network()
    resumed.fit(data, resume=True, **options)
    for one, other in zip(alone.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    other = HDF5Dataset(write("other.h5", y=Y[::-1].copy(), **LAYOUTS["lzf, shuffle"]))
    with pytest.raises(ConfigError, match="labels was"):
        network().fit(other, resume=True, **options)


def test_several_files_are_one(write):
    """A list of files is the images of all, in their order; files that differ are refused."""
    parts = [
        write("a.h5", X[:1000], Y[:1000], chunks=(33, 12, 10, 3)),
        write("b.h5", X[1000:1001], Y[1000:1001]),
        write("c.h5", X[1001:], Y[1001:], chunks=(50, 12, 10, 3), compression="gzip"),
    ]
    data = HDF5Dataset(parts, **SMALL)
    assert np.array_equal(data[:].x, X)
    assert np.array_equal(data.labels, Y)
    rows = np.concatenate([one.rows[one.places] for one in drawn(data, 50, order_of(data, 0))])
    assert np.array_equal(np.sort(rows), np.arange(M))
    other = write("other.h5", X[:, :5], Y)
    with pytest.raises(DataError, match=r"other.h5: expected images of shape \(12, 10, 3\), as in"):
        HDF5Dataset([parts[0], other])
    with pytest.raises(ConfigError, match="got none"):
        HDF5Dataset([])


def test_what_matlab_wrote_is_put_in_order(tmp_path):
    """H x W x C x m of MATLAB streams as (m, H, W, C), as load_hdf5 gives it."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("train_set_x", data=X.transpose(0, 3, 2, 1)[:200])
        file["train_set_x"].attrs["MATLAB_class"] = np.bytes_("uint8")
        file["train_set_y"] = Y[None, :200]
    with pytest.warns(RuntimeWarning, match="put in order"):
        data = HDF5Dataset(path)
    assert np.array_equal(data[:].x, X[:200])
    with pytest.warns(RuntimeWarning, match="put in order"):
        assert np.array_equal(load_hdf5(path).x, X[:200])


@pytest.mark.parametrize("name", ["blosc", "blosc2", "zstd"])
def test_plugins_filters_are_read_where_the_plugin_is(write, name, monkeypatch):
    """blosc and zstd are read with hdf5plugin; without it the line names the pip command."""
    plugin = pytest.importorskip("hdf5plugin")
    kinds = {"blosc": plugin.Blosc(), "blosc2": plugin.Blosc2(), "zstd": plugin.Zstd()}
    path = write(chunks=(50, 12, 10, 3), compression=kinds[name])
    assert np.array_equal(HDF5Dataset(path)[:].x, X)
    assert np.array_equal(load_hdf5(path).x, X)
    refused = write("other.h5", chunks=(50, 12, 10, 3), compression=plugin.LZ4())
    with pytest.raises(DataError, match="expected no filters but"):
        HDF5Dataset(refused)


def test_without_the_plugin_the_line_names_it(write, tmp_path, monkeypatch):
    """A process that does not find hdf5plugin says which extra is missing."""
    plugin = pytest.importorskip("hdf5plugin")
    path = write(chunks=(50, 12, 10, 3), compression=plugin.Zstd())
    script = tmp_path / "reader.py"
    script.write_text(
        "import importlib.util, runpy, sys\n"
        "importlib.util.find_spec = lambda name: None\n"
        f"runpy.run_path({hdf5_reader.__file__!r}, run_name='__main__')\n"
    )
    reader_process.end_readers()
    monkeypatch.setattr(hdf5_reader, "__file__", str(script))
    with pytest.raises(DataError, match=r'with zstd: pip install "minicnn\[data\]" to read it\.$'):
        HDF5Dataset(path)
    reader_process.end_readers()


def spoiled(write, name):
    """Something that is no file to train from."""
    if name == "missing":
        return write().with_name("missing.h5")
    if name == "uint16":
        return write(x=X.astype(np.uint16))
    if name == "text":
        return write(x=np.full((M, 5, 5), b"a"))
    if name == "one axis":
        return write(x=X[:, 0, 0, 0])
    if name == "channels first":
        return write(x=np.zeros((30, 3, 32, 32), np.uint8), y=Y[:30])
    if name == "labels":
        return write(y=Y[:-1])
    if name == "claims":
        return write(x=None, shape=(10**8, 64, 64, 3), dtype=np.uint8, chunks=(1, 64, 64, 3))
    if name == "large chunks":
        return write(x=np.zeros((300, 64, 64, 3), np.uint8), y=Y[:300], chunks=(300, 64, 64, 3))
    path = write(**LAYOUTS["gzip"])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "missing.h5: cannot be read"),
        ("uint16", r"expected uint8 or floating-point images, got uint16\. Store \(x // 257\)"),
        ("text", "expected numbers, got text"),
        ("one axis", r"expected images of shape \(m, H, W, C\), got \(3000,\)"),
        ("channels first", "Store x.transpose"),
        ("labels", "expected 3000 labels"),
        ("claims", "claims 1,228,800,000,000 bytes, but the file holds 0"),
        (
            "large chunks",
            "expected chunks that fit into half of buffer_mb=1, got chunks of 3.52 MB",
        ),
        ("cut", "is cut short"),
    ],
)
def test_a_wrong_file_gives_one_line(write, name, says):
    """What load_hdf5 refuses is refused before a step, in one line."""
    with pytest.raises(DataError, match=says) as error:
        HDF5Dataset(spoiled(write, name), **SMALL)
    assert "\n" not in str(error.value)


def test_a_damaged_chunk_and_nan_are_found_when_they_are_read(write):
    """What is broken in the middle of a file ends the run in one line that says where."""
    path = write(**LAYOUTS["gzip"])
    with h5py.File(path) as file:
        at = file["train_set_x"].id.get_chunk_info(90).byte_offset
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 100)
    with pytest.raises(DataError, match=r"data\.h5: dataset .*: the HDF5 file is damaged"):
        network().fit(HDF5Dataset(path, **SMALL), verbose=0)
    x = X.astype(np.float32)
    x[1234, 5, 5, 1] = np.nan
    with pytest.raises(DataError, match=r"train_set_x: .* NaN or infinity in image 1234\.$"):
        network().fit(HDF5Dataset(write(x=x), **SMALL), verbose=0)


def delete(path):
    path.unlink()


def replace(path):
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)


def cut(path):
    os.truncate(path, 200_000)


def written(path):
    with path.open("r+b") as file:
        file.write(b"\x89HDF")
    os.utime(path, ns=(0, 0))


HELD = []


def locked(path):
    HELD.append(h5py.File(path, "a"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards files that are open")
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (delete, "was deleted while it was in use"),
        (replace, "was replaced by another file"),
        (cut, "was cut short while it was in use, from"),
        (written, "was written to while it was in use"),
        (locked, "is open for writing in another program"),
    ],
)
def test_a_file_that_changes_under_way_is_reported(write, tmp_path, harm, says):
    """The run ends in one line that says what has happened, and its checkpoint is kept."""
    path = write(**LAYOUTS["chunked"])
    data, model = HDF5Dataset(path, **SMALL), network()
    end = LambdaCallback(on_epoch_end=lambda epoch, logs: harm(path) if epoch == 0 else None)
    folder = tmp_path / "run"
    try:
        with pytest.raises(DataError, match=says) as error:
            model.fit(data, epochs=3, verbose=0, checkpoint=folder, callbacks=[end])
    finally:
        while HELD:
            HELD.pop().close()
    assert "\n" not in str(error.value)
    assert sorted(one.name for one in folder.iterdir() if "start" not in one.name)[0].endswith("h5")
    assert not [one for one in folder.iterdir() if one.suffix == ".tmp"]


def test_mistakes_are_told(write):
    """y beside a dataset, a split, labels beyond the outputs, and what is no array."""
    data = HDF5Dataset(write(), **SMALL)
    with pytest.raises(DataError, match="expected no y beside HDF5Dataset"):
        network().fit(data, Y)
    with pytest.raises(ConfigError, match="expected no validation_split beside HDF5Dataset"):
        network().fit(data, validation_split=0.5)
    with pytest.raises(DataError, match="is not taken apart"):
        list(data)
    with pytest.raises(DataError, match="not read as a whole"):
        np.asarray(data)
    with pytest.raises(DataError, match="from 0 to 3"):
        network().fit(HDF5Dataset(write("more.h5", y=Y + 1)), verbose=0)
    with pytest.raises(ConfigError, match="buffer_mb"):
        HDF5Dataset(write(), buffer_mb=0)
    with pytest.warns(
        UserWarning, match=r"only 7 of 15 are shuffled together\. Give buffer_mb=3\."
    ):
        HDF5Dataset(write("wide.h5", chunks=(200, 12, 10, 3)), **SMALL)


def test_threads_and_processes_read_one_file(write):
    """A dataset is used by one thread after another that has ended, and by a second process."""
    path = write(**LAYOUTS["gzip"])
    data, model, found = HDF5Dataset(path, **SMALL), network(), []
    thread = threading.Thread(target=lambda: found.append(model.evaluate(data)))
    thread.start()
    thread.join()
    code = f"import minicnn; print(int(minicnn.HDF5Dataset({str(path)!r})[:].x.sum()))"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert model.evaluate(data) == found[0]
    assert int(other.communicate()[0]) == int(X.astype(int).sum())
    assert minicnn.HDF5Dataset is HDF5Dataset


@pytest.mark.parametrize("key", [len(X), -len(X) - 1, "a", 1.5, [0, len(X)]])
def test_what_is_no_image_of_the_file(write, key):
    """A number that is too large, or none, is one line that says how many there are."""
    with pytest.raises(DataError, match=f"the number of an image below {len(X):,}"):
        HDF5Dataset(write())[key]


def test_a_copy_reads_for_itself(write):
    """A data set that has read is copied and pickled, and reads the same then."""
    data = HDF5Dataset(write())
    first = data[:5].x
    for twin in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        np.testing.assert_array_equal(twin[:5].x, first)
