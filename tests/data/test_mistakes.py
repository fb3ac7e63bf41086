"""Mistakes in data and their files: each is said in one line, with its cause and what to do."""

import warnings

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import SGD, Conv2D, Dense, Flatten, Input, MaxPool, Rescaling, Sequential
from minicnn.data import Dataset, load_hdf5, load_images
from minicnn.data.arrays import images_and_labels
from minicnn.data.axis_order import order_of, remedy
from minicnn.errors import MiniCNNError, shown
from minicnn.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from mistake_helpers import NAMES, ONE_HOT, SPARSE, N, X, Y, network

rng = np.random.default_rng(0)


def fit(model, x=X, y=Y, **options):
    return model.fit(x, y, verbose=0, **options)


def told(call):
    """The output of an action: the error's line, or the warnings', in order."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            call()
        except MiniCNNError as error:
            return [*(str(w.message) for w in warned), str(error)]
    assert all(w.filename == __file__ for w in warned), "a warning points at the user's line"
    return [str(w.message) for w in warned]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with one data file and one model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    with h5py.File("datasets/train_signs.h5", "w") as file:
        file["train_set_x"], file["train_set_y"] = X, Y
    network().save("sign.keras")
    return tmp_path


# What may be made of data --------------------------------------------------------------------


def batches():
    yield X, Y


class Loader:
    """As the loaders of PyTorch are: it can be gone through, and has a length."""

    def __iter__(self):
        return batches()

    def __len__(self):
        return 1


class Stubborn:
    """A tensor that gives no array, as one on another device."""

    shape = X.shape

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu().")


def masked(a):
    return np.ma.array(a, mask=np.arange(a.size).reshape(a.shape) == 5)


DATA = {
    "loader and y": (Loader(), Y, "a Loader, which gives batches"),
    "pair": ((X, Y), None, "a tuple of two and no y. Give them one by one: fit"),
    "two datasets": (Dataset(X, Y), Dataset(X, Y), "Give the other one as validation_data="),
    "no y": (X, None, "got no y. Give the labels too"),
    "path": ("a.h5", Y, "got the path 'a.h5'. Read the file first: load_hdf5"),
    "dictionary": ({"image": X}, Y, r"got a dict. Take one of its entries \(image\)"),
    "none": (None, Y, "got None"),
    "set": (X, set(Y.tolist()), "labels as an array of numbers, got a set"),
    "no array": (Stubborn(), Y, "a Stubborn, which makes none: can't convert cuda:0"),
    "masked x": (masked(X), Y, "images without a mask, got MaskedArray .* with 1 masked values"),
    "masked y": (X, masked(Y), "labels without a mask"),
    "list of masked": ([masked(x) for x in X], Y, "without a mask"),
    "complex": (X.astype(complex), Y, r"got complex128 .* np.abs\(x\) or x.real"),
    "times": (X, Y.astype("M8[D]"), r"got datetime64\[D\] .* y.astype\(float\)"),
    "fields": (np.zeros(N, [("a", "f4")]), Y, r"Take one of its fields: x\['a'\]"),
    "objects": (X, Y.astype(object), r"objects \(24,\), among them an int. .* y.astype\(float\)"),
    "text objects": (X, NAMES.astype(object), "among them text such as 'ant'.*np.unique"),
    "ragged objects": (np.array([X[0], X[1, :8]], object), Y[:2], "Resize the images"),
    "inf": (np.full(X.shape, np.inf), Y, "in 24 of 24"),
    "NaN label": (X, np.where(Y == 2, np.nan, Y), "among the labels, in 4 of 24, first in .* 2"),
    "empty": (X[:0], Y[:0], r"got none \(shape \(0, 12, 12, 3\)\)"),
    "one-hot turned": (X, ONE_HOT.T, "take y.T"),
    "exchanged": (Y, X, r"seem to be exchanged: fit\(x, y\)"),
    "H, W, C, m": (X.transpose(1, 2, 3, 0), Y, r"try x.transpose\(3, 0, 1, 2\)"),
    "H, W, m, C": (X.transpose(1, 2, 0, 3), Y, r"try x.transpose\(2, 0, 1, 3\)"),
    "columns": (X.reshape(N, -1).T, Y, "try x.T"),
    "one image": (X[0], Y[:1], r"add the axis: x\[None\]"),
}


@pytest.mark.parametrize("name", DATA)
def test_what_is_no_data_is_one_line(name):
    """Anything that is not arrays of numbers, or not in order, is refused with a remedy."""
    x, y, message = DATA[name]
    with pytest.raises(MiniCNNError, match=f"^fit: .*{message}") as error:
        images_and_labels("fit", x, y)
    assert len(str(error.value)) <= 300


def test_honest_data_are_taken_as_they_are():
    """Lists, masks that hide nothing, booleans, and whole numbers as floats are no mistakes."""
    for x, y in (
        (X.tolist(), Y.tolist()),
        (list(X), tuple(Y)),
        (np.ma.array(X), np.ma.array(Y)),
        (X, Y.astype(float)),
        (X, Y[:, None]),
        (X, Y > 2),
        (rng.random((N, 4)), rng.random((N, 12, 12, 3))),
    ):
        got_x, got_y = images_and_labels("fit", x, y)
        np.testing.assert_array_equal(got_x, np.asarray(x))
        np.testing.assert_array_equal(got_y, np.asarray(y))


def test_an_error_never_prints_an_array():
    """What came is shown by its kind and size, or by its first letters."""
    assert shown([X, {"a": X}])[:35] == "[array uint8 (24, 12, 12, 3), {'a':"
    assert shown(list(range(99))) == "a list of 99"
    for call in (lambda: Dense(X), lambda: fit(network(), epochs=X), lambda: SGD(X)):
        (line,) = told(call)
        assert "array uint8 (24, 12, 12, 3)" in line


def test_a_dataset_is_cut_by_slices_and_numbers_but_not_taken_apart():
    """``data[:100]`` is a dataset; one number, or ``x, y = data``, is refused with what to do."""
    data = Dataset(X, Y, tuple("abcdef"), "signs")
    np.testing.assert_array_equal(data[4:8].y, Y[4:8])
    np.testing.assert_array_equal(data[[3, 1]].x, X[[3, 1]])
    np.testing.assert_array_equal(data[Y == 2].y, Y[Y == 2])
    assert data[:2].class_names == data.class_names
    for call, message in (
        (lambda: data[3], r"signs: .* One image is data.x\[i\]"),
        (lambda: data["x"], "signs: expected a slice"),
        (lambda: data[[99]], "signs: index 99 is out of bounds"),
        (lambda: data[99:], "signs: expected images, got none"),
        (lambda: dict(data), "x, y = data.x, data.y"),
    ):
        with pytest.raises(MiniCNNError, match=message):
            call()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(N, np.nan), "among the labels"),
        (NAMES, "np.unique"),
        (Y + 0.5, "labels that are class numbers, got 0.5"),
        (Y[None], r"Take y.ravel\(\)"),
        (ONE_HOT, r"Take y.argmax\(axis=1\)"),
        (np.ma.array(Y, mask=Y == 1), "without a mask"),
    ],
)
def test_the_labels_of_a_dataset_are_class_numbers(labels, message):
    """Others are refused in one line, when the dataset is made or its classes are asked for."""
    with pytest.raises(MiniCNNError, match=message):
        _ = Dataset(X, labels).classes


# Orders of axes ------------------------------------------------------------------------------


def test_orders_are_told_only_where_that_is_sure():
    """Pictures in another order are known; features and images that are just small are not."""
    for shape in ((50, 3, 32, 32), (50, 3, 30, 40), (50, 1, 28, 28), (50, 4, 16, 16)):
        assert order_of(shape) == (0, 2, 3, 1)
    assert order_of((32, 32, 3, 500)) == order_of((32, 32, 3, 500), 500) == (3, 0, 1, 2)
    assert order_of((32, 32, 500, 3), 500) == (2, 0, 1, 3)
    for shape in (
        *((50, 32, 32, 3), (50, 3, 64, 3), (3, 32, 32, 1), (50, 3, 3, 512), (50, 1, 1, 2048)),
        *((50, 1, 128, 64), (50, 3, 12, 64), (50, 12, 12, 64), (1, 64, 64, 16)),
        *((4, 32, 32, 64), (50, 64)),
    ):
        assert order_of(shape) is None
        assert order_of(shape, shape[0]) is None
    assert order_of((100, 128, 3, 8), 100) is None  # as many labels as the first axis is long
    assert order_of((50, 64, 3, 40), 50) is None
    assert order_of((100, 3, 64, 64), 100) == (0, 2, 3, 1)


IMAGES = {
    (10, 3, 12, 12): "channels-last: try x.transpose(0, 2, 3, 1).",
    (12, 12, 3, 10): "channels-last: try x.transpose(3, 0, 1, 2).",
    (12, 12, 10, 3): "channels-last: try x.transpose(2, 0, 1, 3).",
    (12, 12, 3): "For one image add the axis: x[None].",
    (3, 12, 12): "For one image add the axis, channels last: x.transpose(1, 2, 0)[None].",
    (10, 12, 12): "add the axis: np.repeat(x[..., None], 3, axis=-1).",
    (10, 432): "Rows of pixels become images: x.reshape(-1, 12, 12, 3).",
    (432, 10): "Rows of pixels become images: x.T.reshape(-1, 12, 12, 3).",
    (10, 12, 12, 1): "np.repeat(x, 3, axis=-1) gives grey images three channels.",
    (10, 12, 12, 4): "x[..., :3] leaves the transparency out.",
    (10, 16, 16, 3): "Resize the images (those of a folder by image_size=(12, 12)), or start the "
    "model with Input((16, 16, 3)).",
}


@pytest.mark.parametrize("shape", IMAGES)
def test_images_of_another_shape_are_put_right_by_the_call_that_is_named(shape):
    """predict says what came and the call that gives the model its shape."""
    x, model = np.zeros(shape, np.float32), network()
    (line,) = told(lambda: model.predict(x))
    assert line.endswith(IMAGES[shape])
    if ": " in IMAGES[shape] or "try " in IMAGES[shape]:
        call = IMAGES[shape].rstrip(".").replace("try ", ": ").rpartition(": ")[2]
        assert model.predict(eval(call, {"x": x, "np": np})).shape[1:] == (6,)


def test_grey_images_and_rows_for_other_models():
    """Colour where grey is meant, and rows of features, each get a remedy."""
    grey = network(shape=(12, 12, 1))
    assert "x.mean(axis=-1, keepdims=True)" in told(lambda: grey.predict(X))[0]
    rows = Sequential([Input((432,)), Dense(3)], seed=0)
    assert "x.reshape(len(x), -1)" in told(lambda: rows.predict(X))[0]
    assert "try x.T" in told(lambda: rows.predict(X.reshape(N, -1).T))[0]
    assert "x[None]" in told(lambda: rows.predict(np.zeros(432)))[0]


def test_a_model_does_not_take_its_shape_from_channels_first_images():
    """Without Input they are refused; Input says that they are meant so, and is warned of."""
    turned = X.transpose(0, 3, 1, 2)
    layers = [Rescaling(1 / 255), MaxPool(2), Flatten(), Dense(6, "softmax")]
    model = Sequential(layers, seed=0)
    model.compile("sgd", SPARSE)
    for call in (model.predict, lambda x: fit(model, x), lambda x: model.evaluate(x, Y), model):
        (line,) = told(lambda call=call: call(turned))
        assert "x.transpose(0, 2, 3, 1)" in line
        assert "Input((3, 12, 12))" in line
    assert not model.built
    assert Sequential([Flatten(), Dense(3)]).predict(turned).shape == (N, 3)
    stated = Sequential([Input((3, 12, 12)), MaxPool(2), Flatten(), Dense(6, "softmax")], seed=0)
    stated.compile("sgd", SPARSE)
    (line,) = told(lambda: fit(stated, turned))
    assert "look channels-first" in line
    (line,) = told(lambda: Sequential([Input((3, 64, 64)), Conv2D(2, 5)]))
    assert "they come last here: Input((H, W, 3))" in line


# Files ---------------------------------------------------------------------------------------


def matlab(path, x, y, marked=True):
    """A file as MATLAB writes it with -v7.3: axes turned about, numbers as doubles."""
    with h5py.File(path, "w") as file:
        file["X"], file["y"] = np.asarray(x).T, np.asarray(y, float).T
        for name in ("X", "y") if marked else ():
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    return path


@pytest.mark.parametrize("labels", [Y[:, None], Y[None], np.eye(6)[Y]], ids=["m1", "1m", "hot"])
@pytest.mark.parametrize("order", ["HWCm", "mHWC", "HWm", "mHW", "HWC"])
def test_what_matlab_wrote_is_put_in_order_and_said(order, labels, tmp_path):
    """Whichever axis was first in MATLAB, images come as (m, H, W, C), with a warning."""
    x = rng.integers(0, 256, (N, 10, 12, 3)).astype(float)
    inside = {
        "HWCm": x.transpose(1, 2, 3, 0), "mHWC": x, "HWm": x[..., 0].transpose(1, 2, 0),
        "mHW": x[..., 0], "HWC": x[0],
    }[order]  # fmt: skip
    wanted = x[..., :1] if order in ("HWm", "mHW") else x
    if order == "HWC":
        wanted, labels = x[:1], np.array([[2.0]])
    elif order in ("HWm", "mHW") and labels.shape[1] == 6:
        return  # one-hot rows do not say which axis counts
    path = matlab(tmp_path / "a.mat", inside, labels)
    with pytest.warns(RuntimeWarning, match="as MATLAB writes them, and was put in order"):
        data = load_hdf5(path, "X", "y")
    np.testing.assert_array_equal(data.x, wanted)
    np.testing.assert_array_equal(data.y, [2] if order == "HWC" else Y)


def test_labels_of_matlab_count_from_1(tmp_path):
    """They stay what they are, and the one warning says how they count from 0."""
    path = matlab(tmp_path / "a.mat", X.transpose(1, 2, 3, 0), Y[:, None] + 1)
    with pytest.warns(RuntimeWarning, match="y, count from 1: y - 1 counts from 0") as warned:
        data = load_hdf5(path, "X", "y")
    assert len(warned) == 1
    assert warned[0].filename == __file__
    np.testing.assert_array_equal(data.y, Y + 1)
    with pytest.warns(RuntimeWarning, match="put in order"):
        np.testing.assert_array_equal(load_images(path, "X"), X)


FILES = {
    "channels first": (X.transpose(0, 3, 1, 2), Y, "Store x.transpose(0, 2, 3, 1), or x.transp"),
    "as in .mat": (X.transpose(1, 2, 3, 0), Y, "Store x.transpose(3, 0, 1, 2)."),
    "H, W, m, C": (X.transpose(1, 2, 0, 3), Y, "Store x.transpose(2, 0, 1, 3)."),
    "grey, m last": (X[..., 0].transpose(1, 2, 0), Y, "Store x.transpose(2, 0, 1)."),
    "one image": (X[0], Y[:1], "Store one image as x[None]."),
    "rows": (X.reshape(N, -1), Y, "x.reshape(-1, 12, 12, 3)"),
    "columns": (X.reshape(N, -1).T, Y, "x.T.reshape(-1, 12, 12, 3)"),
    "16 bits": (X.astype("u2") * 257, Y, "from 0 to 65535. Store (x // 257).astype('uint8')."),
    "whole numbers": (X.astype(int), Y, "Store x.astype('uint8')."),
    "32 bits": (X.astype(int) * 1000, Y, "Store numbers from 0 to 255, as uint8."),
    "below 0": (X.astype("i2") - 128, Y, "Store numbers from 0 to 255, as uint8."),
    "black and white": (X > 100, Y, "got bool. Store 255 * x.astype('uint8')."),
    "one-hot columns": (X, np.eye(6)[Y], "Store one-hot labels as rows: y.T."),
    "endless labels": (X, np.where(Y == 1, np.inf, Y), "as whole numbers, got inf."),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_images_in_another_form_is_refused(name, tmp_path):
    """Nothing is trained on in another order in silence; the line has the call that corrects it."""
    x, y, remedy = FILES[name]
    path = matlab(tmp_path / "a.h5", x.T, y, marked=False)
    with pytest.raises(MiniCNNError) as error:
        load_hdf5(path, "X", "y")
    assert remedy in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("a.npz", b"PK\3\4", "Read it with np.load"),
        ("a.npy", b"\x93NUMPY", "Read it with np.load"),
        ("a.keras", b"PK\3\4", "Read a model with load_model"),
        ("a.mat", b"MATLAB 5.0 MAT-file", "Save it in MATLAB with '-v7.3'"),
        ("a.PNG", b"\x89PNG", "Pictures are read with minicnn.data.images.load_image"),
        ("a.csv", b"1,2", "np.loadtxt"),
    ],
)
def test_a_file_of_another_kind_says_what_reads_it(name, content, remedy, tmp_path):
    """What is no HDF5 file is refused with what it is read with."""
    (tmp_path / name).write_bytes(content)
    for read in (load_hdf5, load_images):
        with pytest.raises(MiniCNNError, match="expected an HDF5 file") as error:
            read(tmp_path / name)
        assert remedy in str(error.value)


def test_metrics_drop_no_mask():
    """Masked labels are refused wherever labels are taken, not only by fit."""
    labels, p = np.ma.array([0, 1, 1], mask=[0, 0, 1]), np.array([[0.9, 0.1]] * 3)
    for call in (
        lambda: minicnn.metrics.SparseCategoricalAccuracy().update_state(labels, p),
        lambda: minicnn.metrics.confusion_matrix(labels, p),
        lambda: SparseCategoricalCrossentropy()(labels, p),
        lambda: CategoricalCrossentropy()(np.ma.array(np.eye(2), mask=np.eye(2)), p[:2]),
    ):
        assert "labels without a mask" in told(call)[0] or "y_true without a mask" in told(call)[0]


def test_small_and_narrow_images_are_no_mistake(tmp_path):
    """Images three pixels wide or high are read as they are."""
    for shape in ((N, 3, 3, 3), (N, 12, 3, 1), (N, 3, 12, 3), (N, 12, 3)):
        path = matlab(tmp_path / "a.h5", np.zeros(shape, np.uint8).T, Y, marked=False)
        assert load_hdf5(path, "X", "y").x.shape == (*shape, 1)[:4]


def test_a_missing_file_says_where_it_was_looked_for(folder):
    """The folder, the nearest name in it, and the same name in a folder below."""
    for path, wanted in (
        ("datasets/train_sign.h5", f"In {folder}/datasets there is no 'train_sign.h5'. Did you"),
        ("train_signs.h5", "Did you mean 'datasets/train_signs.h5'?"),
        ("models/sign.keras", f"In {folder} there is no folder 'models'. Did you mean 'sign.ker"),
        ("zzz", f"In {folder} there is no 'zzz'."),
        (folder / "sign.kears", f"Did you mean '{folder}/sign.keras'?"),
        ("sign.keras/x", f"{folder}/sign.keras is no folder."),
    ):
        with pytest.raises(MiniCNNError) as error:
            load_hdf5(path)
        assert wanted in str(error.value)


def test_grey_images_for_colours_are_not_taken_for_another_order():
    """Three grey images of the right size lack colours; they are not colours of three images."""
    said = " np.repeat(x, 3, axis=-1) gives grey images three channels."
    assert remedy((8, 8, 3), (3, 8, 8, 1)) == said
    assert "x.transpose(3, 1, 2, 0)" in remedy((8, 9, 3), (3, 8, 9, 5))
