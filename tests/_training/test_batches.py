"""Training, evaluation and prediction on data that come batch by batch."""

import numpy as np
import pytest

from minicnn import (
    SGD,
    BatchNorm,
    Concatenate,
    Dense,
    Dropout,
    Input,
    Model,
    Sequential,
    callbacks,
)
from minicnn.errors import MiniCNNError
from minicnn.utils import PyDataset

rng = np.random.default_rng(0)
X, Y = rng.random((40, 6), np.float32), rng.integers(0, 3, 40)
W = rng.uniform(0, 2, 40)
SIZE = 8


def network(dropout=0.0, **options):
    layers = [Input((6,)), Dense(16, activation="relu"), BatchNorm(), Dropout(dropout)]
    model = Sequential([*layers, Dense(3, activation="softmax")], seed=0, **options)
    model.compile(SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", ["accuracy"])
    return model


class Pieces(PyDataset):
    """X and Y in five batches; counts the passes."""

    def __init__(self, *arrays, size=SIZE):
        super().__init__(workers=2)
        self.arrays, self.size = arrays or (X, Y), size
        self.asked, self.passes = [], 0

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, i):
        self.asked.append(i)
        part = slice(i * self.size, (i + 1) * self.size)
        return tuple(array[part] for array in self.arrays)

    def on_epoch_end(self):
        self.passes += 1


class Iterable:
    """The same batches again and again, of a number that is not told."""

    def __iter__(self):
        return iter(list(Pieces()))


class Sized(Iterable):
    """A loader with a length, whose batches have no numbers."""

    def __len__(self):
        return 5


def endless():
    while True:
        yield from Pieces()


SOURCES = {
    "PyDataset": (Pieces, {}),
    "endless generator": (endless, {"steps_per_epoch": 5}),
    "iterable": (Iterable, {}),
    "iterable, steps": (Iterable, {"steps_per_epoch": 5}),
    "sized iterable": (Sized, {}),
    "generator of all": (lambda: (b for _ in range(3) for b in Pieces()), {"steps_per_epoch": 5}),
}


def same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("source", SOURCES)
def test_batches_train_as_arrays_do(source):
    """Weights and history of three epochs have the bits of the same batches cut from arrays."""
    make, options = SOURCES[source]
    arrays, batches = network(0.3), network(0.3)
    common = {"epochs": 3, "shuffle": False, "verbose": 0}
    wanted = arrays.fit(X, Y, batch_size=SIZE, validation_data=(X, Y), **common)
    validation = {"validation_data": make(), "validation_steps": options.get("steps_per_epoch")}
    found = batches.fit(make(), **common, **options, **validation)
    same(arrays, batches)
    assert {k: v for k, v in found.history.items() if "val" not in k} == {
        k: v for k, v in wanted.history.items() if "val" not in k
    }
    np.testing.assert_allclose(
        found.history["val_loss"][:2], wanted.history["val_loss"][:2], rtol=1e-6
    )


def test_order_and_ends_of_passes():
    """The batches are shuffled in each epoch, all come once, and on_epoch_end is called after."""
    data = Pieces()
    network().fit(data, epochs=3, verbose=0)
    asked = np.array(data.asked[1:]).reshape(3, 5)  # the very first was looked at
    assert (np.sort(asked, axis=1) == np.arange(5)).all()
    assert len({tuple(row) for row in asked}) > 1
    assert data.passes == 3
    data = Pieces()
    network().fit(data, steps_per_epoch=4, epochs=2, shuffle=False, verbose=0)
    assert data.asked[1:] == [0, 1, 2, 3, 4, 0, 1, 2]
    assert data.passes == 1


def test_evaluate_and_predict():
    """They give what they do of the arrays; ``steps`` says how many batches."""
    model = network()
    wanted = model.evaluate(X, Y, batch_size=SIZE)
    for make, _ in SOURCES.values():
        np.testing.assert_allclose(model.evaluate(make(), steps=5), wanted, rtol=1e-6)
        np.testing.assert_allclose(model.predict(make(), steps=5), model.predict(X), rtol=1e-6)
    assert model.evaluate(Pieces()) == wanted
    assert model.evaluate(X, Y, batch_size=SIZE, steps=2) == model.evaluate(Pieces(), steps=2)
    np.testing.assert_array_equal(
        model.predict(X, batch_size=SIZE, steps=2), model.predict(Pieces(), steps=2)
    )
    only_x = (X[i : i + 8] for i in range(0, 40, 8))
    np.testing.assert_allclose(model.predict(only_x), model.predict(X), rtol=1e-6)


def test_weights_of_samples_and_classes():
    """A third part of a batch weighs its samples, and class_weight its classes."""
    arrays, batches = network(), network()
    common = {"epochs": 2, "shuffle": False, "verbose": 0}
    arrays.fit(X, Y, batch_size=SIZE, sample_weight=W, **common)
    batches.fit(Pieces(X, Y, W), **common)
    same(arrays, batches)
    arrays.fit(X, Y, batch_size=SIZE, class_weight={1: 3.0}, **common)
    batches.fit(Pieces(), class_weight={1: 3.0}, **common)
    same(arrays, batches)


def test_several_inputs_and_outputs():
    """Batches have their inputs and labels in lists, tuples or dictionaries."""

    def two():
        a, b = Input((6,), name="a"), Input((6,), name="b")
        x = Dense(4, activation="tanh")(Concatenate()([a, b]))
        model = Model([a, b], [Dense(3, name="p")(x), Dense(1, name="q")(x)], seed=0)
        model.compile("sgd", "mse")
        return model

    xs, ys = [X, X[::-1].copy()], [np.eye(3)[Y], W]
    wanted = two()
    wanted.fit(xs, ys, batch_size=SIZE, shuffle=False, verbose=0)

    class Lists(Pieces):
        def __getitem__(self, i):
            a, b, p, q = super().__getitem__(i)
            return self.form(a, b), ([p, q] if i % 2 else {"q": q, "p": p})

    for form in (lambda a, b: [a, b], lambda a, b: (a, b), lambda a, b: {"b": b, "a": a}):
        data = Lists(*xs, *ys)
        data.form = form
        model = two()
        model.fit(data, shuffle=False, verbose=0)
        same(wanted, model)
        assert len(model.predict(data)) == 2


@pytest.mark.parametrize("source", ["PyDataset", "endless generator", "iterable"])
def test_a_run_resumes_to_the_same_bits(source, tmp_path):
    """Stopped in mid-epoch, and at its end, if the data give the same batches again."""
    make, options = SOURCES[source]
    whole = network(0.3)
    whole.fit(make(), epochs=4, verbose=0, **options)

    class Stop(callbacks.Callback):
        def __init__(self, after):
            self.left = after

        def on_train_batch_end(self, batch, logs):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    for after in (3, 5, 12):
        folder = tmp_path / str(after)
        common = {"epochs": 4, "verbose": 0, "checkpoint": folder, **options}
        saving = callbacks.BackupAndRestore(folder, save_freq=1)
        del common["checkpoint"]
        with pytest.raises(KeyboardInterrupt):
            network(0.3).fit(make(), callbacks=[saving, Stop(after)], **common)
        again = network(0.3)
        again.fit(make(), callbacks=[callbacks.BackupAndRestore(folder, save_freq=1)], **common)
        same(whole, again)


def test_a_generator_that_ends_ends_the_run():
    """With a warning that says so; what was trained is recorded."""
    model, twelve = network(), (b for _ in range(3) for b in list(Pieces())[:4])
    with pytest.warns(UserWarning, match="5 an epoch batches, but the data came to their end in"):
        history = model.fit(twelve, epochs=9, steps_per_epoch=5, verbose=0)
    assert history.epoch == [0, 1, 2]
    with pytest.warns(UserWarning, match="in epoch 2 after 0"):
        history = network().fit(iter(list(Pieces())), epochs=3, steps_per_epoch=5, verbose=0)
    assert history.epoch == [0]


def test_what_is_shown_without_a_length(capsys):
    """A line for each epoch, without a count that is not known."""
    network().fit(Iterable(), epochs=2, verbose=2)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/2: loss ")
    assert "5 steps" in second


class Broken(Pieces):
    """One batch is something else."""

    def __init__(self, batch, number=2):
        super().__init__()
        self.batch, self.number = batch, number

    def __getitem__(self, i):
        return self.batch if i == self.number else super().__getitem__(i)


NAN = np.where(np.arange(6) == 2, np.nan, X[:8])
# ruff: noqa: E501
MISTAKES = {
    "y beside": (lambda m: m.fit(Pieces(), Y), "fit: expected no y beside a Pieces, which gives"),
    "weights beside": (lambda m: m.fit(Pieces(), sample_weight=W), "no sample_weight beside a Pieces"),
    "split": (lambda m: m.fit(Pieces(), validation_split=0.2), "no validation_split beside a Pieces"),
    "no steps": (
        lambda m: m.fit(endless(), epochs=2),
        "expected steps_per_epoch, the number of batches to draw each time, with a generator",
    ),
    "no validation steps": (
        lambda m: m.fit(X, Y, epochs=2, validation_data=endless()), "expected validation_steps"
    ),
    "empty": (lambda m: m.fit(iter([])), "expected batches, got a list_iterator without any"),
    "length 0": (lambda m: m.fit(Pieces(X[:0], Y[:0])), "got a Pieces of length 0"),
    "four parts": (lambda m: m.fit(Pieces(X, Y, W, W)), "got 4 parts" ),
    "no labels": (lambda m: m.fit(Pieces(X)), "fit, batch 0 of the Pieces: expected a dataset, or x and y"),
    "no labels later": (lambda m: m.fit(Broken(X[:8])), "fit, batch 2 of the Broken: expected"),
    "another size": (lambda m: m.fit(Broken((X[:8, :5], Y[:8]))), "expected input of shape (N, 6)"),
    "not a number": (lambda m: m.fit(Broken((NAN, Y[:8]))), "fit, batch 2 of the Broken: expected finite"),
    "fewer labels": (lambda m: m.fit(Broken((X[:8], Y[:7]))), "batch 2 of the Broken: expected as many labels"),
    "wrong class": (lambda m: m.fit(Broken((X[:8], Y[:8] + 5))), "batch 2 of the Broken: SparseCategoricalCrossentropy: expected whole labels"),
    "in validation": (
        lambda m: m.fit(X, Y, validation_data=Broken((X[:8], Y[:7]))),
        "fit, validation_data, batch 2 of the Broken: expected as many labels",
    ),
    "evaluate": (lambda m: m.evaluate(Pieces(), Y), "evaluate: expected no y beside a Pieces"),
    "predict none": (lambda m: m.predict(iter([])), "predict: expected batches, got none"),
    "steps": (lambda m: m.predict(Pieces(), steps=0), "predict: expected steps as a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(mistake):
    """Each names the batch, and says what was expected."""
    call, message = MISTAKES[mistake]
    with pytest.raises(MiniCNNError) as error:
        call(network())
    assert message in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


def test_errors_of_the_data_are_left_alone():
    """What a PyDataset raises itself reaches its author as it is."""

    class Failing(Pieces):
        def __getitem__(self, i):
            raise OSError("cat_17.jpg is damaged")

    with pytest.raises(OSError, match="cat_17"):
        network().fit(Failing())
