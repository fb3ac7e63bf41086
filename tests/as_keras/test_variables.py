"""Weights, rates and counters as the variables that Keras scripts take them for."""

import copy
import pickle

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("as_keras")

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.eye(2)[np.arange(12) % 2]


@pytest.fixture
def net(as_keras):
    """A model that is compiled, and its module."""
    import keras

    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", metrics=["accuracy"])
    return model


def test_weights_have_names_and_can_be_assigned(net):
    """What is assigned to a weight is the layer's; ``get_weights`` gives plain arrays."""
    dense = net.layers[0]
    assert [v.name for v in net.trainable_variables] == ["dense/kernel", "dense/bias"]
    assert dense.kernel.numpy().shape == dense.W.shape == (3, 2)
    dense.bias.assign([1, 2]).assign_add([1, 1])
    np.testing.assert_array_equal(dense.get_weights()[1], [2, 3])
    assert type(net.get_weights()[0]) is np.ndarray
    assert not hasattr(dense.kernel + 1, "assign")
    dense.trainable = False
    assert net.trainable_weights == []
    assert [v.trainable for v in net.non_trainable_weights] == [False, False]


def test_the_rate_of_an_optimizer_can_be_set_by_it(net):
    """K.set_value(model.optimizer.lr, x) and learning_rate.assign(x), as in old callbacks."""
    from keras import backend

    with pytest.warns(UserWarning, match="lr is learning_rate today"):
        backend.set_value(net.optimizer.lr, 0.25)
    assert backend.get_value(net.optimizer.learning_rate) == 0.25
    net.optimizer.learning_rate.assign(0.125)
    assert net.optimizer.get_config()["learning_rate"] == 0.125
    rate = net.optimizer.learning_rate
    assert type(pickle.loads(pickle.dumps(rate))) is float
    assert copy.copy(rate) == rate.numpy() == 0.125


def test_metrics_written_with_add_weight_count(net):
    """A metric of TensorFlow's style gives what the library's gives."""
    import keras
    import tensorflow as tf

    class Hits(keras.metrics.Metric):
        def __init__(self, name="hits", **kwargs):
            super().__init__(name=name, **kwargs)
            self.right = self.add_weight(name="right", initializer="zeros")
            self.all = self.add_weight(shape=(), name="all")

        def update_state(self, y_true, y_pred, sample_weight=None):
            same = tf.equal(tf.argmax(y_true, axis=1), tf.argmax(y_pred, axis=1))
            self.right.assign_add(tf.reduce_sum(tf.cast(same, tf.float32)))
            self.all.assign_add(len(y_true))

        def result(self):
            return self.right / self.all

        def reset_state(self):
            for counter in (self.right, self.all):
                counter.assign(0.0)

    net.compile("sgd", "categorical_crossentropy", metrics=["accuracy", Hits()])
    history = net.fit(X, Y, epochs=2, batch_size=5, verbose=0).history
    np.testing.assert_allclose(history["hits"], history["accuracy"], rtol=1e-6)
    assert type(history["hits"][0]) is float

    class Count(keras.metrics.Metric):
        def __init__(self):
            super().__init__()
            self.n = self.add_variable(shape=(), initializer="zeros", name="n")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.n.assign(self.n + 1)

        def result(self):
            return self.n

    count = Count()
    count.update_state(Y, Y)
    assert (count.name, float(count.result())) == ("count", 1.0)
    count.reset_state()
    assert float(count.result()) == 0.0


def test_callbacks_that_watch_what_is_not_there_warn(net):
    """Keras' do nothing then, too; in the library itself it is an error."""
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    with pytest.warns(UserWarning, match="It does nothing") as said:
        net.fit(X, Y, verbose=0, callbacks=[EarlyStopping("val_loss"), ReduceLROnPlateau("a_loss")])
    texts = [str(one.message) for one in said]
    assert sum("EarlyStopping: expected the metric 'val_loss'" in text for text in texts) == 1
    assert sum("ReduceLROnPlateau: expected the metric 'a_loss'" in text for text in texts) == 1


def test_callbacks_have_the_validation_data(net):
    """[x, y, weights], as in Keras 2.2; None without any."""
    from keras.callbacks import Callback

    class Look(Callback):
        def on_train_begin(self, logs=None):
            self.seen = self.validation_data

    look = Look()
    net.fit(X, Y, verbose=0, callbacks=[look])
    assert look.seen is None
    net.fit(X, Y, verbose=0, callbacks=[look], validation_data=(X[:4], Y[:4]))
    assert [len(part) for part in look.seen] == [4, 4, 4]


def test_variables_of_tensorflow_change_in_place():
    """tf.Variable holds a copy; what is computed of it is a tensor."""
    import tensorflow as tf

    given = np.ones(2, np.float32)
    v = tf.Variable(given, name="v")
    v.assign_sub([1, 2])
    assert (v.numpy().tolist(), v.name, given.tolist()) == ([0, -1], "v", [1, 1])
    assert (v * 2).numpy().tolist() == [0, -2]
