"""Data files in all their forms, and one line for each way in which they are wrong."""

import base64
import io
import logging
import os
import re
import tracemalloc
import warnings
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from minicnn.data import Dataset, batches, load_hdf5, load_images
from minicnn.data.hdf5_dataset import HDF5Dataset
from minicnn.data.images import load_image, silence
from minicnn.errors import ConfigError, DataError

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])
NAMES = np.array([b"no", b"yes", b"maybe"])


@pytest.fixture
def write(tmp_path):
    """Writes a file in the course's layout, with some of its parts changed."""

    def write(name="data.h5", **parts):
        contents = {"train_set_x": X, "train_set_y": Y, "list_classes": NAMES} | parts
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            for key, value in contents.items():
                if callable(value):
                    value(file, key)
                elif value is not None:
                    file[key] = value
        return path

    return write


def test_the_course_layout(write):
    """Images stay uint8, labels become (m,), names become text."""
    data = load_hdf5(write())
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    assert data.class_names == ("no", "yes", "maybe")
    assert (len(data), data.classes) == (6, 3)
    assert repr(data) == "Dataset('data.h5': uint8 (6, 4, 5, 3), 3 classes)"


@pytest.mark.parametrize(
    "labels",
    [Y[None], Y[:, None], np.eye(3)[Y], np.eye(3, dtype=bool)[Y], Y.astype(np.uint8), Y * 1.0],
    ids=["row", "column", "one-hot", "one-hot bool", "bytes", "floats"],
)
def test_labels_in_every_form(write, labels):
    """However a file writes the labels, they are read as class numbers (m,)."""
    data = load_hdf5(write(train_set_y=labels))
    np.testing.assert_array_equal(data.y, Y)
    assert data.y.dtype == np.int64


@pytest.mark.parametrize("names", [NAMES, None])
@pytest.mark.parametrize("kind", ["S5", object])
def test_labels_that_are_texts(write, names, kind):
    """They are the classes of list_classes, or else those that there are, in order."""
    texts = NAMES[Y].astype(str).astype(kind)
    path = write(train_set_y=texts[:, None], list_classes=names)
    for data, y in ((load_hdf5(path), "y"), (HDF5Dataset(path), "labels")):
        assert [data.class_names[i] for i in getattr(data, y)] == NAMES[Y].astype(str).tolist()
        assert data.class_names == (
            ("maybe", "no", "yes") if names is None else ("no", "yes", "maybe")
        )


def test_labels_of_any_width(write):
    """Labels in half precision, in the other order of bytes, are numbers without a warning."""
    np.testing.assert_array_equal(load_hdf5(write(train_set_y=Y.astype(">f2"))).y, Y)


@pytest.mark.filterwarnings("ignore:.*put in order:RuntimeWarning")
@pytest.mark.parametrize("kind", ["matlab", "float"])
def test_large_images_are_held_once(write, kind):
    """Neither to put them in order nor to look for NaN is there another copy of all of them."""
    x = rng.integers(0, 256, (300, 64, 48, 3), dtype=np.uint8)
    if kind == "float":
        x = x.astype(np.float32)

    def stored(file, key):
        matlab = kind == "matlab"
        made = file.create_dataset(key, data=x.transpose(0, 3, 2, 1) if matlab else x)
        if matlab:
            made.attrs["MATLAB_class"] = np.bytes_("uint8")

    path = write(train_set_x=stored, train_set_y=np.arange(300) % 3)
    tracemalloc.start()
    data = load_hdf5(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(data.x, x)
    assert most < x.nbytes + 2_000_000


def test_one_image_with_one_hot_or_plain_label(write):
    """(1, 3) beside one image is one-hot; (1, 1) is a label."""
    assert load_hdf5(write(train_set_x=X[:1], train_set_y=np.eye(3)[[2]])).y.tolist() == [2]
    assert load_hdf5(write(train_set_x=X[:1], train_set_y=np.array([[2]]))).y.tolist() == [2]


def test_other_keys_names_and_images(write):
    """Keys can be given; names may be numbers or missing; grey and float images are read."""
    path = write(train_set_x=None, train_set_y=None, list_classes=np.arange(3), photos=X, kinds=Y)
    data = load_hdf5(path, x_key="photos", y_key="kinds")
    assert data.class_names == ("0", "1", "2")
    data = load_hdf5(write(list_classes=None))
    assert (data.class_names, data.classes) == ((), 3)
    assert load_hdf5(write(train_set_x=X[..., 0])).x.shape == (6, 4, 5, 1)
    assert load_hdf5(write(train_set_x=X / np.float32(255))).x.dtype == np.float32


def test_names_as_h5py_writes_text(write):
    """Class names written as Python strings are read like bytes."""
    path = write(list_classes=lambda f, k: f.create_dataset(k, data=["no", "yes", "maybe"]))
    assert load_hdf5(path).class_names == ("no", "yes", "maybe")


def test_images_without_labels(write):
    """``load_images`` asks for no labels."""
    np.testing.assert_array_equal(load_images(write(train_set_y=None)), X)


def test_a_compressed_file_with_a_userblock(tmp_path):
    """Compression and a block of the user's before the HDF5 part are no obstacle."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("test_set_x", data=X, compression="gzip", shuffle=True)
        file["test_set_y"] = Y
    np.testing.assert_array_equal(load_hdf5(path).x, X)


def external(file, key):
    file.create_dataset(
        key, shape=X.shape, dtype="u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    )


def virtual(file, key):
    layout = h5py.VirtualLayout(shape=X.shape, dtype="u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=X.shape)
    file.create_virtual_dataset(key, layout)


def bomb(file, key):
    file.create_dataset(key, shape=(2**20, 64, 64, 3), dtype="u1", chunks=(1, 64, 64, 3))


def link(file, key):
    file[key] = h5py.ExternalLink("/etc/passwd", "x")


WRONG = {
    "no x": ({"train_set_x": None}, r"named \*_set_x, got none \(list_classes, train_set_y\)"),
    "no y": ({"train_set_y": None}, r"named \*_set_y, got none .*Name it with y_key"),
    "two x": ({"test_set_x": X}, r"got two or more \(list_classes, test_set_x, train_set_x"),
    "a group": ({"train_set_x": lambda f, k: f.create_group(k)}, "got none"),
    "lengths": ({"train_set_y": Y[:5]}, "expected 6 labels, as many as there are images, got 5"),
    "row length": ({"train_set_y": Y[None, :5]}, "expected 6 labels.*got 5"),
    "x rank": ({"train_set_x": X.reshape(6, -1)}, r"shape \(m, H, W, C\), got \(6, 60\)"),
    "y rank": ({"train_set_y": Y.reshape(1, 6, 1)}, r"or one-hot, got \(1, 6, 1\)"),
    "y scalar": ({"train_set_y": np.int64(3)}, r"got \(\)"),
    "too large": ({"train_set_y": Y + 1}, "labels from 0 to 2, as there are 3 classes, got 3"),
    "negative": ({"train_set_y": Y - 1, "list_classes": None}, "without list_classes, got -1"),
    "a slip": ({"train_set_y": Y + 10**12, "list_classes": None}, "from 0 to 999.*got 10000000"),
    "one-hot twice": ({"train_set_y": np.ones((6, 3))}, "a single 1 in each"),
    "halves": ({"train_set_y": Y + 0.5}, "whole numbers"),
    "nan label": ({"train_set_y": Y * np.nan}, "whole numbers"),
    "text labels": ({"train_set_y": np.array([b"a"] * 6)}, "labels that list_classes has, got 'a'"),
    "no images": ({"train_set_x": X[:0], "train_set_y": Y[:0]}, "expected images, got none"),
    "no pixels": ({"train_set_x": X[:, :0]}, r"got none \(shape \(6, 0, 5, 3\)\)"),
    "int images": ({"train_set_x": X.astype(int)}, "uint8 or floating-point images, got int64"),
    "nan": ({"train_set_x": np.where(X < 300, np.nan, 0)}, "NaN or infinity in image 0"),
    "filter": (
        {"train_set_x": lambda f, k: f.create_dataset(k, data=X, scaleoffset=0)},
        "expected no filters but gzip, shuffle, fletcher32, lzf",
    ),
    "external": ({"train_set_x": external}, "points to data in other files"),
    "virtual": ({"train_set_x": virtual}, "points to data in other files"),
    "bomb": ({"train_set_x": bomb}, "claims 12,884,901,888 bytes, but the file holds 0"),
    "link": ({"train_set_x": link}, "is a link, which minicnn does not follow"),
    "strings": (
        {"train_set_x": lambda f, k: f.create_dataset(k, (6,), h5py.string_dtype())},
        "expected numbers",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_line(what, write):
    """Each way a file can be wrong gives one line that names the file and the fault."""
    parts, message = WRONG[what]
    path = write(**parts)
    with pytest.raises(DataError, match=message) as error:
        load_hdf5(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", [5, None, b"train.h5", 1.5, ["train.h5"]])
def test_what_names_no_file(path):
    """Anything that is no path gets one line, as an error of minicnn's."""
    for load in (load_hdf5, load_images):
        with pytest.raises(DataError, match=f"{load.__name__}: expected path as a path, got "):
            load(path)


@pytest.mark.parametrize("key", [5, b"train_set_x", ["train_set_x"]])
def test_keys_are_texts(write, key):
    """A key of another kind gets one line."""
    with pytest.raises(DataError, match="expected x_key as text, got"):
        load_hdf5(write(), x_key=key)
    with pytest.raises(DataError, match="expected y_key as text, got"):
        load_hdf5(write(), y_key=key)


def packed(shape, step, value=0):
    """A dataset of the same number throughout, in few bytes."""

    def change(file, key):
        chunk = np.full((step, *shape[1:]), value, "u1")
        made = file.create_dataset(key, shape, "u1", chunks=chunk.shape, compression="gzip")
        content = zlib.compress(chunk.tobytes(), 9)
        for i in range(0, shape[0], step):
            made.id.write_direct_chunk((i,) + (0,) * (len(shape) - 1), content)

    return change


def test_labels_and_names_count_as_what_they_become(write):
    """A few bytes of labels or names are not made millions of numbers or texts."""
    images = packed((15_000_000, 1, 1, 1), 1 << 18)
    for labels in (packed((15_000_000,), 1 << 18), packed((15_000_000, 2), 1 << 18)):
        path = write(train_set_x=images, train_set_y=labels, list_classes=None)
        with pytest.raises(DataError, match=r"'train_set_y' claims [\d,]+ bytes, too many for a"):
            load_hdf5(path)
    path = write(list_classes=packed((15_000_000,), 1 << 18))
    with pytest.raises(DataError, match="'list_classes' claims 1,500,000,000 bytes, too many"):
        load_hdf5(path)


def test_files_that_are_none(tmp_path, write):
    """A missing, empty, foreign or truncated file, and a folder, are told apart."""
    with pytest.raises(DataError, match="cannot be read: no such file or directory"):
        load_hdf5(tmp_path / "missing.h5")
    with pytest.raises(DataError, match="expected a file, got a folder"):
        load_hdf5(tmp_path)
    (tmp_path / "empty.h5").touch()
    with pytest.raises(DataError, match="expected an HDF5 file, got an empty file"):
        load_hdf5(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(DataError, match="expected an HDF5 file, got a file of another kind"):
        load_hdf5(tmp_path / "text.h5")
    path = write()
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(DataError, match="the HDF5 file is cut short"):
        load_hdf5(path)
    with pytest.raises(DataError, match="expected a dataset 'pictures', got list_classes, train"):
        load_hdf5(write(), x_key="pictures")


def test_a_damaged_file_never_crashes(write):
    """Bytes changed anywhere give the data or a DataError, and nothing else."""
    path = write(train_set_x=lambda f, k: f.create_dataset(k, data=X, compression="gzip"))
    good = path.read_bytes()
    mutate = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        bad = bytearray(good)
        for position in mutate.integers(0, len(bad), mutate.integers(1, 20)):
            bad[position] = mutate.integers(256)
        path.write_bytes(bad)
        try:
            load_hdf5(path)
        except DataError:
            refused += 1
    assert refused > 50


def test_dataset_checks_its_parts():
    """Images and labels must be as many as each other, and some."""
    with pytest.raises(DataError, match="got 6 images and 5 labels"):
        Dataset(X, Y[:5])
    with pytest.raises(DataError, match="expected images, got none"):
        Dataset(X[:0], Y[:0])
    with pytest.raises(DataError, match=r"labels \(m,\), got \(6, 4, 5, 3\) and \(6, 3\)"):
        Dataset(X, np.eye(3)[Y])


def test_batches_cover_everything_once():
    """Shuffled or not, every image is in exactly one batch, the last one short."""
    for generator in (None, np.random.default_rng(0)):
        picked = [np.arange(10)[batch] for batch in batches(10, 4, generator)]
        assert [len(p) for p in picked] == [4, 4, 2]
        assert sorted(np.concatenate(picked)) == list(range(10))
    with pytest.raises(ConfigError, match="batch_size: expected a whole number"):
        next(batches(10, 0))


def test_pictures_are_read_in_the_model_s_shape(tmp_path):
    """A picture file becomes uint8 of the shape asked for, in colour or in grey."""
    from PIL import Image

    Image.fromarray(np.full((20, 10, 3), (200, 100, 0), np.uint8)).save(tmp_path / "a.png")
    picture = load_image(tmp_path / "a.png", (4, 4, 3))
    assert (picture.shape, picture.dtype) == ((4, 4, 3), np.uint8)
    assert picture[0, 0].tolist() == [200, 100, 0]
    assert load_image(tmp_path / "a.png", (4, 4, 1)).shape == (4, 4, 1)
    turned = np.zeros((2, 4, 3), np.uint8)
    turned[:, :2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn it clockwise
    Image.fromarray(turned).save(tmp_path / "b.png", exif=exif)
    assert load_image(tmp_path / "b.png", (4, 2, 3))[:, 0, 0].tolist() == [255, 255, 0, 0]
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "e.png")
    assert load_image(tmp_path / "e.png", (4, 4, 1))[0, 0, 0] == 40_000 // 256
    (tmp_path / "c.png").write_text("no picture")
    with pytest.raises(DataError, match="expected a picture"):
        load_image(tmp_path / "c.png", (4, 4, 3))
    with pytest.raises(DataError, match="cannot be read: no such file"):
        load_image(tmp_path / "d.png", (4, 4, 3))
    Image.new("L", (6000, 3000)).save(tmp_path / "f.png")
    with pytest.raises(DataError, match=r"claims 6,000 x 3,000 pixels in [\d,]+ bytes"):
        load_image(tmp_path / "f.png", (4, 4, 3))
    (tmp_path / "g.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(DataError, match="expected a picture"):
        load_image(tmp_path / "g.png", (4, 4, 3))
    with pytest.raises(DataError, match="1 or 3 channels, got 2"):
        load_image(tmp_path / "a.png", (4, 4, 2))


def test_a_damaged_picture_prints_nothing(tmp_path, capfd):
    """Neither libtiff nor Pillow's log prints anything beside the one line; others still can."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="tiff_lzw")
    good = bytearray((tmp_path / "a.tif").read_bytes())
    bad = bytearray(good)
    bad[100:2000] = bytes(1900)
    (tmp_path / "a.tif").write_bytes(bad)
    with pytest.raises(DataError, match="expected a picture"):
        load_image(tmp_path / "a.tif", (4, 4, 3))
    samples = good.find((277).to_bytes(2, "little") + b"\3\0")
    good[samples + 8 : samples + 10] = b"\xff\0"
    (tmp_path / "a.tif").write_bytes(good)
    with pytest.raises(DataError, match="expected a picture"):
        load_image(tmp_path / "a.tif", (4, 4, 3))
    os.write(2, b"ours")
    assert capfd.readouterr() == ("", "ours")


def test_silence_ends_with_the_last_of_its_contexts():
    """Contexts that overlap are silent to the end of the last, and leave all as it was."""
    before = list(warnings.filters), list(logging.getLogger("PIL").handlers)
    first, second = silence(), silence()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with warnings.catch_warnings(record=True) as heard:
        warnings.warn("damaged", UserWarning, stacklevel=1)
    assert not heard
    assert len(logging.getLogger("PIL").handlers) == len(before[1]) + 1
    second.__exit__(None, None, None)
    assert (list(warnings.filters), list(logging.getLogger("PIL").handlers)) == before


def test_any_dataset_can_be_shown():
    """Its repr says how many classes there are, or what its labels are that are no classes."""
    x = np.zeros((4, 2, 2, 1))
    assert repr(Dataset(x, np.arange(4))).endswith("4 classes)")
    assert repr(Dataset(x, np.linspace(0, 1, 4))).endswith("float64 labels)")
    assert repr(Dataset(x, np.arange(4) - 1)).endswith("int64 labels)")


def test_a_notebook_shows_the_classes_and_an_image_of_each():
    """A row a class, beside the first image of each; of other labels their range; 12 at most."""
    shown = Dataset(X, Y, ("no", "<yes>", "maybe"), "drawn")._repr_html_()
    assert ">&lt;yes&gt;</td><td>2</td><td>33.3%</td>" in shown
    content = re.search(r'base64,(.*)">', shown).group(1)
    with Image.open(io.BytesIO(base64.b64decode(content))) as strip:
        np.testing.assert_array_equal(np.asarray(strip), np.hstack([X[0], X[1], X[2]]))
    assert "<td>-1</td><td>0.5</td><td>2</td>" in Dataset(X[:4], np.arange(4) - 1)._repr_html_()
    many = Dataset(np.zeros((20, 3)), np.arange(20))._repr_html_()
    assert many.count("<tr>") == 1 + 12 + 1
    assert "... 8 more" in many
    assert "<img" not in many


def test_a_name_that_is_no_utf8_damages_no_file(tmp_path):
    """LabVIEW and others write Latin-1; the other datasets are read."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["y"] = np.zeros((4, 8, 8, 3), "u1"), np.arange(4) % 2
        file.create_dataset(b"temp_\xb5", data=[1.0])
    assert len(load_hdf5(tmp_path / "a.h5", "X", "y")) == 4
