"""Arrays from other programs' files: the same images and labels, or one line on what is wrong."""

import gzip

import h5py
import numpy as np
import pytest

from download_helpers import idx, mnist_npz
from minicnn.data import load_hdf5
from minicnn.data.making import arrays, import_images
from minicnn.errors import ConfigError, DataError, MiniCNNError

pytestmark = pytest.mark.filterwarnings("ignore:.*pixels from:RuntimeWarning")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def images(rng, n=20, shape=(9, 8, 3)):
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), np.arange(n) % 4


def same(path, x, y, names=None):
    """The file has these images, in any order, each with its label."""
    data = load_hdf5(path)
    x = x if x.ndim == 4 else x[..., None]
    wanted = sorted(zip(map(bytes, x), y.tolist(), strict=True))
    labels = [
        data.class_names.index(names[i]) if names else i for i in range(len(data.class_names))
    ]
    assert names is None or len(labels) == len(data.class_names)
    assert sorted(zip(map(bytes, data.x), data.y.tolist(), strict=True)) == wanted
    if names:
        assert list(data.class_names) == names


def test_npz_with_parts(tmp_path, rng):
    """x_train and the others become two files."""
    found = mnist_npz(tmp_path / "a.npz", rng, n=(40, 30))
    made = import_images(tmp_path / "a.npz", tmp_path / "b.h5")
    assert list(made.files.values()) == [40, 30]
    digits = sorted({int(y) for part in ("train", "test") for y in found[f"y_{part}"]})
    for part, path in zip(("train", "test"), made.files, strict=True):
        data = load_hdf5(path)
        y = np.array([int(data.class_names[i]) for i in data.y])
        pairs = sorted(zip(map(bytes, data.x), y, strict=True))
        assert pairs == sorted(zip(map(bytes, found[f"x_{part}"]), found[f"y_{part}"], strict=True))
    assert made.class_names == tuple(map(str, digits))


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("arr_0", "arr_1")])
def test_npz_without_parts(tmp_path, rng, names):
    """x and y, images and labels, or without names; labels as numbers or one-hot."""
    x, y = images(rng)
    np.savez(tmp_path / "a.npz", **dict(zip(names, (x, np.eye(4)[y]), strict=True)))
    import_images(tmp_path / "a.npz", tmp_path / "b.h5")
    same(tmp_path / "b.h5", x, y, list("0123"))


def test_npy(tmp_path, rng):
    """Labels beside it or named; texts are classes; floats become bytes, which is said."""
    x, y = images(rng)
    names = np.array(["ant", "bee", "cow", "dog"])
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "names.npy", names[y])
    np.save(tmp_path / "floats.npy", x / 255)
    import_images(tmp_path / "x.npy", tmp_path / "a.h5")
    same(tmp_path / "a.h5", x, y, list("0123"))
    labels = tmp_path / "names.npy"
    with pytest.warns(RuntimeWarning, match=r"pixels from 0 to 1 were stored as bytes: x \* 255"):
        import_images(tmp_path / "floats.npy", tmp_path / "b.h5", labels=labels)
    same(tmp_path / "b.h5", x, y, list(names))
    import_images(tmp_path / "x.npy", tmp_path / "c.h5", size=(18, 16), color="grey")
    assert load_hdf5(tmp_path / "c.h5").x.shape == (20, 18, 16, 1)


@pytest.mark.parametrize("packed", [True, False])
def test_idx(tmp_path, rng, packed):
    """MNIST's files, compressed or not, the labels found by their name."""
    x, y = images(rng, shape=(28, 28))
    for name, array in (("images-idx3", x), ("labels-idx1", y.astype(np.uint8))):
        data = idx(array)
        path = tmp_path / f"t10k-{name}-ubyte{'.gz' * packed}"
        path.write_bytes(data if packed else gzip.decompress(data))
    import_images(tmp_path / f"t10k-images-idx3-ubyte{'.gz' * packed}", tmp_path / "a.h5")
    same(tmp_path / "a.h5", x, y, list("0123"))


@pytest.mark.parametrize("coarse", [False, True])
def test_cifar(tmp_path, rng, coarse):
    """Records of labels and the red, green and blue rows; names from the file beside it."""
    x, y = images(rng, shape=(32, 32, 3))
    label = np.stack([y * 0 + 7, y], 1) if coarse else y[:, None]
    rows = np.concatenate([label.astype(np.uint8), x.transpose(0, 3, 1, 2).reshape(20, -1)], 1)
    rows.tofile(tmp_path / "data_batch_1.bin")
    classes = [f"thing {i:02}" for i in range(100 if coarse else 10)]
    name = "fine_label_names.txt" if coarse else "batches.meta.txt"
    (tmp_path / name).write_text("\n".join(classes) + "\n\n")
    import_images(tmp_path / "data_batch_1.bin", tmp_path / "a.h5")
    same(tmp_path / "a.h5", x, y, classes)


def test_hdf5_and_matlab_s(tmp_path, rng):
    """Other names of datasets; arrays as MATLAB -v7.3 writes them are put in order."""
    x, y = images(rng)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["photos"], file["kinds"] = x, y
    import_images(tmp_path / "a.h5", tmp_path / "b.h5", x_key="photos", y_key="kinds")
    same(tmp_path / "b.h5", x, y, list("0123"))
    with h5py.File(tmp_path / "m.mat", "w", userblock_size=512) as file:
        for key, array in (("X", x.transpose(1, 2, 3, 0).T), ("Y", y[:, None].T + 1)):
            file[key] = array
            file[key].attrs["MATLAB_class"] = np.bytes_(b"uint8")
    with (tmp_path / "m.mat").open("r+b") as start:
        start.write(b"MATLAB 7.3 MAT-file")
    with pytest.warns(RuntimeWarning, match="as MATLAB writes them, and was put in order"):
        import_images(tmp_path / "m.mat", tmp_path / "c.h5", x_key="X", y_key="Y")
    same(tmp_path / "c.h5", x, y, list("1234"))


def test_an_old_matlab_file_without_scipy(tmp_path, monkeypatch):
    """The line names what to install."""
    monkeypatch.setattr(arrays.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(MiniCNNError, match=r"with '-v7\.3', or install SciPy.*pip install scipy"):
        import_images(tmp_path / "a.mat", tmp_path / "b.h5")


def test_an_old_matlab_file(tmp_path, rng):
    """Through SciPy, H x W x C x m put in order."""
    io = pytest.importorskip("scipy.io")
    x, y = images(rng)
    io.savemat(tmp_path / "a.mat", {"X": x.transpose(1, 2, 3, 0), "y": y + 1})
    import_images(tmp_path / "a.mat", tmp_path / "b.h5")
    same(tmp_path / "b.h5", x, y, list("1234"))


def npz(**values):
    return lambda path: np.savez(path, **values)


def npy(x, y=None):
    def write(path):
        with path.open("wb") as file:
            np.save(file, x)
        with path.with_name("y.npy").open("wb") as file:
            np.save(file, np.arange(4) if y is None else y)

    return write


X = np.zeros((4, 8, 8, 3), np.uint8)
BAD = {
    "other names": ("x.npz", npz(a=X, b=X), "expected arrays x and y, .* got a, b"),
    "half": ("x.npz", npz(x=X), "got x"),
    "objects": ("x.npz", npz(x=np.array([None] * 4), y=np.arange(4)), "x holds Python objects"),
    "few labels": ("x.npz", npz(x=X, y=np.arange(3)), "expected as many labels as images"),
    "flat": ("x.npz", npz(x=X.reshape(4, -1), y=np.arange(4)), "expected images"),
    "first": ("x.npz", npz(x=X.transpose(0, 3, 1, 2), y=np.arange(4)), r"Store x\.transpose"),
    "range": ("x.npy", npy(X - 7.5), "expected pixels from 0 to 255, or from 0 to 1, got -7.5"),
    "nan": ("x.npy", npy(X * np.nan), "NaN or infinity"),
    "halves": ("x.npy", npy(X, np.arange(4) / 2), "expected labels as whole numbers"),
    "complex": ("x.npy", npy(X * 1j), "expected images of numbers"),
    "two hot": ("x.npy", npy(X, np.ones((4, 3))), "expected one-hot labels"),
    "none": ("x.npy", npy(X[:0], np.arange(0)), "expected images"),
    "cut npz": ("x.npz", lambda path: path.write_bytes(b"PK\3\4" + bytes(30)), "or a damaged one"),
    "cut npy": ("x.npy", lambda path: path.write_bytes(b"\x93NUMPY\1\0"), "labels|damaged"),
    "bin": ("a.bin", lambda path: path.write_bytes(bytes(3000)), "as CIFAR's binary files have"),
    "bin labels": ("a.bin", lambda path: path.write_bytes(b"\xff" * 3073), "as CIFAR's"),
    "bomb": ("a-idx3", lambda path: path.write_bytes(b"\0\0\x08\3" + b"\x7f" * 12), "labels"),
    "hdf5": ("a.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    """Wrong, cut and hostile files are one line, and nothing is written."""
    file, write, said = BAD[name]
    write(tmp_path / file)
    before = set(tmp_path.iterdir())
    with pytest.raises(MiniCNNError, match=said) as caught:
        import_images(tmp_path / file, tmp_path / "out.h5")
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_npz_with_other_names(tmp_path, rng):
    """Its arrays are named as the datasets of a file are; a name that it has not is one line."""
    x, y = images(rng)
    np.savez(tmp_path / "a.npz", Pictures=x, kinds=y)
    import_images(tmp_path / "a.npz", tmp_path / "b.h5", x_key="Pictures", y_key="kinds")
    same(tmp_path / "b.h5", x, y, list("0123"))
    for x_key, y_key in ((None, None), ("pictures", None), ("pictures", "other")):
        with pytest.raises(DataError, match=r"got kinds, pictures\. Name others with --x-key"):
            import_images(tmp_path / "a.npz", tmp_path / "c.h5", x_key=x_key, y_key=y_key)


def test_npz_with_labels_of_two_forms(tmp_path, rng):
    """One-hot to train on and numbers to test on are the same classes."""
    x, y = images(rng)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.eye(4)[y], x_test=x[:8], y_test=y[:8, None])
    made = import_images(tmp_path / "a.npz", tmp_path / "b.h5")
    same(tmp_path / "b.h5", x, y, list("0123"))
    same(list(made.files)[1], x[:8], y[:8], list("0123"))


def test_labels_of_objects_or_of_another_file(tmp_path, rng):
    """Python objects are not read, as they can run programs; an archive is no array of labels."""
    x, y = images(rng)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y.astype(object))
    np.savez(tmp_path / "y.npz", **{str(i): y for i in range(20)})
    for labels, said in (("y.npy", "holds Python objects"), ("y.npz", "expected a .npy file")):
        with pytest.raises(DataError, match=said):
            import_images(tmp_path / "x.npy", tmp_path / "b.h5", labels=tmp_path / labels)


def test_what_a_source_does_not_take(tmp_path, rng):
    """Keys of a folder, or labels beside those that are in the file, are not passed over."""
    x, y = images(rng)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    for source, given in ((tmp_path, {"x_key": "x"}), (tmp_path / "a.npz", {"labels": "b.npy"})):
        with pytest.raises(ConfigError, match=r"expected no (x_key|labels) for a"):
            import_images(source, tmp_path / "b.h5", **given)


def matlab(x, y, forms):
    """The arrays as MATLAB's users keep them."""
    first, last = np.moveaxis(x, 0, 3), y[:, None] + 1
    return {
        "H x W x C x m": ({"X": first, "y": last}, {}),
        "m x H x W x C": ({"x": x, "labels": y.astype(float)}, {}),
        "with keys": ({"A": first, "B": first, "y": y}, {"x_key": "A", "y_key": "y"}),
        "one-hot": ({"X": first, "y": np.eye(4)[y]}, {"y_key": "y"}),
        "texts": ({"X": first, "y": np.array(["ant", "bee", "cat", "dog"])[y]}, {}),
        "0 to 1": ({"X": first / 255, "y": y}, {}),
    }[forms]


@pytest.mark.parametrize(
    "forms", ["H x W x C x m", "m x H x W x C", "with keys", "one-hot", "texts", "0 to 1"]
)
@pytest.mark.parametrize("compressed", [False, True])
def test_old_files_of_matlab_s(tmp_path, rng, forms, compressed):
    """Images and labels in any order that MATLAB's users have come as they were."""
    scipy_io = pytest.importorskip("scipy.io")
    x, y = images(rng)
    contents, keys = matlab(x, y, forms)
    scipy_io.savemat(tmp_path / "a.mat", contents, do_compression=compressed)
    import_images(tmp_path / "a.mat", tmp_path / "b.h5", **keys)
    names = {"texts": ["ant", "bee", "cat", "dog"], "H x W x C x m": list("1234")}
    same(tmp_path / "b.h5", x, y, names.get(forms, list("0123")))


def test_old_files_of_matlab_s_that_will_not_do(tmp_path, rng):
    """No images, several arrays of labels, a cut file and a compressed bomb are one line each."""
    scipy_io = pytest.importorskip("scipy.io")
    x, y = images(rng)
    first = np.moveaxis(x, 0, 3)
    zeros = np.zeros((500, 500, 3, 60), np.uint8)
    for contents, said in (
        ({"a": 1}, "expected one array of images, got none"),
        ({"X": first, "y": y, "id": y}, "expected one array of labels, got y, id"),
        ({"X": first, "y": np.array(["a", "b"] * 10, object)}, "expected one array of labels"),
        ({"X": zeros, "y": np.zeros(60)}, "too many for a file of"),
    ):
        scipy_io.savemat(tmp_path / "a.mat", contents, do_compression=True)
        with pytest.raises(DataError, match=said) as caught:
            import_images(tmp_path / "a.mat", tmp_path / "b.h5")
        assert "\n" not in str(caught.value)
    scipy_io.savemat(tmp_path / "a.mat", {"X": first, "y": y})
    whole = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(whole[:140])
    with pytest.raises(DataError, match="got a damaged one"):
        import_images(tmp_path / "a.mat", tmp_path / "b.h5")
