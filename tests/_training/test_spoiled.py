"""What ``fit`` warns of in the data: one line each, once; sound data and small ones are silent."""

import time
import warnings

import numpy as np
import pytest

from minicnn import data
from minicnn._training.spoiled import spoiled
from minicnn.data.fitting import Data
from minicnn.data.loaders import ArrayLoader
from mistake_helpers import network
from spoiled_data import write

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (120, 12, 12, 3), dtype=np.uint8)
Y = rng.integers(0, 6, 120)


def warned(x, y=None, **options):
    model = network()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(x, y, epochs=2, verbose=0, **options)
    return [str(one.message) for one in found]


def test_sound_data_are_silent(tmp_path):
    """Shuffled, in order, in batches, from a file, with other images to evaluate."""
    other = rng.integers(0, 256, (60, 12, 12, 3), dtype=np.uint8), Y[:60]
    assert warned(X, Y, validation_data=other) == []
    assert warned(X, Y, shuffle=False) == []
    assert warned(X, np.sort(Y)) == []
    source = data.HDF5Dataset(write(tmp_path / "a.h5", X, np.sort(Y)))
    assert warned(source) == []


@pytest.mark.parametrize(
    ("y", "options", "said"),
    [
        (np.sort(Y), {"shuffle": False}, "the labels are sorted by class (6 runs of 120 labels)"),
        (np.full(120, 2), {}, "all 120 labels are 2: there is nothing to tell apart"),
        (Y, {"validation_data": (X[:60], Y[:60])}, "of 60 validation images that were looked at"),
        (Y, {"validation_data": (X.copy(), Y)}, "60 are training images"),
    ],
    ids=["sorted", "one class", "a part seen", "all seen"],
)
def test_what_spoils_a_run_is_one_warning(y, options, said):
    """With the remedy, and once for all epochs."""
    found = warned(X, y, **options)
    assert len(found) == 1
    assert said in found[0]


def test_constant_images_are_a_warning():
    """As a file gives that was not read."""
    x = X.copy()
    x[:90] = 7
    (found,) = warned(x, Y)
    assert "of 60 images that were looked at, 45 have the same number everywhere" in found


def test_few_images_are_not_judged():
    """Of fewer than 100 nobody can tell."""
    assert warned(X[:60], np.zeros(60, int), validation_data=(X[:60], Y[:60])) == []


def test_batches_that_begin_with_one_class():
    """The first batch tells."""
    found = [one.said for one in spoiled(_batch_loader(X[:40], np.full(40, 3)), None, shuffle=True)]
    assert found == ["all 40 labels of the first batch are 3."]


def _batch_loader(x, y):
    loader = ArrayLoader(Data.of(x, y), 40)
    loader.in_memory = False
    return loader


def test_looking_takes_little_time():
    """Of 50,000 images it takes far less than an epoch of any network."""
    x = rng.integers(0, 256, (50_000, 16, 16, 3), dtype=np.uint8)
    loader = ArrayLoader(Data.of(x, rng.integers(0, 9, 50_000)), 64)
    other = ArrayLoader(Data.of(x[:10_000] // 2, loader.sample.y[:10_000]), 64)
    start = time.process_time()
    assert list(spoiled(loader, other, shuffle=True)) == []
    assert time.process_time() - start < 0.5
