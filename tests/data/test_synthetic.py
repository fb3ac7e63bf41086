"""The drawn data set: the same from one seed, balanced, in the course's layout, and hard enough."""

import h5py
import numpy as np
import pytest

from minicnn import Adam, Dense, Flatten, Input, Rescaling, Sequential
from minicnn.applications import small
from minicnn.data import load_hdf5
from minicnn.data import synthetic as drawing
from minicnn.errors import ConfigError
from minicnn.optimizers.schedules import CosineDecay


def test_the_same_seed_draws_the_same_pictures():
    """Pictures depend on the seed alone, to the byte, and on nothing global."""
    x, y = drawing.fingers(12, seed=1)
    np.random.seed(0)  # noqa: NPY002
    again, labels = drawing.fingers(12, seed=1)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, labels)
    assert not np.array_equal(x, drawing.fingers(12, seed=2)[0])
    assert (x.shape, x.dtype, y.dtype) == ((12, 64, 64, 3), np.uint8, np.int64)


def test_classes_are_balanced_and_mixed():
    """Each count of fingers comes as often as any other, in random order."""
    _, y = drawing.fingers(25, seed=0)
    counts = np.bincount(y, minlength=6)
    assert counts.max() - counts.min() == 1
    assert not np.array_equal(y, np.sort(y))


def test_a_finger_up_changes_the_picture_where_it_is():
    """With all else equal, raising a finger changes what is drawn above the palm."""
    fist = drawing.draw_hand([False] * 5, np.random.default_rng(3))
    hand = drawing.draw_hand([False, True, True, True, True], np.random.default_rng(3))
    changed = np.abs(fist.astype(int) - hand).sum(axis=-1) > 60
    assert changed[:32].mean() > 0.1


def test_masks_are_of_the_same_hands():
    """The pictures are those of ``fingers``; a mask has the hand in one piece at the lower edge."""
    x, masks = drawing.hand_masks(12, seed=4)
    np.testing.assert_array_equal(x, drawing.fingers(12, seed=4)[0])
    share = masks.mean(axis=(1, 2))
    assert set(np.unique(masks)) == {0, 1}
    assert ((share > 0.05) & (share < 0.6)).all()
    for picture, mask in zip(x.astype(float), masks.astype(bool), strict=True):
        # Within a hand neighbours differ less than across its outline.
        step = np.abs(np.diff(picture, axis=1)).sum(axis=2)
        across = mask[:, 1:] != mask[:, :-1]
        assert step[across].mean() > 1.5 * step[~across].mean()


def test_files_are_in_the_courses_layout(tmp_path, monkeypatch):
    """Both files are written with the course's names, and no picture is in both."""
    monkeypatch.setattr(drawing, "TRAIN_IMAGES", 30)
    monkeypatch.setattr(drawing, "TEST_IMAGES", 12)
    paths = drawing.write_fingers(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["train_fingers.h5", "test_fingers.h5"]
    with h5py.File(paths[1]) as file:
        assert set(file) == {"test_set_x", "test_set_y", "list_classes"}
        assert file["test_set_x"].dtype == np.uint8
        assert file["list_classes"][()].tolist() == list(range(6))
    train, test = map(load_hdf5, paths)
    assert (len(train), len(test), train.classes) == (30, 12, 6)
    assert not {x.tobytes() for x in train.x} & {x.tobytes() for x in test.x}


def test_mistakes_are_explained():
    """A hand without five fingers, and less than no pictures, say so."""
    with pytest.raises(ConfigError, match="draw_hand: expected whether each of five fingers"):
        drawing.draw_hand([True], np.random.default_rng(0))
    with pytest.raises(ConfigError, match="expected n of 0 or more, got -1"):
        drawing.fingers(-1, seed=0)


@pytest.mark.slow
def test_a_network_without_convolutions_does_clearly_worse(tmp_path):
    """On pictures not seen, the dense network errs at least four times as often as ``small``."""
    train = load_hdf5(drawing.write_fingers(tmp_path)[0])
    dense = Sequential(
        [
            Input((64, 64, 3)), Rescaling(1 / 255), Flatten(),
            Dense(256, activation="relu"), Dense(64, activation="relu"),
            Dense(6, activation="softmax"),
        ],
        seed=0,
    )  # fmt: skip
    errors = []
    for model, rate, epochs in ((small((64, 64, 3), 6, 0), 4e-3, 20), (dense, 1e-3, 40)):
        model.compile(
            Adam(CosineDecay(rate, 17 * epochs)), "sparse_categorical_crossentropy", ["accuracy"]
        )
        model.fit(train, batch_size=64, epochs=epochs, verbose=0)
        x, y = drawing.fingers(600, seed=77)
        errors.append(1 - model.evaluate(x, y, return_dict=True)["accuracy"])
        print(f"{len(model.layers)} layers: error {errors[-1]:.3f}")
    assert errors[0] < 0.05
    assert errors[1] > 4 * errors[0]
