"""The well-known data sets, small ones here, from a server on this machine."""

import gzip
import pickle
import sys
import warnings

import h5py
import numpy as np
import pytest

from download_helpers import (
    cifar_tar,
    idx,
    md5,
    mnist_npz,
    numpy_unpickled,
    python_2_pickle,
    serving,
    sha256,
    write_tar,
)
from minicnn._files.idx import read_idx
from minicnn.datasets import cats, cifar, cifar10, cifar100, fashion_mnist, mnist
from minicnn.errors import ConfigError, DataError

pytest.importorskip("pooch")

TRAIN = [f"data_batch_{i}" for i in range(1, 6)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the files in ``server.folder``, and an empty cache in ``server.cache``."""
    folder = tmp_path / "there"
    folder.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with serving(folder) as server:
        server.folder, server.cache = folder, tmp_path / "home" / "datasets"
        monkeypatch.setattr(mnist, "URL", f"{server.url}mnist.npz")
        monkeypatch.setattr(fashion_mnist, "URL", server.url)
        monkeypatch.setattr(cifar, "URL", server.url)
        yield server


def pinned(monkeypatch, module, path):
    """Let the file at ``path`` be the right one."""
    monkeypatch.setattr(module, "SHA256", sha256(path))


def same(a, b):
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype
        assert x.flags.writeable
        np.testing.assert_array_equal(x, y)


def test_mnist(server, rng, monkeypatch):
    """The four arrays; the second time from the cache, and so without the package pooch."""
    arrays = mnist_npz(server.folder / "mnist.npz", rng)
    pinned(monkeypatch, mnist, server.folder / "mnist.npz")
    for _ in range(2):
        train, test = mnist.load_data()
        same((*train, *test), [arrays[name] for name in mnist.NAMES])
        monkeypatch.setitem(sys.modules, "pooch", None)
    assert server.asked == ["/mnist.npz"]
    assert (server.cache / "mnist.npz").exists()


def test_mnist_s_path(server, rng, monkeypatch, tmp_path):
    """``path`` is another name in the cache, or any path, as in Keras 2."""
    mnist_npz(server.folder / "mnist.npz", rng)
    pinned(monkeypatch, mnist, server.folder / "mnist.npz")
    mnist.load_data("digits.npz")
    mnist.load_data(path=str(tmp_path / "here" / "m.npz"))
    assert (server.cache / "digits.npz").exists()
    assert (tmp_path / "here" / "m.npz").exists()
    with pytest.raises(ConfigError, match="expected path as a path, got 3"):
        mnist.load_data(3)


def test_fashion_mnist(server, rng, monkeypatch):
    """Four compressed idx files, in a folder of their own."""
    arrays = [
        rng.integers(0, 256, shape).astype(np.uint8)
        for shape in ((6,), (6, 28, 28), (3,), (3, 28, 28))
    ]
    for name, array in zip(list(fashion_mnist.MD5), arrays, strict=True):
        (server.folder / name).write_bytes(idx(array))
        monkeypatch.setitem(fashion_mnist.MD5, name, md5(server.folder / name))
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    same((y_train, x_train, y_test, x_test), arrays)
    assert sorted(p.name for p in (server.cache / "fashion-mnist").iterdir()) == sorted(
        fashion_mnist.MD5
    )


def test_cifar10(server, rng, monkeypatch):
    """Five batches in order and one to test, channels last, labels as a column."""
    file = server.folder / "cifar-10-python.tar.gz"
    names = ["test_batch", *reversed(TRAIN)]
    batches = cifar_tar(file, rng, names, ["labels"], "cifar-10-batches-py")
    pinned(monkeypatch, cifar10, file)
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape) == (
        (20, 32, 32, 3),
        (20, 1),
        (4, 32, 32, 3),
    )
    assert x_train.dtype == y_train.dtype == x_test.dtype == y_test.dtype == np.uint8
    pictures, labels = batches["data_batch_2"]
    # A picture is its red rows, then the green and the blue ones.
    assert x_train[4 + 1, 5, 7].tolist() == [pictures[1, c * 1024 + 5 * 32 + 7] for c in range(3)]
    assert y_train[4:8, 0].tolist() == labels["labels"]
    assert y_test[:, 0].tolist() == batches["test_batch"][1]["labels"]
    assert (server.cache / "cifar-10-batches-py-target_archive").exists()


def test_cifar_s_archive_of_older_releases(server, rng, monkeypatch):
    """Where Keras 2 left the archive it is used, unless it is another; nobody is asked."""
    file = server.folder / "cifar-10-python.tar.gz"
    cifar_tar(file, rng, ["test_batch", *TRAIN], ["labels"], "cifar-10-batches-py")
    pinned(monkeypatch, cifar10, file)
    server.cache.mkdir(parents=True)
    old = server.cache / "cifar-10-batches-py.tar.gz"
    old.write_bytes(file.read_bytes())
    cifar10.load_data()
    assert server.asked == []
    old.write_bytes(b"other")
    cifar10.load_data()
    assert server.asked == ["/cifar-10-python.tar.gz"]
    assert old.read_bytes() == b"other"


def test_cifar100(server, rng, monkeypatch):
    """Fine and coarse labels, which are whole numbers of Python's there, and so int64 in Keras."""
    file = server.folder / "cifar-100-python.tar.gz"
    keys = ["fine_labels", "coarse_labels"]
    # More bytes than are read at once.
    batches = cifar_tar(file, rng, ["train", "test"], keys, "cifar-100-python", n=100)
    pinned(monkeypatch, cifar100, file)
    for mode in ("fine", "coarse"):
        (x_train, y_train), (x_test, y_test) = cifar100.load_data(label_mode=mode)
        assert x_train.shape == x_test.shape == (100, 32, 32, 3)
        assert y_train.dtype == y_test.dtype == np.int64
        assert y_train[:, 0].tolist() == batches["train"][1][f"{mode}_labels"]
        assert y_test[:, 0].tolist() == batches["test"][1][f"{mode}_labels"]
    with pytest.raises(ConfigError, match="expected label_mode as 'fine' or 'coarse', got 'all'"):
        cifar100.load_data("all")


def test_cats(server, rng, monkeypatch):
    """The course's two files, in a folder of their own; a wrong one is not taken."""
    wanted = []
    for (name, part), n in zip((("train", "train"), ("test", "test")), (5, 3), strict=True):
        path = server.folder / f"{name}_catvnoncat.h5"
        x, y = rng.integers(0, 256, (n, 64, 64, 3)).astype(np.uint8), np.arange(n) % 2
        with h5py.File(path, "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
            file["list_classes"] = np.array([b"non-cat", b"cat"])
        monkeypatch.setitem(cats.SHA256, path.name, sha256(path))
        wanted += [x, y]
    monkeypatch.setattr(cats, "URL", server.url)
    train, test = cats.load_data()
    same((*train, *test), wanted)
    assert len(list((server.cache / "catvnoncat").iterdir())) == 2
    (server.folder / "test_catvnoncat.h5").write_bytes(b"other")
    (server.cache / "catvnoncat" / "test_catvnoncat.h5").unlink()
    with pytest.raises(DataError, match="another file, or a damaged one"):
        cats.load_data()


def test_the_pickles_here_are_like_those_of_python_2(rng):
    """What the tests write is a pickle to Python itself, of an array, a list and bytes."""
    pictures = rng.integers(0, 256, (4, 3072)).astype(np.uint8)
    with warnings.catch_warnings(action="ignore"):  # numpy.core is called otherwise today
        found = numpy_unpickled(python_2_pickle(pictures, labels=[1, 2, 300, -4]))
    np.testing.assert_array_equal(found[b"data"], pictures)
    assert found[b"labels"] == [1, 2, 300, -4]


class Runs:
    """A pickle that would run something."""

    def __reduce__(self):
        return print, ("this ran",)


GOOD = np.zeros((4, 3072), np.uint8)
BAD_PICKLES = {
    "runs": (pickle.dumps({b"data": Runs()}), "a pickle that names 'builtins.print'. It was not"),
    "cut": (python_2_pickle(GOOD, labels=[0] * 4)[:5000], "got a damaged one"),
    "list": (pickle.dumps([1, 2]), "got a damaged one"),
    "no data": (pickle.dumps({b"labels": [0] * 4}), r"got int64 \(\)"),
    "no labels": (python_2_pickle(GOOD), "expected labels as a list"),
    "odd labels": (python_2_pickle(GOOD, labels=[0, 1, 2, 100]), "expected labels as a list"),
    "few labels": (python_2_pickle(GOOD, labels=[0]), r"uint8 \(4, 3072\) and uint8 \(1,\)"),
    "small": (python_2_pickle(GOOD[:, :3000], labels=[0] * 4), r"got uint8 \(4, 3000\)"),
    "signed": (pickle.dumps({b"data": GOOD.astype(np.int8)}, 3), "got a damaged one"),
    "floats": (pickle.dumps({b"data": GOOD.astype(float)}, 3), "got a damaged one"),
    "other shape": (
        python_2_pickle(GOOD, labels=[0] * 4).replace(b"J\x04\0\0\0J", b"J\x05\0\0\0J"),
        "got a damaged one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PICKLES)
def test_bad_pickles_are_refused(name, tmp_path, capsys):
    """Nothing that a pickle names is run, and what makes no sense is one line."""
    data, said = BAD_PICKLES[name]
    path = write_tar(tmp_path / "a.tar.gz", {"x/train": data})
    with pytest.raises(DataError, match=f"^{path}: train: .*{said}"):
        cifar.read(path, ["train"], ["train"], "labels")
    assert "this ran" not in capsys.readouterr().out


def test_archives_without_the_batches_are_refused(tmp_path):
    """Another archive, and a file that is none."""
    path = write_tar(tmp_path / "a.tar.gz", {"x/other": b""})
    with pytest.raises(DataError, match="expected an archive with train, got one without"):
        cifar.read(path, ["train"], ["test"], "labels")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="expected a tar archive, got a damaged one"):
        cifar.read(path, ["train"], ["test"], "labels")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        idx(np.zeros((3, 4), np.uint8))[:-9],
        idx(np.zeros((3, 4), np.uint8))[:20],
        gzip.compress(b"\0\0\x08\x02\0\0\0\3\0\0\0\4" + bytes(11), mtime=0),
        gzip.compress(b"\0\0\x08\x02\0\0\0\3\0\0\0\4" + bytes(13), mtime=0),
        gzip.compress(b"\0\0\x0d\x01\0\0\0\3" + bytes(3), mtime=0),
    ],
)
def test_bad_idx_files_are_refused(data, tmp_path):
    """Empty, text, cut, too short, too long and of another kind of numbers."""
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.gz: expected an idx file of bytes, .*damaged one"):
        read_idx(tmp_path / "a.gz")


def test_idx_files_that_claim_too_much_are_refused(tmp_path):
    """Terabytes in twenty bytes."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0\0\x08\x02" + b"\0\xff\xff\xff" * 2))
    with pytest.raises(DataError, match=r"claims .* bytes, too many for a file of"):
        read_idx(tmp_path / "a.gz")


def test_bad_npz_files_are_refused(tmp_path, server, rng, monkeypatch):
    """Objects, missing arrays, other shapes and numbers, and files that are no archives."""
    path = server.cache / "mnist.npz"
    path.parent.mkdir(parents=True)

    def loaded():
        pinned(monkeypatch, mnist, path)
        mnist.load_data()

    objects = {name: np.array([Runs()], object) for name in mnist.NAMES}
    np.savez(path, **objects)
    with pytest.raises(DataError, match=r"expected a \.npz file"):
        loaded()
    np.savez(path, x_train=np.zeros(3))
    with pytest.raises(DataError, match=r"got one without y_train\.npy"):
        loaded()
    mnist_npz(path, rng, dtype=np.float32)
    with pytest.raises(DataError, match=r"expected pictures uint8 \(N, 28, 28\).*got float32"):
        loaded()
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(
        DataError, match=r"expected a \.npz file, got another kind, or a damaged one"
    ):
        loaded()


def test_a_wrong_file_on_the_server_is_refused(server, rng):
    """The hashes that are pinned are those of the real files."""
    mnist_npz(server.folder / "mnist.npz", rng)
    with pytest.raises(DataError, match=f"whose sha256 is {mnist.SHA256}, got"):
        mnist.load_data()
    assert list(server.cache.iterdir()) == []


def test_other_data_sets_of_keras_are_answered():
    """By what is here."""
    with pytest.raises(ConfigError, match="has no imdb, which Keras has: minicnn is for images"):
        from minicnn.datasets import imdb  # noqa: F401
