"""Chains of steps over examples, by hand."""

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential
from minicnn.data.pipeline import Dataset, Spec
from minicnn.errors import ConfigError, DataError


def listed(chain):
    return [one.tolist() for one in chain]


def test_nothing_is_computed_before_it_is_asked_for():
    """Functions are called for the examples that are taken, at each pass anew."""
    called = []
    chain = Dataset.range(10).map(lambda x: called.append(int(x)) or x).batch(2).take(1)
    assert called == []
    for _ in range(2):
        assert listed(chain) == [[0, 1]]
    assert called == [0, 1, 0, 1]


def test_what_is_cached_is_computed_once():
    """The first whole pass is kept; one that is broken off is not."""
    called = []
    chain = Dataset.range(3).map(lambda x: called.append(int(x)) or x).cache()
    next(iter(chain))
    for _ in range(3):
        assert listed(chain) == [0, 1, 2]
    assert called == [0, 0, 1, 2]


def test_tuples_and_dictionaries_keep_their_structure():
    """The parts of a tuple are several arguments; batches are made of each part."""
    x, y = np.arange(6).reshape(3, 2), np.array(["a", "b", "c"])
    chain = Dataset.from_tensor_slices((x, y)).map(lambda a, b: {"sum": a.sum(), "name": b})
    (batch,) = chain.batch(3)
    assert batch["sum"].tolist() == [1, 5, 9]
    assert batch["name"].tolist() == ["a", "b", "c"]
    assert [one["name"] for one in chain.batch(2).unbatch()] == ["a", "b", "c"]
    pairs = Dataset.zip((Dataset.range(2), chain)).filter(lambda i, one: one["sum"] > 1)
    assert [(int(i), one["name"]) for i, one in pairs] == [(1, "b")]


def test_a_shuffle_takes_from_those_that_are_next():
    """All of them, in another order at each pass, by the seed; a buffer of one changes nothing."""
    chain = Dataset.range(20).shuffle(20, seed=1)
    first, second = listed(chain), listed(chain)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert listed(Dataset.range(20).shuffle(20, seed=1)) == first
    fixed = Dataset.range(20).shuffle(20, reshuffle_each_iteration=False)
    assert listed(fixed) == listed(fixed)
    assert listed(Dataset.range(20).shuffle(1)) == list(range(20))
    near = listed(Dataset.range(100).shuffle(5, seed=0))
    assert all(one < place + 5 for place, one in enumerate(near))


def test_lengths_are_known_where_they_can_be():
    """len and cardinality, and what is said where there is none."""
    ten = Dataset.range(10)
    assert len(ten.batch(3)) == 4
    assert len(ten.batch(3, drop_remainder=True).repeat(2)) == 6
    assert len(ten.skip(4).concatenate(ten.take(99))) == 16
    assert len(ten.repeat().take(7)) == 7
    assert ten.repeat().cardinality() == -1
    assert ten.filter(bool).cardinality() == -2
    for chain, why in ((ten.repeat(), "repeats without end"), (ten.filter(bool), "must be run")):
        assert chain
        with pytest.raises(TypeError, match=why):
            len(chain)


def test_examples_by_number():
    """One after the other is one pass; any other begins anew; beyond the last there is none."""
    called = []
    chain = Dataset.range(4).map(lambda x: called.append(int(x)) or x)
    assert [int(chain[i]) for i in range(4)] == [0, 1, 2, 3]
    assert called == [0, 1, 2, 3]
    assert int(chain[1]) == 1
    with pytest.raises(IndexError, match="there is no example 4"):
        chain[4]


def test_other_sources():
    """Generators are called at each pass; a spec is that of the first example."""
    chain = Dataset.from_generator(lambda n: iter([[1.0] * n, [2.0] * n]), args=(2,))
    assert listed(chain) == listed(chain) == [[1, 1], [2, 2]]
    assert chain.element_spec == Spec((2,), np.dtype(float))
    assert listed(Dataset.from_tensors(np.ones(2)).repeat(2)) == [[1, 1], [1, 1]]
    assert Dataset.range(5).reduce(0, lambda total, x: total + x) == 10
    assert listed(Dataset.range(3).apply(lambda d: d.take(1))) == [0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Dataset.from_tensor_slices((np.ones(2), np.ones(3))),
            r"one length, .* \(2,\), \(3,\)",
        ),
        (lambda: Dataset.from_tensor_slices(3), "expected arrays of one length"),
        (lambda: Dataset.from_generator([1]), "expected a function that yields examples"),
        (lambda: Dataset.range(3).map(3), "Dataset.map: expected a function, got 3"),
        (lambda: Dataset.range(3).batch(0), "expected batch_size as a whole number"),
        (lambda: Dataset.zip([1], Dataset.range(1)), "Dataset.zip: expected a Dataset"),
        (
            lambda: list(Dataset.range(3).map(np.ones).batch(2)),
            r"expected examples of one shape, got \(0,\) and \(1,\)\. Bring images to one size",
        ),
        (lambda: Dataset.range(0).element_spec, "there are no examples"),
        (lambda: Dataset.range(3)["a"], "expected the number of an example"),
    ],
)
def test_mistakes_are_one_line(call, message):
    """Steps that make no sense, and examples that do not fit, are refused by name."""
    with pytest.raises((ConfigError, DataError), match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_chain_without_end_needs_steps():
    """To fit, evaluate, predict or validate on it would never end: one line says what to give."""
    x, y = np.zeros((4, 3)), np.arange(4) % 2
    chain = Dataset.from_tensor_slices((x, y)).batch(2)
    model = Sequential([Input((3,)), Dense(2, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    endless = chain.repeat()
    for work, name in (
        (lambda: model.fit(endless, verbose=0), "fit: expected steps_per_epoch"),
        (lambda: model.fit(chain, validation_data=endless, verbose=0), "validation_steps"),
        (lambda: model.evaluate(endless, verbose=0), "evaluate: expected steps"),
        (lambda: model.predict(endless, verbose=0), "predict: expected steps"),
    ):
        with pytest.raises(ConfigError, match=f"{name}.* without end; got none"):
            work()
    assert model.predict(endless, steps=3, verbose=0).shape == (6, 2)
    assert len(model.fit(endless, steps_per_epoch=3, epochs=2, verbose=0).epoch) == 2
