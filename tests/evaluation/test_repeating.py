"""Trainings with other seeds, and on other parts of the data."""

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential
from minicnn.errors import ConfigError, DataError
from minicnn.evaluation import cross_validate, mean_interval, repeat, stratified_folds

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] > 0.3).astype(int) + (X[:, 0] > 1)


def build(seed):
    """A softmax of three classes."""
    model = Sequential([Input((3,)), Dense(3, activation="softmax")], seed=seed)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_each_seed_is_a_training_of_its_own():
    """Each ends where a training with that seed ends; the interval is that of their mean."""
    found = repeat(build, X, Y, seeds=3, epochs=2, verbose=0)
    for seed, history in enumerate(found.histories):
        alone = build(seed).fit(X, Y, epochs=2, verbose=0)
        assert alone.history == history.history
    values = found.ends["accuracy"]
    assert len(set(found.ends["loss"])) == 3
    low, high = mean_interval(values)
    assert low <= np.mean(values) <= high
    assert "3 trainings." in str(found)
    assert max(map(len, str(found).splitlines())) <= 80


def test_folds_hold_the_classes_as_the_whole_does():
    """Each sample is in one fold; a class' samples are spread as evenly as can be."""
    y = RNG.permutation([0] * 23 + [1] * 11 + [2] * 6)
    parts = stratified_folds(y, 4, seed=1)
    for one in range(3):
        counts = np.bincount(parts[y == one], minlength=4)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(parts)
    assert sizes.max() - sizes.min() <= 1
    assert (parts == stratified_folds(y, 4, seed=1)).all()
    assert (parts != stratified_folds(y, 4, seed=2)).any()


def test_every_sample_is_judged_by_a_model_that_has_not_seen_it():
    """The scores are those of models trained on the other folds."""
    found = cross_validate(build, X, Y, folds=3, epochs=2, verbose=0)
    parts = stratified_folds(Y, 3)
    for number in range(3):
        model = build(number)
        held = parts == number
        model.fit(X[~held], Y[~held], epochs=2, verbose=0)
        np.testing.assert_array_equal(found.scores[held], model.predict(X[held]))
    assert found.right == (found.scores.argmax(axis=1) == Y).sum()
    assert "val_accuracy" in found.ends
    assert f"{found.right} of 60 are right" in str(found)


def test_what_cannot_be_repeated_is_refused():
    """A model that is returned twice would go on learning; folds need samples of each class."""
    one = build(0)
    for given, words in (
        (lambda seed: one, "the same again"),
        (lambda: build(0), "take a seed"),
        (lambda seed: None, "return a model"),
        (build(0), "a function of a seed"),
    ):
        with pytest.raises(ConfigError, match=words):
            repeat(given, X, Y, verbose=0)
    with pytest.raises(DataError, match="Take fewer folds"):
        stratified_folds([0, 0, 1], 2)
