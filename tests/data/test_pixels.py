"""Images of another range than those that a model was trained on are named, with what to do."""

import warnings

import numpy as np
import pytest

from minicnn.data.pixels import Pixels, remedy
from minicnn.layers import Conv2D, Dense, Flatten, Input
from minicnn.models import Sequential, load_model

rng = np.random.default_rng(0)
BYTES = rng.integers(0, 256, (16, 8, 8, 3), np.uint8)
DIVIDED = (BYTES / 255).astype(np.float32)
SIGNED = 2 * DIVIDED - 1
DEEP = BYTES.astype(np.uint16) * 257


def network():
    model = Sequential([Input((8, 8, 3)), Conv2D(2, 3), Flatten(), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    return model


def trained(x):
    model = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what fit says of images that nothing scales
        model.fit(x, np.zeros((len(x), 2)), epochs=1, verbose=0)
    return model


OTHERS = [
    (DIVIDED, BYTES, "Divide them by 255"),
    (DIVIDED, BYTES.astype(np.float32), "Divide them by 255"),
    (DIVIDED, DEEP, "Divide them by 65535"),
    (SIGNED, BYTES, "Scale them, as it was done"),
    (BYTES, DIVIDED, "Give them as they were"),
    (BYTES, SIGNED, "Give them as they were"),
    (BYTES, DEEP, "Divide them by 257"),
    (SIGNED, DIVIDED, r"2 \* x - 1"),
    (DIVIDED, SIGNED, r"\(x \+ 1\) / 2"),
]


@pytest.mark.parametrize(("before", "now", "what"), OTHERS)
def test_another_range_is_named_with_what_to_do(tmp_path, before, now, what):
    """In evaluate and predict, of a model that comes from a file too."""
    model = trained(before)
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    for one in (model, load_model(tmp_path / "model.keras"), load_model(tmp_path / "model.h5")):
        assert one.pixels == model.pixels
        said = rf"predict: images from \S+ to \S+, but the model was trained on images .*{what}"
        with pytest.warns(RuntimeWarning, match=said):
            one.predict(now, verbose=0)
        with pytest.warns(RuntimeWarning, match=said):
            one.predict(iter([now, now]), verbose=0)
    with pytest.warns(RuntimeWarning, match=f"^evaluate: images .*{what}"):
        model.evaluate(now, np.zeros((len(now), 2)), verbose=0)


def test_validation_data_are_compared_with_those_to_train_on():
    """And those to train on with those of an earlier fit."""
    model = network()
    said = "fit, validation_data: images from 0 to 255, but the model was trained on images from 0"
    with pytest.warns(RuntimeWarning, match=said):
        model.fit(DIVIDED, np.zeros((16, 2)), validation_data=(BYTES, np.zeros((16, 2))), verbose=0)
    with pytest.warns(RuntimeWarning) as caught:
        model.fit(BYTES, np.zeros((16, 2)), verbose=0)
    assert any("fit: images from 0 to 255, but the model was" in str(one.message) for one in caught)
    assert model.pixels == (0, 255)


ALIKE = [
    (DIVIDED, DIVIDED[:1]),
    (DIVIDED, 0.01 * DIVIDED),
    (DIVIDED, np.clip(SIGNED, -0.1, 1)),
    (DIVIDED, np.zeros((9, 8, 8, 3), np.float32)),
    (BYTES, BYTES // 128),
    (BYTES, np.full((9, 8, 8, 3), 1.0)),
    (BYTES, np.full((9, 8, 8, 3), np.nan)),
    (SIGNED, DIVIDED[:3]),
    (SIGNED, 4 * SIGNED),
    (10 * SIGNED, DIVIDED),
]


@pytest.mark.parametrize(("before", "now"), ALIKE)
def test_images_that_may_be_alike_are_let_pass(before, now):
    """Dark ones, few ones, those of one colour, and those that were standardized."""
    low, high = float(before.min()), float(before.max())
    assert remedy(Pixels(low, high), now) == ""


def test_what_are_no_images_have_no_pixels():
    """A model of rows of numbers keeps nothing, and any numbers will do."""
    model = Sequential([Input((4,)), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4)), np.zeros((8, 2)), verbose=0)
    assert model.pixels is None
    model.predict(np.full((8, 4), 1000.0), verbose=0)
