"""Data sets of the pictures in a folder, by hand."""

import os

import numpy as np
import pytest
from PIL import Image

from minicnn.errors import ConfigError, DataError
from minicnn.utils import image_dataset_from_directory


@pytest.fixture
def folder(tmp_path):
    """Ten pictures of two classes, all of whose pixels are their number; one has 16 bits."""
    for i in range(10):
        name = tmp_path / "ba"[i % 2]
        name.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 6, 3), i, np.uint8)).save(name / f"{i}.png")
    Image.fromarray(np.full((4, 6), 256 * 9, np.uint16)).save(tmp_path / "a" / "9.png")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def made(folder, **arguments):
    return image_dataset_from_directory(folder, image_size=(2, 3), **arguments)


def test_files_and_labels_in_order(folder, capsys):
    """Classes and files in alphanumeric order, in float32, and what is said of them."""
    data = made(folder, shuffle=False, batch_size=4)
    assert capsys.readouterr().out == "Found 10 files belonging to 2 classes.\n"
    assert data.class_names == ["a", "b"]
    assert data.file_paths[0] == str(folder / "a" / "1.png")
    assert len(data) == 3
    x, y = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert (x.shape, x.dtype, y.dtype) == ((10, 2, 3, 3), np.float32, np.int32)
    assert x[:, 1, 2, 0].tolist() == [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]
    assert y.tolist() == [0] * 5 + [1] * 5
    np.testing.assert_array_equal(data[2][0], x[8:])


def test_forms_of_labels(folder):
    """One-hot rows, a column of 0 and 1, given numbers, or none."""
    first = {"shuffle": False, "verbose": False}
    np.testing.assert_array_equal(
        made(folder, label_mode="categorical", **first)[0][1], np.eye(2)[[0] * 5 + [1] * 5]
    )
    assert made(folder, label_mode="binary", **first)[0][1].shape == (10, 1)
    given = made(folder, labels=[3, 4] * 5, **first)
    assert given.class_names == ["3", "4"]
    assert given[0][1].tolist() == [3, 4] * 5
    assert made(folder, labels=None, **first)[0].shape == (10, 2, 3, 3)
    assert made(folder, class_names=["b"], **first)[0][0][:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]


def test_parts_do_not_overlap(folder, capsys):
    """Training and validation of one seed are all of the files; a pass is in another order."""
    train, test = made(folder, validation_split=0.3, subset="both", seed=1)
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["Using 7 files for training.", "Using 3 files for validation."]
    assert sorted(train.file_paths + test.file_paths) == sorted(made(folder).file_paths)
    alone = made(folder, validation_split=0.3, subset="validation", seed=1)
    assert alone.file_paths == test.file_paths
    passes = [train[0][1].tolist() + train[0][0][:, 0, 0, 0].tolist() for _ in range(3)]
    assert passes[0] != passes[1] or passes[1] != passes[2]


def test_other_ratios(folder):
    """A picture is cut, or gets a frame; a single one is given without a batch size."""
    arguments = {"shuffle": False, "batch_size": None, "verbose": False, "image_size": 6}
    framed = image_dataset_from_directory(folder, pad_to_aspect_ratio=True, **arguments)[0][0]
    assert framed[:, 0, 0].tolist() == [0, 1, 1, 1, 1, 0]
    cut = image_dataset_from_directory(folder, crop_to_aspect_ratio=True, **arguments)[0][0]
    assert (cut == 1).all()
    first = image_dataset_from_directory(folder, data_format="channels_first", **arguments)
    assert first[0][0].shape == (3, 6, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "all"}, "expected labels as 'inferred', a list or None"),
        ({"labels": [1]}, "expected a label for each of the 10 pictures"),
        ({"label_mode": "onehot"}, "expected label_mode as one of"),
        ({"class_names": ["z"]}, "expected class_names as names of folders"),
        ({"class_names": ["a"], "label_mode": "binary"}, "expected two classes"),
        ({"class_names": ["a"], "labels": None}, "class_names with labels='inferred' alone"),
        ({"subset": "training"}, "expected validation_split and subset together"),
        ({"subset": "training", "validation_split": 0.2}, "expected a seed with validation_split"),
        ({"subset": "train", "validation_split": 0.2}, r"subset as one of .* 'training'\?"),
        ({"interpolation": "area"}, "expected interpolation as one of"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "got both"),
        ({"batch_size": 0}, "expected batch_size as a whole number"),
        (
            {"subset": "training", "validation_split": 0.01, "seed": 1},
            "to leave pictures for each part, got 10 in",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, message, folder):
    """Arguments that make no sense are refused by name."""
    with pytest.raises((ConfigError, DataError), match=message) as error:
        made(folder, **arguments)
    assert "\n" not in str(error.value)


def test_a_folder_without_pictures(tmp_path):
    """Nothing there, or no folder at all."""
    with pytest.raises(DataError, match="there are no such pictures"):
        made(tmp_path)
    with pytest.raises(DataError, match=r"cannot read the folder"):
        made(tmp_path / "no")


def test_what_is_left_out_is_said(folder, capsys):
    """Other endings that look like pictures, files beside the classes; not what systems leave."""
    for name in ("a/1.webp", "a/2.HEIC", "b/3.webp", "Thumbs.db", ".DS_Store", "a/._1.png"):
        (folder / name).touch()
    Image.new("RGB", (2, 2)).save(folder / "beside.png")
    data = made(folder)
    assert len(data.file_paths) == 10
    assert capsys.readouterr().out.splitlines() == [
        "Left out 1 picture beside the folders of the classes.",
        "Left out 2 .webp, 1 .heic: of pictures, those in .bmp, .gif, .jpeg, .jpg, .png files "
        "are read.",
        "Found 10 files belonging to 2 classes.",
    ]


def test_classes_that_look_like_a_mistake(folder, tmp_path_factory):
    """One that is empty, one alone, and one alone that is the folder that was meant."""
    (folder / "c").mkdir()
    with pytest.warns(UserWarning, match=r"the folder of the class c has no pictures"):
        assert made(folder).class_names == ["a", "b", "c"]
    above = tmp_path_factory.mktemp("above")
    (above / "pictures").symlink_to(folder)
    with pytest.warns(
        UserWarning, match=r"one class alone, 'pictures'.* did you mean '.*pictures'"
    ):
        made(above, follow_links=True)


def test_folders_that_cannot_be_meant(tmp_path):
    """Parts of a data set, pictures without classes, other files alone, and a file."""
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("RGB", (2, 2)).save(flat / "1.png")
    with pytest.raises(DataError, match=r"got 1 picture without folders\. labels=None reads them"):
        made(flat)
    assert len(made(flat, labels=None).file_paths) == 1
    for part in ("Train", "test"):
        (tmp_path / "parts" / part / "cat").mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "parts" / part / "cat" / "1.png")
    with pytest.raises(DataError, match=r"holds Train/ and test/, .*: give one of them, such as"):
        made(tmp_path / "parts")
    made(tmp_path / "parts", class_names=["Train", "test"])
    (tmp_path / "others" / "cat").mkdir(parents=True)
    for i in range(3):
        (tmp_path / "others" / "cat" / f"{i}.tiff").touch()
    with pytest.raises(DataError, match=r"expected files that end in \.bmp, .*, got 3 \.tiff\."):
        made(tmp_path / "others")
    with pytest.raises(DataError, match=r"cannot read the folder .*: not a directory"):
        made(flat / "1.png")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_may_not_be_read(folder):
    """It is named, and not passed over in silence."""
    (folder / "a").chmod(0)
    try:
        with pytest.raises(DataError, match=r"cannot read the folder .*a: permission denied"):
            made(folder)
    finally:
        (folder / "a").chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX names files by any bytes")
def test_names_of_any_bytes(folder):
    """They are read, and written in messages without harm."""
    strange = folder / "a" / os.fsdecode(b"\xff\x1b[31m.png")
    strange.write_bytes((folder / "b" / "0.png").read_bytes())
    assert sum(len(x) for x, _ in made(folder)) == 11
    strange.write_bytes(b"no")
    with pytest.warns(UserWarning, match=r"a/\\udcff\\x1b\[31m\.png"):
        assert sum(len(x) for x, _ in made(folder)) == 10


def test_links_in_a_circle_end(folder):
    """Links that lead up, to itself, or to and fro give each picture once by each way."""
    (folder / "a" / "up").symlink_to("..")
    (folder / "a" / "beside").symlink_to(folder / "b")
    (folder / "b" / "beside").symlink_to(folder / "a")
    (folder / "b" / "here").symlink_to(".")
    data = made(folder, follow_links=True, verbose=False)
    assert len(data.file_paths) == len(set(data.file_paths)) == 25
    assert len(made(folder, verbose=False).file_paths) == 10


@pytest.mark.parametrize(
    ("labels", "mode", "message"),
    [
        (["a"] * 10, "int", "expected labels as an array of numbers"),
        ([[1]] * 10, "int", r"for each of the 10 pictures in .*, got shape \(10, 1\)"),
        ([5] * 10, "categorical", "expected labels from 0 to 0 for label_mode='categorical'"),
        ([1, 2] * 5, "binary", "expected labels from 0 to 1 for label_mode='binary'"),
        ([0.5, 1] * 5, "binary", "expected labels from 0 to 1"),
    ],
)
def test_labels_that_fit_no_picture(folder, labels, mode, message):
    """Labels that are no numbers, or no classes where classes are needed, are one line."""
    with pytest.raises(DataError, match=message):
        made(folder, labels=labels, label_mode=mode)


def test_labels_to_regress_on(folder):
    """Numbers that are not whole stay what they are, and whole ones become int32."""
    data = made(folder, labels=[i / 4 for i in range(10)], shuffle=False, verbose=False)
    assert data[0][1].tolist() == [i / 4 for i in range(10)]
    assert made(folder, labels=[2.0] * 10, verbose=False)[0][1].dtype == np.int32


@pytest.mark.parametrize("names", ["ab", ["a", "a"]])
def test_class_names_are_a_list_without_repetition(folder, names):
    """A text, or a folder twice, gives no classes."""
    with pytest.raises(ConfigError, match="expected class_names as names of folders"):
        made(folder, class_names=names)


def test_slender_pictures_and_huge_batches(folder):
    """A line of pixels is padded to a line of pixels; what no memory holds is one line."""
    Image.fromarray(np.full((900, 1, 3), 250, np.uint8)).save(folder / "a" / "line.png")
    data = made(folder, labels=None, shuffle=False, pad_to_aspect_ratio=True, verbose=False)
    assert data[0].max() == 250
    assert not data.broken
    huge = image_dataset_from_directory(folder, image_size=10**6, verbose=False)
    with pytest.raises(DataError, match=r"does not fit in memory. Take a smaller image_size"):
        next(iter(huge))


def test_a_picture_for_which_memory_is_short_is_not_called_damaged(folder, monkeypatch):
    """It says that it does not fit."""

    def none(*given):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", none)
    with pytest.raises(DataError, match="does not fit in memory"):
        next(iter(made(folder, verbose=False)))


def test_the_folder_one_is_in_has_a_name(folder, monkeypatch):
    """It is ".", and "" is a mistake, such as a variable that was never set."""
    monkeypatch.chdir(folder)
    assert len(made(".", verbose=False).file_paths) == 10
    with pytest.raises(ConfigError, match="expected directory as a path, got ''"):
        made("")
