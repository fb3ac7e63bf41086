"""What ``data.inspect`` says of real files, exchanged labels, large files, and wrong input."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn import data
from minicnn.data.doctor import models, reading
from minicnn.data.doctor.part import MOST
from minicnn.data.doctor.twins import threshold
from minicnn.data.synthetic import fingers
from minicnn.errors import DataError
from spoiled_data import hands, textures, write, write_folder

DATASETS = Path(__file__).parents[3] / "datasets"


def real(name):
    """The files of one of the course's data sets, for training and test, or a skip."""
    files = [DATASETS / f"{part}_{name}.h5" for part in ("train", "test")]
    if not all(file.is_file() for file in files):
        pytest.skip(f"{name}: the files are not in datasets/")
    return files


def test_the_cats_have_a_test_image_among_the_training_images():
    """Test image 17 is training image 146, and always answering "cat" is right on 66%."""
    found = data.inspect(*real("catvnoncat"))
    (one,) = (one for one in found.findings if one.name == "test images in training")
    assert one.where == {"test": [17], "training": [146]}
    assert "test image 17 is training image 146" in one.sentence
    assert found.baselines.commonest == "cat"
    assert found.baselines.always == 0.66
    assert "always answering 'cat'                66.0%" in str(found)


def exchanged(y, classes, count, seed):
    """Labels of which so many, at these places, are others."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(y))[:count]
    y = y.copy()
    y[places] = (y[places] + rng.integers(1, classes, count)) % classes
    return y, set(places.tolist())


@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_exchanged_labels_of_sign_digits_are_doubted(seed):
    """Of 5% of all labels, at least 80% of the 50 most doubted; none is found in the originals."""
    files = real("signdigits")
    train, test = map(data.load_hdf5, files)
    x, y = np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])
    if not seed:
        assert not data.inspect((x, y)).findings
    spoiled, places = exchanged(y, 6, 51, seed)
    found = data.inspect((x, spoiled))
    assert [one.name for one in found.findings] == ["labels doubted"]
    assert len(found.doubted) == 50
    assert sum(one.image in places for one in found.doubted) >= 40


@pytest.mark.slow
def test_exchanged_labels_of_drawn_hands_are_doubted():
    """At least 80% of the 50 most doubted, with the label that the image had as the likely one."""
    x, y = hands(1000, 4)
    spoiled, places = exchanged(y, 6, 70, 1)
    found = data.inspect((x, spoiled))
    hit = [one for one in found.doubted if one.image in places]
    assert len(hit) >= 40
    assert np.mean([one.likely == str(y[one.image]) for one in hit]) > 0.8


def test_leaving_out_in_closed_form_is_leaving_out():
    """The linear model answers as one that was fitted without the image."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    for d in (5, 60):  # fewer and more numbers than images
        x = rng.normal(size=(30, d)) + y[:, None]
        left_out = models.linear(x, y, 3).left_out
        answers = []
        for penalty in models.PENALTIES:
            scale = np.sqrt(((x - x.mean(axis=0)) ** 2).mean())
            rows = np.column_stack([(x - x.mean(axis=0)) / scale, np.ones(30)])
            row = []
            for i in range(30):
                keep = np.arange(30) != i
                a = rows[keep].T @ rows[keep] + penalty * 30 * np.eye(d + 1)
                weights = np.linalg.solve(a, rows[keep].T @ np.eye(3)[y[keep]])
                row.append((rows[i] @ weights).argmax())
            answers.append(np.array(row))
        best = max(answers, key=lambda row: (row == y).mean())
        assert (left_out == best).all()


def test_outlines_say_where_edges_are():
    """Of a vertical edge only the cells on it are not zero, and light and contrast do not count."""
    small = np.zeros((2, 32, 32, 1), np.float32)
    small[0, :, 16:] = 100
    small[1] = 0.5 * small[0] + 40
    found = models.outlines(small).reshape(2, 8, 8, 8)
    assert np.allclose(found[0], found[1], atol=1e-3)
    assert (found[0].sum(axis=(0, 2)) > 0).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert found[0].sum(axis=(0, 1)).argmax() == 0  # brighter to the right


def test_few_near_duplicates_come_by_chance():
    """Of points at random in 4 dimensions hardly any lie below the threshold; of copies all do."""
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(20):
        x = rng.normal(size=(200, 4))
        squares = ((x[:, None] - x) ** 2).sum(axis=2)
        np.fill_diagonal(squares, np.inf)
        distances = squares.min(axis=1) / 50
        below += (distances < threshold(distances, 200)).sum()
    assert below <= 8


def test_of_many_images_a_sample_is_looked_at(monkeypatch):
    """It is said, drawn by the seed, and the numbers are those of the whole set."""
    x = np.random.default_rng(0).integers(0, 256, (MOST + 50, 4, 4, 1), np.uint8)
    x[: MOST + 40] = x[0]
    part = reading.part_of((x, np.arange(len(x)) % 2), "training", True, None, None, 5)
    assert len(part.measures) == MOST
    assert part.index.max() > MOST
    assert "looked at: 10,000 images, drawn at random (seed 5)" in part.facts
    again = reading.part_of((x, None), "training", True, None, None, 6)
    assert (again.index != part.index).any()


def test_a_large_file_is_read_in_parts(tmp_path, monkeypatch):
    """What is found is the same as in memory."""
    x, y = (array.copy() for array in hands())
    x[100] = x[7]
    path = write(tmp_path / "a.h5", x, y)
    whole = data.inspect(path)
    monkeypatch.setattr(reading, "LARGE", 1000)
    parts = data.inspect(path)
    assert str(parts) == str(whole)
    assert parts.findings
    assert (parts.parts[0].picture(100) == x[7]).all()


def test_a_streamed_data_set_can_be_given(tmp_path):
    """As ``fit`` takes it."""
    source = data.HDF5Dataset(write(tmp_path / "a.h5", *hands()))
    assert data.inspect(source).findings == []


def test_texts_as_labels_are_named():
    """And taken as classes, so that the rest is looked at as well."""
    x, y = hands()
    found = data.inspect((x, np.array(list("abcdef"))[y]))
    assert [one.name for one in found.findings] == ["labels are texts"]
    assert found.baselines is not None


def test_images_without_labels():
    """Only what does not need labels is said."""
    found = data.inspect(textures(20)[0])
    assert found.findings == []
    assert found.baselines is None
    assert found.doubted == []


@pytest.mark.parametrize(
    "given",
    [
        None,
        3,
        {"x": 1},
        "missing.h5",
        (x for x in "ab"),
        np.zeros(5),
        (np.zeros((3, 0, 4, 1)), None),
    ],
    ids=["nothing", "3", "a dictionary", "missing", "a generator", "a row", "empty images"],
)
def test_what_cannot_be_read_is_one_line(given):
    """``DataError``, whatever it is."""
    with pytest.raises(DataError) as caught:
        data.inspect(given)
    assert "\n" not in str(caught.value)


def test_folders_that_hold_nothing(tmp_path):
    """Without pictures, or with broken ones alone, there is one line."""
    with pytest.raises(DataError, match="got no pictures"):
        data.inspect(tmp_path)
    write_folder(tmp_path, *fingers(4, 0))
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"\x89PNG nothing")
    with pytest.raises(DataError, match="none of 4 pictures can be read"):
        data.inspect(tmp_path)


def test_strange_datasets_are_findings_or_one_line(tmp_path):
    """Labels or images of any shape and kind never show as an error from within."""
    x, y = hands(24, 3)
    strange = [
        *((x, 3), (x, y[:, None, None]), (x, np.zeros((24, 0))), (x[:1], y[:1]), (x, y - 5)),
        *((x[..., :2], y), (x[:, :, 0], y), (x[0], y), (x.reshape(24, -1), y), (x, y * 10**9)),
        *((x.astype(bool), y), (np.full(x.shape, 1e38, "f"), y), (x, np.full(24, np.inf))),
        *((x[:, :1, :1], y), (x[:, :2, :2], y), (x[:2], y[:2]), (x, y > 2), (x, y * 1j)),
    ]
    for i, (images, labels) in enumerate(strange):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file["train_set_x"], file["train_set_y"] = images, labels
        try:
            said = str(data.inspect(tmp_path / f"{i}.h5"))
        except DataError as error:
            said = str(error)
            assert "\n" not in said
        assert said
