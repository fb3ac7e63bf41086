"""Arguments: what is taken, what changes nothing, and what is refused by name."""

import inspect

import pytest

from minicnn import SGD, BatchNorm, Conv2D, Dense, Layer, Sequential
from minicnn._core.signatures import accepted, checked
from minicnn.errors import ConfigError


class Own(Layer):
    """Someone's own, written as Keras' examples are."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BatchNorm(data_format="channels_first"), "BatchNorm: argument 'data_format'"),
        (lambda: Conv2D(3, 3, data_format="NCHW"), "Conv2D: expected data_format as one of"),
        (lambda: Conv2D(3, 3, dtype="float16"), "argument 'dtype' = 'float16' is not supported"),
        (lambda: Conv2D(3, 3, filtres=4), "Did you mean 'filters'?"),
        (lambda: SGD(lr=0.1, learning_rate=0.1), "SGD: expected learning_rate alone, got 'lr' too"),
        (lambda: Dense(3, activity_regularizer="l2"), "not supported. Outputs are not penalized"),
        (lambda: Conv2D(3), "Conv2D: missing a required argument: 'kernel_size'; expected Conv2D"),
        (lambda: SGD(0.1, 0.9, False, *[0] * 9), "SGD: too many positional arguments"),
        (lambda: SGD(use_ema=True), "SGD: argument 'use_ema' = True is not supported"),
        (lambda: BatchNorm(renorm=True), "BatchNorm: argument 'renorm'"),
        (lambda: Own(3, foo=1), "Own: argument 'foo' = 1 .* Its arguments are: units, name"),
    ],
)
def test_arguments_that_are_not_here_are_refused_by_name(call, message):
    """An argument that a class does not take is one line with who, which and what there is."""
    with pytest.raises(ConfigError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_arguments_of_keras_that_change_nothing_are_taken():
    """A Keras script may spell out what is so here anyway."""
    layer = Conv2D(3, 3, data_format="channels_last", kernel_constraint=None, dtype="float32")
    assert repr(layer) == "Conv2D(3, 3)"
    assert repr(BatchNorm(renorm=False, synchronized=False)) == "BatchNorm()"


def test_a_misspelled_argument_is_refused_when_it_is_off_too():
    """Only arguments that Keras has are taken at None or False; a typo would be silent."""
    for call in (
        lambda: BatchNorm(moving_mean_initializer="ones"),
        lambda: Conv2D(3, 3, usebias=False),
        lambda: Dense(3, wieghts=None),
        lambda: Sequential([Dense(3)], sed=None),
        lambda: Sequential([Dense(3)]).fit(0, shufle=False),
    ):
        with pytest.raises(ConfigError, match="is not supported"):
            call()


def test_a_file_may_have_arguments_of_a_later_keras():
    """In a saved config what is None or False says nothing; what is on is refused by name."""
    assert accepted(Dense, {"units": 3, "something_new": None, "another": False}) == {"units": 3}
    with pytest.raises(ConfigError, match="argument 'something_new' = True is not supported"):
        accepted(Dense, {"units": 3, "something_new": True})


def test_any_layer_takes_trainable():
    """``trainable=False`` may be said where a layer is made, as in Keras."""
    assert not Dense(3, trainable=False).trainable
    assert not Own(3, trainable=False).trainable
    assert Dense(3).trainable


def test_arguments_handed_on_are_a_layer_s_own():
    """``**kwargs`` are the parent's arguments: they are in the config and in the signature."""
    layer = Own(3, name="mine")
    assert layer.get_config() == {"units": 3, "name": "mine"}
    assert repr(Own.from_config(layer.get_config())) == "Own(3, name='mine')"
    assert list(inspect.signature(Own).parameters) == ["units", "name"]


def test_checked_functions_answer_likewise():
    """A checked function or method names what it does not take, and keeps its signature."""

    class Thing:
        @checked
        def verb(self, x, epochs=1):
            return x, epochs

    assert Thing().verb(1, epochs=2) == (1, 2)
    assert Thing().verb(1, loss_weights=None) == (1, 1)
    assert list(inspect.signature(Thing().verb).parameters) == ["x", "epochs"]
    with pytest.raises(ConfigError, match=r"verb: argument .epoch. = 3 .* Did you mean .epochs."):
        Thing().verb(1, epoch=3)
    with pytest.raises(ConfigError, match="verb: missing a required argument: 'x'"):
        Thing().verb()
