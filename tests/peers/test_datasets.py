"""Data sets and ``get_file`` give what Keras gives, from the same server and the same arguments."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

import minicnn
from download_helpers import cifar_tar, idx, md5, mnist_npz, serving, sha256, write_tar
from minicnn import utils
from minicnn._files import budget
from minicnn.datasets import cifar, cifar10, cifar100, fashion_mnist, mnist

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

FILES = {"pets/LICENSE": b"CC", "pets/cats/1.jpg": b"cat", "pets/dogs/2.jpg": b"dog"}


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture
def server(tmp_path):
    """A server of a folder with archives."""
    pytest.importorskip("pooch")
    folder = tmp_path / "there"
    folder.mkdir()
    write_tar(folder / "pets.tgz", FILES)
    with zipfile.ZipFile(folder / "pets.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    (folder / "a.txt").write_bytes(b"hello")
    with serving(folder) as server:
        server.folder = folder
        yield server


def tree(path):
    """The files that a path leads to, without what links lead to."""
    path = Path(path)
    if path.is_file():
        return {"": path.read_bytes()}
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


CALLS = {
    "a file": ("a.txt", {}),
    "its name": ("a.txt", {"fname": "b.txt"}),
    "a folder": ("a.txt", {"cache_subdir": "texts"}),
    "anew": ("a.txt", {"force_download": True}),
    "tar": ("pets.tgz", {"extract": True}),
    "tar, name": ("pets.tgz", {"extract": True, "fname": "animals"}),
    "tar, dots": ("pets.tgz", {"extract": True, "fname": "animals.v1.tar.gz"}),
    "tar, format": ("pets.tgz", {"extract": True, "archive_format": "tar"}),
    "untar": ("pets.tgz", {"untar": True}),
    "untar, name": ("pets.tgz", {"untar": True, "fname": "animals"}),
    "untar, dot": ("pets.tgz", {"untar": True, "fname": "animals.tgz"}),
    "zip": ("pets.zip", {"extract": True, "cache_subdir": "zips"}),
    "zip, name": ("pets.zip", {"extract": True, "fname": "animals.zip"}),
}


@pytest.mark.parametrize("name", CALLS)
def test_get_file_gives_keras_paths_and_files(name, keras, server, tmp_path):
    """The same path in the cache, with the same files there, twice in a row."""
    file, arguments = CALLS[name]
    paths = []
    for get_file, cache in (
        (keras.utils.get_file, tmp_path / "theirs"),
        (utils.get_file, tmp_path / "ours"),
    ):
        cache.mkdir()
        for _ in range(2):
            path = get_file(origin=server.url + file, cache_dir=str(cache), **arguments)
        paths.append(Path(path).relative_to(cache))
    assert paths[0] == paths[1]
    found = tree(tmp_path / "ours" / paths[1])
    assert found == tree(tmp_path / "theirs" / paths[0])
    assert found.keys() == ({""} if file == "a.txt" else FILES.keys())


def test_untar_with_the_archive_s_own_name_is_that_of_keras_2(keras, server, tmp_path):
    """The path is Keras 3's; the classes are in it at once, where scripts of Keras 2 look."""
    paths = [
        Path(get_file("pets", server.url + "pets.tgz", untar=True, cache_dir=str(tmp_path)))
        for get_file in (utils.get_file, keras.utils.get_file)
    ]
    assert paths[0] == paths[1]
    assert (paths[0] / "cats" / "1.jpg").read_bytes() == b"cat"
    assert (paths[1] / "pets" / "cats" / "1.jpg").read_bytes() == b"cat"


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("order", [1, 2, 3, np.inf])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_normalize_gives_keras_numbers(dtype, order, axis, keras):
    """The same numbers and dtype."""
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 6)).astype(dtype)
    x[1] = 0
    theirs, ours = keras.utils.normalize(x, axis, order), utils.normalize(x, axis, order)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def small(keras, monkeypatch, server, home):
    """Let both libraries take what the server has for the real files, and keep it in ``home``."""
    from keras.src.datasets import cifar10 as cifar10_
    from keras.src.datasets import cifar100 as cifar100_
    from keras.src.datasets import fashion_mnist as fashion_
    from keras.src.datasets import mnist as mnist_

    def from_here(fname, origin, file_hash=None, **arguments):
        here = server.url + origin.rpartition("/")[2]
        return keras.utils.get_file(fname, here, cache_dir=str(home), **arguments)

    for module in (cifar10_, cifar100_, fashion_, mnist_):
        monkeypatch.setattr(module, "get_file", from_here)
    home.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setattr(mnist, "URL", f"{server.url}mnist.npz")
    monkeypatch.setattr(fashion_mnist, "URL", server.url)
    monkeypatch.setattr(cifar, "URL", server.url)


def test_the_arrays_are_keras_own(keras, server, tmp_path, monkeypatch):
    """Of all four data sets, from the cache that Keras made: shapes, dtypes, order and numbers."""
    rng = np.random.default_rng(0)
    folder = server.folder
    mnist_npz(folder / "mnist.npz", rng)
    shapes = ((6,), (6, 28, 28), (3,), (3, 28, 28))
    for name, shape in zip(list(fashion_mnist.MD5), shapes, strict=True):
        (folder / name).write_bytes(idx(rng.integers(0, 256, shape).astype(np.uint8)))
        monkeypatch.setitem(fashion_mnist.MD5, name, md5(folder / name))
    names = [f"data_batch_{i}" for i in range(1, 6)]
    # A few pictures many times are what a bomb is, but for their number: Keras' is fixed.
    monkeypatch.setattr(budget, "FREE", 1 << 30)
    tar = folder / "cifar-10-python.tar.gz"
    cifar_tar(tar, rng, [*names, "test_batch"], ["labels"], "cifar-10-batches-py", 10000)
    tar100 = folder / "cifar-100-python.tar.gz"
    keys = ["fine_labels", "coarse_labels"]
    cifar_tar(tar100, rng, ["train", "test"], keys, "cifar-100-python")
    for module, path in ((mnist, folder / "mnist.npz"), (cifar10, tar), (cifar100, tar100)):
        monkeypatch.setattr(module, "SHA256", sha256(path))
    small(keras, monkeypatch, server, tmp_path / "home")
    for name, arguments in (
        ("mnist", {}), ("fashion_mnist", {}), ("cifar10", {}),
        ("cifar100", {}), ("cifar100", {"label_mode": "coarse"}),
    ):  # fmt: skip
        theirs = getattr(keras.datasets, name).load_data(**arguments)
        asked = len(server.asked)
        ours = getattr(minicnn.datasets, name).load_data(**arguments)
        assert len(server.asked) == asked, "Keras' own files are used"
        for a, b in zip(sum(ours, ()), sum(theirs, ()), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
