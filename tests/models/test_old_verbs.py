"""Methods that Keras 1 and 2 had do what stands for them today."""

import warnings

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential, callbacks
from minicnn._core import console
from minicnn.utils import PyDataset

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
rng = np.random.default_rng(0)
X, Y = rng.random((20, 4), np.float32), rng.integers(0, 3, 20)


class Batches(PyDataset):
    batch_size = 5

    def __len__(self):
        return 4

    def __getitem__(self, i):
        part = slice(5 * i, 5 * i + 5)
        return X[part], Y[part]


def network(classes=3):
    kind = "softmax" if classes > 1 else "sigmoid"
    model = Sequential([Input((4,)), Dense(classes, activation=kind)], seed=0)
    loss = "sparse_categorical_crossentropy" if classes > 1 else "binary_crossentropy"
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def test_generators():
    """fit_generator, evaluate_generator and predict_generator are fit, evaluate and predict."""
    old, new = network(), network()
    history = old.fit_generator(
        Batches(), steps_per_epoch=20 / 5, epochs=2, verbose=0, workers=3, shuffle=False,
        validation_data=Batches(), max_queue_size=2, use_multiprocessing=True,
    )  # fmt: skip
    wanted = new.fit(Batches(), epochs=2, verbose=0, shuffle=False, validation_data=Batches())
    assert history.history == wanted.history
    first = old.fit_generator(
        Batches(), samples_per_epoch=20, nb_epoch=1, nb_val_samples=10, validation_data=Batches(),
        verbose=0, shuffle=False,
    )  # fmt: skip
    again = new.fit(
        Batches(), epochs=1, verbose=0, shuffle=False, validation_data=Batches(), validation_steps=2
    )
    assert first.history == again.history
    assert old.evaluate_generator(Batches(), 3) == new.evaluate(Batches(), steps=3)
    assert old.metrics_names == ["loss", "accuracy"]
    np.testing.assert_allclose(old.predict_generator(Batches()), new.predict(X), rtol=1e-5)


def test_classes_and_probabilities():
    """The largest of several outputs, or whether the only one is above 0.5."""
    model, single = network(), network(1)
    np.testing.assert_array_equal(model.predict_classes(X), model.predict(X).argmax(axis=1))
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X))
    np.testing.assert_array_equal(single.predict_classes(X), single.predict(X) > 0.5)


def test_the_logs_of_an_accuracy_have_both_names(tmp_path):
    """History, callbacks and names of files know acc and accuracy, whichever was asked for."""
    for given, other in (("accuracy", "acc"), ("acc", "accuracy")):
        model = network()
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=[given])
        keep = callbacks.ModelCheckpoint(tmp_path / f"{{val_{other}:.2f}}.h5", f"val_{other}")
        stop = callbacks.EarlyStopping(f"val_{other}", patience=2)
        history = model.fit(X, Y, validation_data=(X, Y), callbacks=[keep, stop], verbose=0).history
        assert history[other] == history[given]
        assert history[f"val_{other}"] == history[f"val_{given}"]
        assert (tmp_path / f"{history[f'val_{given}'][0]:.2f}.h5").exists()
        with pytest.raises(KeyError):
            history["f1"]


def test_each_old_name_is_said_once():
    """In one line, with what it is today."""
    console._said.clear()
    model = network()
    with pytest.warns(UserWarning, match="predict_proba is predict today"):
        model.predict_proba(X)
    with warnings.catch_warnings(action="error"):
        model.predict_proba(X)
